use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use super::super::listing;
use super::super::writer::lines_file;
use super::*;
use crate::chat::Role;

fn messages(texts: &[&str]) -> Vec<Arc<Message>> {
    texts.iter().map(|text| Arc::new(Message::new(Role::User, *text))).collect()
}

/// A store that looks at the disk each time.
fn open(directory: &Path) -> SessionStore {
    SessionStore::open(directory, &Options { trust: Duration::ZERO, ..Options::default() }).unwrap()
}

async fn all(store: &SessionStore) -> Vec<SessionInfo> {
    store.recent(Duration::MAX).await.unwrap()
}

async fn texts(store: &SessionStore, id: &SessionId) -> Vec<String> {
    store.history(id).await.unwrap().messages.iter().map(|message| message.content.clone()).collect()
}

#[tokio::test]
async fn a_conversation_outlives_the_store() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("workspace/sessions");
    let id = SessionId::derive("http", "Alice");
    let store = open(&directory);
    assert_eq!(store.history(&id).await.unwrap(), History::default());
    let commit = store.append(&id, messages(&["hello"])).await.unwrap();
    store.append(&id, messages(&["how", "are you"])).await.unwrap();
    assert_eq!(
        commit.bytes,
        fs::read_to_string(directory.join(lines_file(id.key()))).unwrap().find('\n').unwrap() as u64 + 1
    );
    assert_eq!(texts(&store, &id).await, ["hello", "how", "are you"]);
    store.close().await.unwrap();
    assert!(matches!(store.append(&id, messages(&["late"])).await, Err(StoreError::Closed)));
    assert!(!directory.join(".journal").exists());

    let store = open(&directory);
    assert_eq!(texts(&store, &SessionId::derive("http", "alice")).await, ["hello", "how", "are you"]);
    let meta = listing::read_meta(&directory, id.key()).unwrap();
    assert_eq!((meta.count, meta.aliases.as_slice()), (3, &["agent:main:http:direct:alice".to_owned()][..]));
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let id = SessionId::named("a");
    let store = open(home.path());
    store.append(&id, messages(&["1", "2"])).await.unwrap();
    // What a kill leaves behind, and a power failure that took the session's file.
    let copy = tempfile::tempdir().unwrap();
    fs::copy(home.path().join(".journal"), copy.path().join(".journal")).unwrap();
    let recovered = open(copy.path());
    assert_eq!(texts(&recovered, &id).await, ["1", "2"]);
    assert_eq!(recovered.recovery().restored, 1);
}

#[tokio::test]
async fn a_journal_left_by_another_process_is_recovered_too() {
    let home = tempfile::tempdir().unwrap();
    let id = SessionId::named("a");
    let store = open(home.path());
    store.append(&id, messages(&["1"])).await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    fs::copy(home.path().join(".journal"), copy.path().join(".journal-3")).unwrap();
    let recovered = open(copy.path());
    assert_eq!(texts(&recovered, &id).await, ["1"]);
    assert!(!copy.path().join(".journal-3").exists());
}

#[tokio::test]
async fn many_appends_share_a_batch_and_none_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let id = SessionId::derive("http", &format!("chat {}", n % 40));
                store.append(&id, messages(&[&n.to_string()])).await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.oldest_request(), None);
    store.close().await.unwrap();
    let store = open(home.path());
    let mut found = Vec::new();
    for n in 0..40 {
        found.extend(texts(&store, &SessionId::derive("http", &format!("chat {n}"))).await);
    }
    found.sort_unstable_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(found, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_another_process_does_to_a_file_is_seen() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let id = SessionId::named("a");
    let file = home.path().join("a.jsonl");
    store.append(&id, messages(&["1"])).await.unwrap();
    fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .unwrap()
        .write_all(b"{\"role\":\"user\",\"content\":\"2\"}\n{\"to")
        .unwrap();
    let history = store.history(&id).await.unwrap();
    assert_eq!((history.messages.len(), history.corrupt), (2, 1));
    store.append(&id, messages(&["3"])).await.unwrap();
    assert_eq!(texts(&store, &id).await, ["1", "2", "3"]);
    fs::remove_file(&file).unwrap();
    assert_eq!(texts(&store, &id).await, [""; 0]);
    store.append(&id, messages(&["4"])).await.unwrap();
    assert_eq!(texts(&store, &id).await, ["4"]);
}

#[tokio::test]
async fn what_another_process_does_is_not_looked_for_while_a_look_is_fresh() {
    let home = tempfile::tempdir().unwrap();
    let trusting = Options { trust: Duration::MAX, ..Options::default() };
    let (mine, other) = (SessionStore::open(home.path(), &trusting).unwrap(), open(home.path()));
    let id = SessionId::named("a");
    assert_eq!(texts(&mine, &id).await, [""; 0]);
    other.append(&id, messages(&["1"])).await.unwrap();
    assert_eq!(texts(&mine, &id).await, [""; 0]);
    // An append notices.
    mine.append(&id, messages(&["2"])).await.unwrap();
    assert_eq!(texts(&mine, &id).await, ["1", "2"]);
}

#[tokio::test]
async fn the_file_of_an_older_version_is_gone_on_with() {
    let home = tempfile::tempdir().unwrap();
    let line = b"{\"role\":\"user\",\"content\":\"old\"}\n";
    fs::write(home.path().join("agent_main_pico_direct_pico_1.jsonl"), line).unwrap();
    for trust in [Duration::ZERO, Duration::MAX] {
        let store = SessionStore::open(home.path(), &Options { trust, ..Options::default() }).unwrap();
        let id = SessionId::derive("pico", "pico:1");
        let before = texts(&store, &id).await.len();
        store.append(&id, messages(&["new"])).await.unwrap();
        store.append(&id, messages(&["new"])).await.unwrap();
        assert_eq!(texts(&store, &id).await.len(), before + 2);
        assert_eq!(all(&store).await.len(), 1);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn skip_and_summary_are_honoured() {
    let home = tempfile::tempdir().unwrap();
    let bytes = lines::encode(&messages(&["1", "2", "3"])).unwrap();
    fs::write(home.path().join("a.jsonl"), bytes).unwrap();
    fs::write(home.path().join("a.meta.json"), br#"{"key":"a","summary":"so far","skip":2,"count":3}"#)
        .unwrap();
    let store = open(home.path());
    let history = store.history(&SessionId::named("a")).await.unwrap();
    assert_eq!((history.messages[0].content.as_str(), history.summary.as_str()), ("3", "so far"));
}

#[tokio::test]
async fn recent_sessions_are_those_written_to_lately() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    store.append(&SessionId::named("new:one"), messages(&["1"])).await.unwrap();
    store.append(&SessionId::named("old"), messages(&["1"])).await.unwrap();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    File::open(home.path().join("old.jsonl")).unwrap().set_modified(hour_ago).unwrap();
    let recent = store.recent(Duration::from_secs(1800)).await.unwrap();
    assert_eq!(recent.iter().map(|session| session.key.as_str()).collect::<Vec<_>>(), ["new:one"]);
    assert_eq!(all(&store).await.len(), 2);
}

/// At once, although metadata may be on its way into it.
fn vanish(directory: &Path) {
    let gone = directory.with_extension("gone");
    fs::rename(directory, &gone).unwrap();
    while gone.exists() {
        let _ = fs::remove_dir_all(&gone);
    }
}

#[tokio::test]
async fn a_directory_that_vanishes_is_made_again() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("sessions");
    let store = open(&directory);
    let id = SessionId::named("a");
    store.append(&id, messages(&["1"])).await.unwrap();
    vanish(&directory);
    store.append(&id, messages(&["2"])).await.unwrap();
    assert_eq!(texts(&store, &id).await, ["2"]);
    assert!(directory.join(".journal").exists());
    vanish(&directory);
    fs::write(&directory, "in the way").unwrap();
    let error = store.append(&id, messages(&["3"])).await.unwrap_err().to_string();
    assert!(
        error.contains("sessions/a.jsonl") && error.contains("move the file that is in the way"),
        "{error}"
    );
    fs::remove_file(&directory).unwrap();
    store.append(&id, messages(&["4"])).await.unwrap();
    assert_eq!(texts(&store, &id).await, ["4"]);
}

#[test]
fn a_directory_that_cannot_be_used_is_named_with_a_remedy() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("file");
    fs::write(&path, "").unwrap();
    let error = SessionStore::open(&path, &Options::default()).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()) && error.contains("in the way"), "{error}");
}

#[tokio::test]
async fn two_processes_can_use_one_directory() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (open(home.path()), open(home.path()));
    let id = SessionId::named("a");
    first.append(&id, messages(&["1"])).await.unwrap();
    second.append(&id, messages(&["2"])).await.unwrap();
    first.append(&id, messages(&["3"])).await.unwrap();
    assert_eq!(texts(&second, &id).await, ["1", "2", "3"]);
    assert!(home.path().join(".journal-1").exists());
    first.close().await.unwrap();
    second.close().await.unwrap();
    assert_eq!(open(home.path()).recovery().foreign, 0);
}

#[tokio::test]
async fn sessions_in_memory_leave_no_trace() {
    let home = tempfile::tempdir().unwrap();
    let options = Options { persistence: Persistence::Memory, memory_bytes: 4_000, ..Options::default() };
    let store = SessionStore::open(home.path().join("sessions"), &options).unwrap();
    for n in 0..100 {
        let id = SessionId::derive("http", &n.to_string());
        store.append(&id, messages(&["hello"])).await.unwrap();
        store.append(&id, messages(&["again"])).await.unwrap();
    }
    assert_eq!(texts(&store, &SessionId::derive("http", "99")).await, ["hello", "again"]);
    assert_eq!(texts(&store, &SessionId::derive("http", "0")).await, [""; 0]);
    assert!(all(&store).await.len() < 10);
    assert!(!home.path().join("sessions").exists());
}

fn forgotten(history: &History, messages: u64, summary: &str) -> Forgotten {
    Forgotten { since: history.skip, messages: history.omitted + messages, summary: summary.to_owned() }
}

#[tokio::test]
async fn what_is_forgotten_stays_in_the_file_and_out_of_the_conversation() {
    let home = tempfile::tempdir().unwrap();
    let id = SessionId::derive("http", "a");
    let path = home.path().join(lines_file(id.key()));
    let store = open(home.path());
    store.append(&id, messages(&["1", "2"])).await.unwrap();
    File::options().append(true).open(&path).unwrap().write_all(b"damaged\n").unwrap();
    store.append(&id, messages(&["3", "4"])).await.unwrap();
    let history = store.history(&id).await.unwrap();
    assert!(store.forget(&id, forgotten(&history, 3, "one to three")).await.unwrap());
    store.append(&id, messages(&["5"])).await.unwrap();
    let check = async |store: &SessionStore| {
        let history = store.history(&id).await.unwrap();
        assert_eq!((history.summary.as_str(), history.skip, history.corrupt), ("one to three", 4, 0));
        assert_eq!(texts(store, &id).await, ["4", "5"]);
    };
    check(&store).await;
    assert!(!store.forget(&id, forgotten(&history, 1, "late")).await.unwrap(), "it was cut since");
    check(&store).await;
    store.close().await.unwrap();
    check(&open(home.path())).await;
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 6);
    assert_eq!(listing::read_meta(home.path(), id.key()).unwrap().count, 5);
}

#[tokio::test]
async fn what_is_forgotten_is_durable_at_once_and_of_a_short_view_too() {
    let home = tempfile::tempdir().unwrap();
    let id = SessionId::named("a");
    let options = Options { history_bytes: 600, trust: Duration::ZERO, ..Options::default() };
    let store = SessionStore::open(home.path(), &options).unwrap();
    store.append(&id, messages(&["1", "2", "3", "4"])).await.unwrap();
    let history = store.history(&id).await.unwrap();
    assert!(history.omitted > 0);
    assert!(store.forget(&id, forgotten(&history, 1, "s")).await.unwrap());
    // What a kill leaves behind.
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(home.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let recovered = open(copy.path());
    let left = recovered.history(&id).await.unwrap();
    assert_eq!((left.skip, left.omitted), (history.omitted + 1, 0));
    assert_eq!(left.messages.last().unwrap().content, "4");
}

#[tokio::test]
async fn in_memory_the_same_is_forgotten() {
    let options = Options { persistence: Persistence::Memory, ..Options::default() };
    let store = SessionStore::open("unused", &options).unwrap();
    let id = SessionId::named("a");
    store.append(&id, messages(&["1", "2", "3"])).await.unwrap();
    let history = store.history(&id).await.unwrap();
    assert!(store.forget(&id, forgotten(&history, 2, "s")).await.unwrap());
    assert!(!store.forget(&id, forgotten(&history, 1, "late")).await.unwrap());
    let left = store.history(&id).await.unwrap();
    assert_eq!((left.summary.as_str(), left.skip, texts(&store, &id).await), ("s", 2, vec!["3".to_owned()]));
}
