use proptest::prelude::*;

use super::*;

/// All events of a body that arrives in these pieces.
fn decode(pieces: &[&[u8]]) -> Result<Vec<String>, TooLong> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        while let Some(data) = decoder.next_event()? {
            events.push(String::from_utf8_lossy(data).into_owned());
        }
    }
    if let Some(data) = decoder.finish() {
        events.push(String::from_utf8_lossy(data).into_owned());
    }
    Ok(events)
}

fn whole(body: &str) -> Vec<String> {
    decode(&[body.as_bytes()]).expect("short")
}

#[test]
fn reads_events_with_every_line_end() {
    for end in ["\n", "\r", "\r\n"] {
        let body = format!("data: a{end}{end}data:b{end}{end}{end}data:  c{end}{end}");
        assert_eq!(whole(&body), ["a", "b", " c"], "{end:?}");
    }
}

#[test]
fn joins_data_lines_and_skips_the_rest() {
    let body = "\u{feff}data: {\n: a comment\nevent: delta\nid: 7\ndata: }\nretry\ndatabase: no\n\n:\n\ndata\n\ndata: [DONE]\n\n";
    assert_eq!(whole(body), ["{\n}", "", "[DONE]"]);
    assert_eq!(whole("data: 1\ndata: 2\ndata: 3\n\n"), ["1\n2\n3"]);
}

#[test]
fn an_event_without_its_last_line_end_counts() {
    assert_eq!(whole("data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
    assert_eq!(whole("data: a\ndata: b\n"), ["a\nb"]);
    assert_eq!(whole(": comment"), [""; 0]);
}

#[test]
fn lines_and_events_are_bounded() {
    let endless = vec![b'x'; MAX_EVENT + 1];
    assert_eq!(decode(&[&endless]), Err(TooLong));
    let line = format!("data: {}\n", "x".repeat(MAX_EVENT / 2));
    assert_eq!(decode(&[line.as_bytes(), line.as_bytes(), line.as_bytes()]), Err(TooLong));
    // A server that only sends comments fills nothing.
    let mut decoder = Decoder::new();
    for _ in 0..10_000 {
        decoder.feed(b": keep-alive keep-alive keep-alive\n\n");
        assert_eq!(decoder.next_event(), Ok(None));
    }
    assert!(decoder.buffer.capacity() < 1024, "{}", decoder.buffer.capacity());
}

/// A slow and simple reading of the standard.
fn reference(body: &str) -> Vec<String> {
    let text = body.strip_prefix('\u{feff}').unwrap_or(body);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Vec::new();
    let mut data: Option<Vec<&str>> = None;
    for line in text.split('\n') {
        if line.is_empty() {
            events.extend(data.take().map(|lines| lines.join("\n")));
        } else if line == "data" {
            data.get_or_insert_default().push("");
        } else if let Some(value) = line.strip_prefix("data:") {
            data.get_or_insert_default().push(value.strip_prefix(' ').unwrap_or(value));
        }
    }
    events.extend(data.map(|lines| lines.join("\n")));
    events
}

fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "data: ",
        "data:",
        "data",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "{\"a\":\"ü\"}",
        "x",
        ":",
        "event: y",
        " ",
        "\u{feff}",
        "[DONE]",
    ])
}

proptest! {
    #[test]
    fn cuts_do_not_matter(tokens in prop::collection::vec(token(), 0..60), cuts in prop::collection::vec(0usize..400, 0..20)) {
        let body = tokens.concat();
        let bytes = body.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < bytes.len()).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode(&pieces).expect("short"), reference(&body));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(decode(&single).expect("short"), reference(&body));
    }

    #[test]
    fn any_bytes_are_survived(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let _ = decode(&pieces);
    }
}
