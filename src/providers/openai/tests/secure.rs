//! Over TLS, directly and through a proxy.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::server::read_request;
use super::*;

/// A server with a certificate for `localhost` that nobody but its own authority vouches for.
struct Secure {
    port: u16,
    authority: CertificateDer<'static>,
}

impl Secure {
    /// Gives every request this answer.
    async fn saying(answer: String) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let authority = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("the default versions")
                .with_no_client_auth()
                .with_single_cert(vec![authority.clone()], key)
                .expect("they belong together");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not trust the certificate breaks off.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                if read_request(&mut stream).await.is_some() {
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        Self { port, authority }
    }

    fn spec(&self) -> ModelSpec {
        let mut spec = ModelSpec::new("fast", "openai", "gpt");
        spec.api_base = Some(format!("https://localhost:{}/v1", self.port));
        spec.api_key = Some("sk-secret".into());
        spec
    }

    async fn ask(&self, spec: &ModelSpec, stream: bool) -> Outcome {
        let clients = HttpClients::trusting(self.authority.clone());
        ask(&*super::super::super::build(spec, &clients).expect("a valid entry"), stream).await
    }
}

/// A proxy that lets one connection through, and what it was asked for.
async fn proxy() -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let task = tokio::spawn(async move {
        let (mut inward, _) = listener.accept().await.expect("a client");
        let asked = read_request(&mut inward).await.expect("a request");
        let target = asked.split(' ').nth(1).expect("a target").to_owned();
        let mut outward = TcpStream::connect(target).await.expect("the server");
        inward.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("sent");
        let _ = copy_bidirectional(&mut inward, &mut outward).await;
        asked
    });
    (port, task)
}

#[tokio::test]
async fn a_trusted_server_is_asked_over_tls() {
    let server = Secure::saying(json_answer(OK)).await;
    assert_eq!(server.ask(&server.spec(), false).await.answer().content, "Hello");
    let server = Secure::saying(events(&[&word("Hel"), &word("lo"), STOP, COUNTS, DONE])).await;
    let outcome = server.ask(&server.spec(), true).await;
    assert_eq!(outcome.text, "Hello");
    assert_eq!(outcome.answer().usage, Some(Usage::new(3, 2)));
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_refused() {
    let (server, other) = (Secure::saying(json_answer(OK)).await, Secure::saying(json_answer(OK)).await);
    let error = other.ask(&server.spec(), false).await.error();
    assert_eq!(error.reason, FailureReason::Network);
    assert!(error.message.contains("certificate"), "{}", error.message);
    // Another name than the one in the certificate.
    let mut spec = server.spec();
    spec.api_base = Some(format!("https://127.0.0.1:{}/v1", server.port));
    let error = server.ask(&spec, false).await.error();
    assert!(error.message.contains("certificate"), "{}", error.message);
}

#[tokio::test]
async fn a_proxy_passes_on_what_it_cannot_read() {
    let server = Secure::saying(json_answer(OK)).await;
    let (port, asked) = proxy().await;
    let mut spec = server.spec();
    spec.proxy = Some(format!("http://user:hunter22@127.0.0.1:{port}"));
    assert_eq!(server.ask(&spec, false).await.answer().content, "Hello");
    let asked = asked.await.expect("one connection").to_ascii_lowercase();
    assert!(asked.starts_with(&format!("connect localhost:{} http/1.1\r\n", server.port)), "{asked}");
    assert!(asked.contains("proxy-authorization: basic "), "{asked}");
    assert!(!asked.contains("sk-secret"), "{asked}");
}
