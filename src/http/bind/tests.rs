use std::net::TcpListener as StdListener;

use super::*;

fn has_ipv6() -> bool {
    StdListener::bind("[::1]:0").is_ok()
}

#[tokio::test]
async fn localhost_is_both_loopback_addresses_on_one_port() {
    let bound = bind("localhost", 0).await.unwrap();
    assert!(bound.is_local());
    assert_ne!(bound.port(), 0);
    assert!(bound.addresses.iter().all(|address| address.port() == bound.port()));
    assert_eq!(bound.addresses.len(), if has_ipv6() { 2 } else { 1 });
    tokio::net::TcpStream::connect(("127.0.0.1", bound.port())).await.unwrap();
}

#[tokio::test]
async fn a_star_is_every_address() {
    let bound = bind("*", 0).await.unwrap();
    assert!(!bound.is_local());
    tokio::net::TcpStream::connect(("127.0.0.1", bound.port())).await.unwrap();
    if has_ipv6() {
        tokio::net::TcpStream::connect(("::1", bound.port())).await.unwrap();
    }
}

#[tokio::test]
async fn two_colons_take_ipv4_too() {
    if has_ipv6() {
        let bound = bind("[::]", 0).await.unwrap();
        assert_eq!(bound.addresses.len(), 1);
        tokio::net::TcpStream::connect(("127.0.0.1", bound.port())).await.unwrap();
    }
}

#[tokio::test]
async fn lists_are_taken_apart_without_repetition() {
    let bound = bind(" 127.0.0.1, localhost,127.0.0.2 ,", 0).await.unwrap();
    let v4: Vec<_> = bound.addresses.iter().filter(|address| address.is_ipv4()).map(SocketAddr::ip).collect();
    assert_eq!(v4, ["127.0.0.1".parse::<IpAddr>().unwrap(), "127.0.0.2".parse().unwrap()]);
}

#[tokio::test]
async fn an_address_in_use_names_the_address_and_the_remedy() {
    let other = bind("127.0.0.1", 0).await.unwrap();
    let error = bind("127.0.0.1", other.port()).await.unwrap_err();
    assert!(matches!(error, BindError::InUse(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("127.0.0.1:{}", other.port())), "{text}");
    assert!(text.contains("gateway.port") && text.contains("in use"), "{text}");
}

#[tokio::test]
async fn a_second_gateway_on_localhost_fails_although_one_family_is_free() {
    let other = bind("127.0.0.1", 0).await.unwrap();
    assert!(matches!(bind("localhost", other.port()).await, Err(BindError::InUse(_))));
}

#[tokio::test]
async fn a_foreign_address_and_an_empty_host_are_refused() {
    assert!(matches!(bind("192.0.2.1", 0).await, Err(BindError::NotHere(_))));
    assert!(matches!(bind(" , ", 0).await, Err(BindError::Unresolved { .. })));
}
