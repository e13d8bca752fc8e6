use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use super::*;

fn frames(n: usize) -> Batch {
    Batch::new((0..n).map(|i| Bytes::from(format!("picoclaw.x:{i}|c"))).collect(), 0)
}

fn transport(destination: Destination) -> AgentTransport {
    let hello = Bytes::from_static(b"picoclaw.build_info:1|g");
    AgentTransport::new(destination, Vec::new(), hello, Progress::default())
}

fn to(agent: &UdpSocket) -> AgentTransport {
    transport(Destination::Udp(agent.local_addr().unwrap().to_string()))
}

/// All datagrams that wait.
fn heard(agent: &UdpSocket) -> Vec<String> {
    agent.set_nonblocking(true).unwrap();
    let mut bytes = [0; 1024];
    let mut all = Vec::new();
    while let Ok(n) = agent.recv(&mut bytes) {
        all.push(String::from_utf8_lossy(&bytes[..n]).into_owned());
    }
    all
}

fn texts(batch: &Batch) -> Vec<String> {
    batch.frames.iter().map(|frame| String::from_utf8_lossy(frame).into_owned()).collect()
}

#[tokio::test]
async fn an_agent_that_dies_and_comes_back_hears_each_datagram_once() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(agent) = UdpSocket::bind(address) else { continue };
        let address = agent.local_addr().unwrap();
        let mut transport = to(&agent);
        let mut first = frames(3);
        transport.send(&mut first).await.unwrap();
        assert_eq!(heard(&agent), texts(&first));
        drop(agent);
        let mut second = frames(80);
        for _ in 0..3 {
            let error = transport.send(&mut second).await.unwrap_err();
            assert!(error.to_string().contains("no Datadog Agent listens there"), "{error}");
            assert_eq!(second.sent, 0, "nothing counts as delivered to nobody");
            assert_eq!(transport.progress.load(Relaxed), 0);
        }
        let agent = UdpSocket::bind(address).unwrap();
        transport.send(&mut second).await.unwrap();
        assert_eq!(heard(&agent), texts(&second));
        assert_eq!(transport.progress.load(Relaxed), 80);
    }
}

#[tokio::test]
async fn of_a_flush_that_is_cut_off_only_the_rest_is_sent_again() {
    let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = agent.local_addr().unwrap();
    let mut transport = to(&agent);
    let mut batch = frames(50);
    // The first window, then a second one from the middle of which on the Agent is gone.
    let socket = Socket::connect(&transport.destination, 0).await.unwrap();
    let progress = Progress::default();
    send_window(&socket, &mut batch, 1, &progress).await.unwrap();
    send_window(&socket, &mut batch, 10, &progress).await.unwrap();
    assert_eq!((batch.sent, progress.load(Relaxed)), (11, 11));
    let before = heard(&agent);
    drop(agent);
    send_window(&socket, &mut batch, 32, &progress).await.unwrap_err();
    assert_eq!((batch.sent, progress.load(Relaxed)), (11, 11));
    let agent = UdpSocket::bind(address).unwrap();
    transport.send(&mut batch).await.unwrap();
    assert_eq!([before, heard(&agent)].concat(), texts(&batch));
}

#[tokio::test]
async fn a_probe_is_a_true_line_and_notices_that_nobody_listens() {
    let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut transport = to(&agent);
    transport.probe().await.unwrap();
    assert_eq!(heard(&agent), ["picoclaw.build_info:1|g"]);
    assert_eq!(transport.describe(), format!("sends to {}", agent.local_addr().unwrap()));
    drop(agent);
    transport.probe().await.unwrap_err();
}

/// Another machine's refusal takes its time, and may be that of any datagram of the window.
#[tokio::test]
async fn a_refusal_from_elsewhere_concerns_the_whole_window() {
    let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut transport = to(&agent);
    let mut batch = frames(20);
    let Socket::Udp { socket, to, .. } = Socket::connect(&transport.destination, 0).await.unwrap() else {
        panic!("not UDP")
    };
    let socket = Socket::Udp { socket, to, same_machine: false };
    send_window(&socket, &mut batch, 5, &transport.progress).await.unwrap();
    drop(agent);
    for window in [1, 10] {
        send_window(&socket, &mut batch, window, &transport.progress).await.unwrap_err();
        assert_eq!((batch.sent, transport.progress.load(Relaxed)), (5, 5), "window of {window}");
    }
    let before = transport.attempt;
    transport.send(&mut batch).await.unwrap_err();
    assert_eq!((batch.sent, transport.attempt), (5, before + 1));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_read_its_socket_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dsd.socket");
    let mut transport = transport(Destination::Unix(path.clone()));
    let mut batch = frames(3000);
    transport.send(&mut batch).await.unwrap_err();
    assert!(!path.exists());
    let agent = UnixDatagram::bind(&path).unwrap();
    let error = transport.send(&mut batch).await.unwrap_err();
    assert!(error.to_string().contains("does not read"), "{error}");
    assert!(batch.sent > 0 && batch.sent < 3000);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 1024];
        let read = |_| {
            let n = agent.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..n]).into_owned()
        };
        (0..3000).map(read).collect::<Vec<_>>()
    });
    // The paused clock makes impatient: the second is over as soon as nothing can be done.
    while transport.send(&mut batch).await.is_err() {}
    assert_eq!(reader.join().unwrap(), texts(&batch));
}

#[tokio::test]
async fn a_restarted_agents_socket_is_connected_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dsd.socket");
    let agent = UnixDatagram::bind(&path).unwrap();
    let mut transport = transport(Destination::Unix(path.clone()));
    transport.probe().await.unwrap();
    transport.send(&mut frames(1)).await.unwrap();
    drop(agent);
    let mut batch = frames(2);
    transport.send(&mut batch).await.unwrap_err();
    std::fs::remove_file(&path).unwrap();
    transport.send(&mut batch).await.unwrap_err();
    let agent = UnixDatagram::bind(&path).unwrap();
    transport.send(&mut batch).await.unwrap();
    let mut bytes = [0; 64];
    for text in texts(&batch) {
        let n = agent.recv(&mut bytes).unwrap();
        assert_eq!(text.as_bytes(), &bytes[..n]);
    }
}
