//! Reads the Prometheus text format, version 0.0.4.

use std::collections::BTreeMap;

/// Labels by name, in the order of the exposition.
pub(super) type Labels = Vec<(String, String)>;

/// A metric with all its series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Family {
    pub(super) name: String,
    /// `counter`, `gauge`, `histogram`, ...
    pub(super) kind: String,
    pub(super) help: String,
    pub(super) series: Vec<Series>,
}

/// One series; of a histogram, its samples together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) value: Value,
}

/// What a series says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Histogram(Histogram),
}

/// The samples of a histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram {
    /// Upper bounds with how many observations are not above them; ascending, infinity last.
    pub(super) buckets: Vec<(f64, f64)>,
    pub(super) sum: f64,
    pub(super) count: f64,
}

/// The families, in the order of the exposition.
///
/// # Errors
/// When a line is neither a comment nor a sample; the error shows it.
pub(super) fn parse(text: &str) -> anyhow::Result<Vec<Family>> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(comment) = line.strip_prefix('#') {
            note(&mut families, comment.trim_start());
        } else {
            let (name, labels, value) =
                sample(line).ok_or_else(|| anyhow::anyhow!("not a sample of a metric: {line:.200}"))?;
            add(&mut families, &name, labels, value);
        }
    }
    Ok(families)
}

fn note(families: &mut Vec<Family>, comment: &str) {
    let mut words = comment.splitn(3, ' ');
    let (Some(what @ ("HELP" | "TYPE")), Some(name)) = (words.next(), words.next()) else { return };
    let text = words.next().unwrap_or_default();
    let family = of_name(families, name);
    if what == "TYPE" {
        text.trim().clone_into(&mut family.kind);
    } else {
        family.help = unescape(text);
    }
}

fn of_name<'a>(families: &'a mut Vec<Family>, name: &str) -> &'a mut Family {
    // Lines of one family stand together.
    if families.last().is_none_or(|last| last.name != name) {
        families.push(Family { name: name.to_owned(), ..Family::default() });
    }
    families.last_mut().expect("one was just pushed if there was none")
}

fn add(families: &mut Vec<Family>, name: &str, mut labels: Labels, value: f64) {
    let part = families.last().filter(|last| last.kind == "histogram").and_then(|last| {
        name.strip_prefix(last.name.as_str()).filter(|part| matches!(*part, "_bucket" | "_sum" | "_count"))
    });
    let Some(part) = part else {
        of_name(families, name).series.push(Series { labels, value: Value::Number(value) });
        return;
    };
    let bound = labels.iter().position(|(name, _)| name == "le").map(|at| labels.remove(at).1);
    let family = families.last_mut().expect("the part is one of the last family's");
    if family.series.last().is_none_or(|last| last.labels != labels) {
        family.series.push(Series { labels, value: Value::Histogram(Histogram::default()) });
    }
    let Some(Series { value: Value::Histogram(histogram), .. }) = family.series.last_mut() else { return };
    match (part, bound.and_then(|bound| number(&bound))) {
        ("_bucket", Some(bound)) => histogram.buckets.push((bound, value)),
        ("_sum", _) => histogram.sum = value,
        ("_count", _) => histogram.count = value,
        _ => {}
    }
}

/// `name{label="value",...} value [timestamp]`
fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(['{', ' ', '\t'])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            inside = inside.trim_start_matches([',', ' ']);
            if let Some(after) = inside.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, value) = inside.split_once("=\"")?;
            let end = closing_quote(value)?;
            labels.push((label.trim().to_owned(), unescape(&value[..end])));
            inside = &value[end + 1..];
        }
    }
    let value = number(rest.split_ascii_whitespace().next()?)?;
    (!name.is_empty()).then(|| (name.to_owned(), labels, value))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| match c {
        _ if escaped => {
            escaped = false;
            None
        }
        '\\' => {
            escaped = true;
            None
        }
        '"' => Some(at),
        _ => None,
    })
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        let meant = match (c, characters.clone().next()) {
            ('\\', Some('n')) => '\n',
            ('\\', Some(other)) => other,
            _ => c,
        };
        if c == '\\' {
            characters.next();
        }
        plain.push(meant);
    }
    plain
}

/// The series of another look, to compare with.
pub(super) fn by_identity(families: &[Family]) -> BTreeMap<(&str, &Labels), &Value> {
    let all = families.iter().flat_map(|family| family.series.iter().map(move |series| (family, series)));
    all.map(|(family, series)| ((family.name.as_str(), &series.labels), &series.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn families_series_and_histograms_are_read() {
        let families = parse(concat!(
            "# HELP a_total All \\\\ of\\nthem.\n# TYPE a_total counter\na_total 3\n",
            "# TYPE h_seconds histogram\n",
            "h_seconds_bucket{p=\"x\",le=\"0.1\"} 1\nh_seconds_bucket{p=\"x\",le=\"+Inf\"} 2\n",
            "h_seconds_sum{p=\"x\"} 1.5\nh_seconds_count{p=\"x\"} 2\n",
            "h_seconds_bucket{p=\"y\",le=\"+Inf\"} 0\nh_seconds_sum{p=\"y\"} 0\nh_seconds_count{p=\"y\"} 0\n",
            "# A remark.\nuntyped{quote=\"a\\\"b,}\", empty=\"\"} NaN 123\n",
        ))
        .unwrap();
        let names: Vec<_> =
            families.iter().map(|family| (family.name.as_str(), family.kind.as_str())).collect();
        assert_eq!(names, [("a_total", "counter"), ("h_seconds", "histogram"), ("untyped", "")]);
        assert_eq!(families[0].help, "All \\ of\nthem.");
        assert_eq!(families[0].series, [Series { labels: vec![], value: Value::Number(3.0) }]);
        let histogram = Histogram { buckets: vec![(0.1, 1.0), (f64::INFINITY, 2.0)], sum: 1.5, count: 2.0 };
        assert_eq!(families[1].series.len(), 2);
        assert_eq!(families[1].series[0].labels, [label("p", "x")]);
        assert_eq!(families[1].series[0].value, Value::Histogram(histogram));
        assert_eq!(families[2].series[0].labels, [label("quote", "a\"b,}"), label("empty", "")]);
        assert!(matches!(families[2].series[0].value, Value::Number(value) if value.is_nan()));
    }

    #[test]
    fn what_is_no_sample_is_shown() {
        for line in ["<html>", "a{b=\"c} 1", "a one", "{} 1"] {
            assert!(parse(line).unwrap_err().to_string().contains(line), "{line}");
        }
    }
}
