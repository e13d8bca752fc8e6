use super::*;
use crate::chat::Role;

fn token() -> CancellationToken {
    CancellationToken::new()
}

fn message(text: &str) -> Vec<Message> {
    vec![Message::new(Role::User, text)]
}

#[tokio::test]
async fn turns_of_a_session_follow_one_another_and_the_queue_is_bounded() {
    let gates = Arc::new(Gates::default());
    let first = gates.queue("a").unwrap().try_enter(&token()).unwrap();
    let second = gates.queue("a").unwrap().try_enter(&token()).unwrap_err();
    assert!(gates.queue("b").unwrap().try_enter(&token()).is_ok());
    let others: Vec<_> = (1..QUEUE_LIMIT).map(|_| gates.queue("a").unwrap()).collect();
    assert!(gates.queue("a").is_none());
    drop(others);
    let cancel = token();
    let mut waiting = Box::pin(second.enter(&cancel));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    drop(first);
    drop(waiting.await);
    assert!(gates.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn who_stops_a_session_stops_all_that_are_there_and_none_that_come_later() {
    let gates = Arc::new(Gates::default());
    assert_eq!(gates.stop("a"), 0);
    let cancel = token();
    let running = gates.queue("a").unwrap().try_enter(&cancel).unwrap();
    let waiting = gates.queue("a").unwrap();
    let offered = waiting.offer(message("x"));
    assert_eq!(gates.stop("a"), 2);
    assert!(cancel.is_cancelled() && running.is_stopped() && waiting.is_stopped());
    assert!(running.take_offer().is_none(), "what is stopped joins nothing");
    drop(offered);
    let later = gates.queue("a").unwrap();
    assert!(!later.is_stopped());
}

#[tokio::test]
async fn a_message_that_waits_may_join_once() {
    let gates = Arc::new(Gates::default());
    let running = gates.queue("a").unwrap().try_enter(&token()).unwrap();
    assert!(running.take_offer().is_none());
    let places: Vec<_> = (0..3).map(|_| gates.queue("a").unwrap()).collect();
    let first = places[0].offer(message("first"));
    let _second = places[1].offer(message("second"));
    drop(places[2].offer(message("third")));

    let joined = running.take_offer().unwrap();
    assert_eq!(joined.messages[0].content, "first");
    assert_eq!(places[0].withdraw(), None);
    let ending = first.await.unwrap();
    drop(joined.answer);
    assert!(ending.await.is_err(), "a turn that vanishes is noticed");

    assert_eq!(places[1].withdraw().unwrap()[0].content, "second");
    assert!(running.take_offer().is_none(), "who went away no longer wants to join");
}
