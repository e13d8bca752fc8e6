use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use picoclaw_telemetry::health::{Check, HealthReport, HealthSource};
use picoclaw_telemetry::words::HealthStatus;
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::time::Instant;

use super::{Notifier, State, beat, keep};
use crate::config::Environment;

/// A service manager's end.
struct Manager {
    socket: UnixDatagram,
    _directory: TempDir,
}

fn manager() -> (Manager, Arc<Notifier>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let environment = Environment::default().with("NOTIFY_SOCKET", path.to_str().unwrap());
    let notifier = Arc::new(Notifier::from_environment(&environment));
    (Manager { socket, _directory: directory }, notifier)
}

impl Manager {
    async fn next(&self) -> String {
        let mut bytes = [0; 512];
        let length = self.socket.recv(&mut bytes).await.unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }
}

/// A judgement that the test sets.
struct Fixed(Mutex<HealthReport>);

impl Fixed {
    fn new(status: HealthStatus) -> Arc<Self> {
        Arc::new(Self(Mutex::new(HealthReport { status, checks: Vec::new() })))
    }

    fn set(&self, status: HealthStatus, issue: Option<&str>) {
        let check = |issue: &str| Check {
            name: "x".into(),
            ok: false,
            issue: Some(issue.to_owned()),
            message: String::new(),
        };
        *self.0.lock().unwrap() = HealthReport { status, checks: issue.map(check).into_iter().collect() };
    }
}

impl HealthSource for Fixed {
    fn report(&self) -> HealthReport {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn the_life_of_a_gateway_is_told_in_order() {
    let (manager, notifier) = manager();
    notifier.reload_began().await;
    notifier.ready().await;
    notifier.ready().await;
    notifier.reload_began().await;
    notifier.reload_ended().await;
    notifier.stopping().await;
    notifier.reload_ended().await;
    notifier.tell(&[State::Status("a\nb"), State::Watchdog]).await;
    assert_eq!(manager.next().await, "READY=1\n", "a reload before it is ready is no state of its own");
    let reloading = manager.next().await;
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
    assert!(time.parse::<u64>().unwrap() > 0);
    assert_eq!(manager.next().await, "READY=1\n");
    assert_eq!(manager.next().await, "STOPPING=1\n");
    assert_eq!(manager.next().await, "STATUS=a b\nWATCHDOG=1\n");
}

#[tokio::test]
async fn abstract_sockets_are_spoken_to() {
    let name = format!("picoclaw-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = std::os::unix::net::UnixDatagram::bind_addr(&address).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = UnixDatagram::from_std(socket).unwrap();
    let environment = Environment::default().with("NOTIFY_SOCKET", format!("@{name}"));
    Notifier::from_environment(&environment).ready().await;
    let mut bytes = [0; 64];
    let length = socket.recv(&mut bytes).await.unwrap();
    assert_eq!(&bytes[..length], b"READY=1\n");
}

#[tokio::test]
async fn without_a_socket_or_with_a_strange_one_nothing_happens() {
    for environment in [Environment::default(), Environment::default().with("NOTIFY_SOCKET", "vsock:2:1")] {
        let notifier = Notifier::from_environment(&environment);
        assert!(!notifier.is_enabled());
        notifier.ready().await;
        keep(Arc::new(notifier), Fixed::new(HealthStatus::Healthy), Some(Duration::from_secs(1))).await;
    }
    // Nobody listens where the variable points to.
    let environment = Environment::default().with("NOTIFY_SOCKET", "/nowhere/notify");
    Notifier::from_environment(&environment).ready().await;
}

#[test]
fn the_watchdog_wants_a_beat_twice_per_limit_from_the_process_that_it_means() {
    let limit = Environment::default().with("WATCHDOG_USEC", "30000000");
    assert_eq!(beat(&limit, 7), Some(Duration::from_secs(15)));
    assert_eq!(beat(&limit.clone().with("WATCHDOG_PID", "7"), 7), Some(Duration::from_secs(15)));
    assert_eq!(beat(&limit.with("WATCHDOG_PID", "8"), 7), None);
    for wrong in ["0", "x", "-1"] {
        assert_eq!(beat(&Environment::default().with("WATCHDOG_USEC", wrong), 7), None);
    }
    assert_eq!(beat(&Environment::default(), 7), None);
}

#[tokio::test]
async fn readiness_is_told_when_it_is_true_and_status_when_it_changes() {
    let (manager, notifier) = manager();
    let health = Fixed::new(HealthStatus::Starting);
    let keeper = tokio::spawn(keep(notifier, health.clone(), None));
    assert_eq!(manager.next().await, "STATUS=starting\n");
    health.set(HealthStatus::Degraded, Some("provider_x_failing"));
    tokio::time::pause();
    assert_eq!(manager.next().await, "STATUS=degraded: provider_x_failing\n");
    assert_eq!(manager.next().await, "READY=1\n");
    health.set(HealthStatus::Healthy, None);
    assert_eq!(manager.next().await, "STATUS=healthy\n");
    keeper.abort();
}

#[tokio::test(start_paused = true)]
async fn beats_come_in_time_also_between_two_looks_at_the_judgement() {
    for (beat, most) in [(200, 200), (1500, 1500), (15_000, 15_000)] {
        let (manager, notifier) = manager();
        let beat = Duration::from_millis(beat);
        let keeper = tokio::spawn(keep(notifier, Fixed::new(HealthStatus::Failing), Some(beat)));
        assert_eq!(manager.next().await, "STATUS=failing\n");
        let mut last = Instant::now();
        for _ in 0..4 {
            assert_eq!(manager.next().await, "WATCHDOG=1\n");
            assert!(last.elapsed() <= Duration::from_millis(most), "{:?}", last.elapsed());
            last = Instant::now();
        }
        keeper.abort();
    }
}
