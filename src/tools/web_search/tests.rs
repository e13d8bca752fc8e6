use picoclaw_telemetry::words::ToolStatus::{Error, Success};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

/// An engine that answers each request with the next of these, and tells what it was asked.
async fn server(answers: Vec<(u16, &'static str)>) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 16 << 10];
            let mut length = 0;
            loop {
                length += stream.read(&mut request[length..]).await.unwrap();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let Some((head, content)) = text.split_once("\r\n\r\n") else { continue };
                let expected = head
                    .lines()
                    .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                if content.len() >= expected.unwrap_or(0) {
                    asked.send(text).unwrap();
                    break;
                }
            }
            let head =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    (address, requests)
}

fn engine(kind: EngineKind, address: &str, keys: &[&str]) -> Engine {
    Engine::new(kind, address, keys.iter().map(|key| (*key).to_owned()).collect(), 5).unwrap()
}

async fn search(engines: &[Engine], arguments: Value) -> ToolOutput {
    WebSearch::new(engines).call(arguments).await
}

#[tokio::test]
async fn each_engine_is_asked_in_its_own_language() {
    let hits = r#"{"results":[{"title":"<b>One</b> &amp; only","url":"https://one.test/","content":"a\n b","snippet":"a b"},{"title":"no address"}]}"#;
    let brave = r#"{"web":{"results":[{"title":"One &amp; only","url":"https://one.test/","description":"<strong>a</strong> b"}]}}"#;
    let duck = r#"<div><a rel="nofollow" class="result__a" href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fone.test%2F&amp;rut=x">One &amp; <b>only</b></a>
        <a class="result__snippet" href="x">a <b>b</b></a></div><a class="result__a" href="https://duckduckgo.com/y.js?ad=1">Ad</a>"#;
    for (kind, answer, asked) in [
        (
            EngineKind::Brave,
            brave,
            vec!["GET /?q=rust+news&count=3&freshness=pw", "x-subscription-token: key"],
        ),
        (
            EngineKind::Baidu,
            r#"{"references":[{"title":"One &amp; only","url":"https://one.test/","content":"a b"}]}"#,
            vec!["POST / ", "authorization: Bearer key", r#""top_k":3"#, r#""search_recency_filter":"week""#],
        ),
        (
            EngineKind::Glm,
            r#"{"search_result":[{"title":"One &amp; only","link":"https://one.test/","content":"a b"}]}"#,
            vec![
                r#""search_query":"rust news""#,
                r#""search_engine":"search_std""#,
                r#""search_recency_filter":"oneWeek""#,
            ],
        ),
        (EngineKind::SearXng, hits, vec!["GET /search?q=rust+news&format=json&time_range=week"]),
        (
            EngineKind::Tavily,
            hits,
            vec!["POST /search", "authorization: Bearer key", r#""time_range":"week""#],
        ),
        (
            EngineKind::Perplexity,
            hits,
            vec!["POST /", "authorization: Bearer key", r#""search_recency_filter":"week""#],
        ),
        (EngineKind::DuckDuckGo, duck, vec!["GET /?q=rust+news&df=w"]),
    ] {
        let (address, mut requests) = server(vec![(200, answer)]).await;
        let arguments = json!({"query": "rust news", "count": 3, "range": "w"});
        let output = search(&[engine(kind, &address, &["key"])], arguments).await;
        let expected = format!(
            "Results for: rust news (via {})\n1. One & only\n   https://one.test/\n   a b\n",
            kind.name()
        );
        assert_eq!((output.status, output.text.as_str()), (Success, expected.as_str()));
        let request = requests.recv().await.unwrap();
        for part in asked {
            assert!(request.contains(part), "{part} in {request}");
        }
    }
}

#[tokio::test]
async fn gemini_says_what_it_has_found_and_where() {
    let answer = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"It is "},{"text":"out.\n"}]},
        "groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://one.test/","title":"one.test"}},{"x":1}]}}]}"#;
    let (address, mut requests) = server(vec![(200, answer), (200, "{}")]).await;
    let engines = [engine(EngineKind::Gemini, &address, &["key"]).with_index("gemini-x")];
    let output = search(&engines, json!({"query": "rust news", "range": "w"})).await;
    let expected =
        "Results for: rust news (via gemini)\nIt is out.\n\n1. one.test\n   https://one.test/\n".to_owned();
    assert_eq!((output.status, output.text), (Success, expected));
    let request = requests.recv().await.unwrap();
    let asked = r#""text":"rust news (only pages of the last week)""#;
    for part in
        ["POST /models/gemini-x:generateContent ", "x-goog-api-key: key", asked, r#"{"google_search":{}}"#]
    {
        assert!(request.contains(part), "{part} in {request}");
    }
    assert_eq!(search(&engines, json!({"query": "x"})).await.status, Error);
}

#[tokio::test]
async fn another_key_and_then_another_engine_is_tried() {
    let (brave, mut asked) = server(vec![(429, ""), (401, "")]).await;
    let (searxng, _requests) = server(vec![(200, r#"{"results":[]}"#)]).await;
    let engines =
        [engine(EngineKind::Brave, &brave, &["first", "second"]), engine(EngineKind::SearXng, &searxng, &[])];
    let output = search(&engines, json!({"query": "x"})).await;
    assert_eq!(output.text, "Results for: x (via searxng)\nNothing was found.\n");
    assert!(asked.recv().await.unwrap().contains("first") && asked.recv().await.unwrap().contains("second"));
}

#[tokio::test]
async fn what_went_wrong_is_told_without_the_key() {
    let (brave, _requests) = server(vec![(500, "")]).await;
    let (duck, _requests) = server(vec![(200, "are you a robot?")]).await;
    let engines =
        [engine(EngineKind::Brave, &brave, &["sk-key"]), engine(EngineKind::DuckDuckGo, &duck, &[])];
    let output = search(&engines, json!({"query": "x"})).await;
    assert_eq!(output.status, Error);
    assert!(output.text.contains("brave: it answered 500") && output.text.contains("duckduckgo: its answer"));
    assert!(!format!("{engines:?}{}", output.text).contains("sk-key"));
    assert!(search(&[], json!({"query": " "})).await.text.contains("`query`"));
    assert!(search(&[], json!({"query": "x", "range": "h"})).await.text.contains("no range `h`"));
    assert!(Engine::new(EngineKind::Tavily, "", vec![String::new()], 5).is_none());
}
