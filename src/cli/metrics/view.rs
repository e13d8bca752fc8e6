//! The page for people, and what it shares with the document for programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use super::distribution::Distribution;
use super::exposition::{Family, Histogram, Labels, Series, Value, by_identity};
use super::{subject, units};

/// One look at the numbers.
pub(super) struct Look<'a> {
    pub(super) now: &'a [Family],
    /// The look before, and how long ago it was.
    pub(super) before: Option<(&'a [Family], Duration)>,
    /// Only what contains this text.
    pub(super) filter: &'a str,
    /// Also the series of large metrics where nothing has happened yet.
    pub(super) all: bool,
    pub(super) time: SystemTime,
}

/// A series with what became of it.
pub(super) struct Row<'a> {
    pub(super) labels: &'a Labels,
    pub(super) reading: Reading,
    /// How much was added per second since the look before: of counters and histograms.
    pub(super) rate: Option<f64>,
}

/// What a row shows.
pub(super) enum Reading {
    Number(f64),
    /// All observations, and those whose sizes are told: the ones since the look before if there were any.
    Histogram {
        count: f64,
        sizes: Option<Distribution>,
    },
}

impl<'a> Look<'a> {
    /// The families that pass the filter with their rows, in the order of the exposition.
    pub(super) fn rows(&self) -> Vec<(&'a Family, Vec<Row<'a>>)> {
        let before = self.before.map(|(families, age)| (by_identity(families), age));
        let family = |family: &'a Family| {
            let series = family.series.iter().filter(|series| self.shows(family, series));
            let rows: Vec<_> = series.map(|series| row(family, series, before.as_ref())).collect();
            (!rows.is_empty()).then_some((family, rows))
        };
        self.now.iter().filter_map(family).collect()
    }

    fn shows(&self, family: &Family, series: &Series) -> bool {
        let filter = self.filter.to_lowercase();
        family.name.contains(&filter) || labels(&series.labels).to_lowercase().contains(&filter)
    }
}

type Before<'a> = (BTreeMap<(&'a str, &'a Labels), &'a Value>, Duration);

fn row<'a>(family: &'a Family, series: &'a Series, before: Option<&Before<'a>>) -> Row<'a> {
    let earlier = before.and_then(|(values, _)| values.get(&(family.name.as_str(), &series.labels)).copied());
    let per_second = |added: f64| before.map(|(_, age)| added / age.as_secs_f64().max(0.001));
    let labels = &series.labels;
    match (&series.value, earlier) {
        (Value::Number(now), earlier) => {
            let rate = match earlier {
                // A counter that is lower than before began anew.
                Some(Value::Number(then)) if family.kind == "counter" => {
                    per_second(if now >= then { now - then } else { *now })
                }
                _ => None,
            };
            Row { labels, reading: Reading::Number(*now), rate }
        }
        (Value::Histogram(now), Some(Value::Histogram(then))) => {
            let recent = now.since(then);
            let reading = histogram(now, recent.distribution().or_else(|| now.distribution()));
            Row { labels, reading, rate: per_second(recent.count) }
        }
        (Value::Histogram(now), _) => Row { labels, reading: histogram(now, now.distribution()), rate: None },
    }
}

fn histogram(all: &Histogram, sizes: Option<Distribution>) -> Reading {
    Reading::Histogram { count: all.count, sizes }
}

fn labels(labels: &Labels) -> String {
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    pairs.join(" ")
}

/// The page.
pub(super) fn render(look: &Look<'_>) -> String {
    let rows = look.rows();
    let mut page = String::new();
    if rows.is_empty() {
        return format!("no metric contains {:?}\n", look.filter);
    }
    if let Some((_, age)) = look.before {
        let age = units::number(age.as_secs_f64());
        let _ =
            writeln!(page, "Rates, and sizes where something was observed, are those of the last {age} s.\n");
    }
    for subject in subject::all() {
        let mut title = Some(subject);
        for (family, rows) in rows.iter().filter(|(family, _)| subject::of(&family.name) == subject) {
            if let Some(title) = title.take() {
                let _ = writeln!(page, "{title}");
            }
            self::family(&mut page, family, rows, look);
        }
        if title.is_none() {
            page.push('\n');
        }
    }
    page.pop();
    page
}

/// From how many series on a metric is large.
const LARGE: usize = 6;

impl Row<'_> {
    fn is_quiet(&self) -> bool {
        matches!(self.reading, Reading::Number(0.0) | Reading::Histogram { count: 0.0, .. })
    }
}

fn family(page: &mut String, family: &Family, rows: &[Row<'_>], look: &Look<'_>) {
    let show = |value: f64| units::value(&family.name, value, look.time);
    let shown = |row: &Row<'_>| {
        let rate = row.rate.map_or_else(String::new, |rate| format!("  {}/s", units::number(rate)));
        match &row.reading {
            Reading::Number(value) => format!("{}{rate}", show(*value)),
            Reading::Histogram { count, sizes: None } => format!("count {}{rate}", units::number(*count)),
            Reading::Histogram { count, sizes: Some(sizes) } => format!(
                "count {}{rate}  mean {}  p50 {}  p95 {}  p99 {}",
                units::number(*count),
                show(sizes.mean),
                show(sizes.p50),
                show(sizes.p95),
                show(sizes.p99)
            ),
        }
    };
    let _ = match rows {
        [only] if only.labels.is_empty() => writeln!(page, "  {}  {}", family.name, shown(only)),
        _ => writeln!(page, "  {}", family.name),
    };
    let _ = writeln!(page, "      {}", family.help.replace('\n', " "));
    let labelled = rows.iter().filter(|row| !row.labels.is_empty());
    let (quiet, told): (Vec<_>, Vec<_>) =
        labelled.partition(|row| !look.all && rows.len() >= LARGE && row.is_quiet());
    let width = told.iter().map(|row| labels(row.labels).chars().count()).max().unwrap_or_default();
    for row in told {
        let _ = writeln!(page, "      {:width$}  {}", labels(row.labels), shown(row));
    }
    if !quiet.is_empty() {
        let _ = writeln!(page, "      ({} more at 0)", quiet.len());
    }
}

#[cfg(test)]
mod tests;
