use std::time::{Duration, SystemTime};

use serde_json::json;

use super::{Look, render};
use crate::metrics::document;
use crate::metrics::exposition::{Family, parse};

fn scrape(messages: u32, echo: u32, below_one: u32, sum: f64) -> Vec<Family> {
    let all = below_one + 1;
    parse(&format!(
        "# HELP process_open_fds Open file descriptors.\n# TYPE process_open_fds gauge\nprocess_open_fds 9\n\
         # HELP picoclaw_messages_total User messages.\n# TYPE picoclaw_messages_total counter\n\
         picoclaw_messages_total {messages}\n\
         # HELP picoclaw_provider_requests_total Requests.\n# TYPE picoclaw_provider_requests_total counter\n\
         picoclaw_provider_requests_total{{provider=\"echo\"}} {echo}\n\
         picoclaw_provider_requests_total{{provider=\"other-one\"}} 0\n\
         # HELP picoclaw_response_time_seconds Time.\n# TYPE picoclaw_response_time_seconds histogram\n\
         picoclaw_response_time_seconds_bucket{{le=\"1\"}} {below_one}\n\
         picoclaw_response_time_seconds_bucket{{le=\"+Inf\"}} {all}\n\
         picoclaw_response_time_seconds_sum {sum}\npicoclaw_response_time_seconds_count {all}\n"
    ))
    .unwrap()
}

fn look<'a>(now: &'a [Family], filter: &'a str) -> Look<'a> {
    Look { now, before: None, filter, all: false, time: SystemTime::UNIX_EPOCH }
}

#[test]
fn numbers_stand_by_subject_with_their_meaning() {
    let now = scrape(4, 3, 3, 2.0);
    let expected = "\
Messages
  picoclaw_messages_total  4
      User messages.
  picoclaw_response_time_seconds  count 4  mean 500 ms  p50 667 ms  p95 1.00 s  p99 1.00 s
      Time.

Providers
  picoclaw_provider_requests_total
      Requests.
      provider=\"echo\"       3
      provider=\"other-one\"  0

Process
  process_open_fds  9
      Open file descriptors.
";
    assert_eq!(render(&look(&now, "")), expected);
}

#[test]
fn series_of_large_metrics_where_nothing_happened_are_counted_only() {
    let lines: String = (0..7).map(|n| format!("a_total{{n=\"{n}\"}} {}\n", u8::from(n == 3))).collect();
    let now = parse(&format!("# HELP a_total A.\n# TYPE a_total counter\n{lines}")).unwrap();
    let page = render(&look(&now, ""));
    assert_eq!(page, "Others\n  a_total\n      A.\n      n=\"3\"  1\n      (6 more at 0)\n");
    assert_eq!(render(&Look { all: true, ..look(&now, "") }).lines().count(), 10);
}

#[test]
fn a_filter_looks_at_names_and_labels() {
    let now = scrape(4, 3, 3, 2.0);
    let page = render(&look(&now, "ECHO"));
    assert!(page.contains("provider=\"echo\"  3") && !page.contains("other-one"), "{page}");
    assert!(!page.contains("messages"), "{page}");
    assert!(render(&look(&now, "messages")).contains("picoclaw_messages_total  4"));
    assert_eq!(render(&look(&now, "nothing")), "no metric contains \"nothing\"\n");
}

#[test]
fn the_second_look_shows_rates_and_what_was_observed_since() {
    let (then, now) = (scrape(4, 3, 3, 2.0), scrape(10, 1, 5, 2.5));
    let second = Look { before: Some((&then, Duration::from_secs(2))), ..look(&now, "") };
    let page = render(&second);
    for line in [
        "picoclaw_messages_total  10  3/s\n",
        // The counter began anew.
        "provider=\"echo\"       1  0.50/s\n",
        "provider=\"other-one\"  0  0/s\n",
        "picoclaw_response_time_seconds  count 6  1/s  mean 250 ms  p50 500 ms",
        "process_open_fds  9\n",
    ] {
        assert!(page.contains(line), "{line:?} in {page}");
    }
    let same = Look { before: Some((&now, Duration::from_secs(2))), ..look(&now, "response") };
    assert!(render(&same).contains("count 6  0/s  mean 417 ms"), "{}", render(&same));
}

#[test]
fn the_document_has_the_same_for_programs() {
    let (then, now) = (scrape(4, 3, 3, 2.0), scrape(10, 3, 3, 2.0));
    let second = Look { before: Some((&then, Duration::from_secs(2))), ..look(&now, "picoclaw_messages") };
    assert_eq!(
        document::render(&second),
        json!({ "picoclaw_messages_total": {
            "type": "counter", "help": "User messages.",
            "series": [{ "labels": {}, "value": 10.0, "per_second": 3.0 }],
        }})
    );
    let first = document::render(&look(&now, "response"));
    let series = &first["picoclaw_response_time_seconds"]["series"][0];
    assert_eq!((&series["count"], &series["mean"], &series["p99"]), (&json!(4.0), &json!(0.5), &json!(1.0)));
    assert!(series.get("per_second").is_none());
}
