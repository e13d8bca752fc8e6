//! The text exposition, parsed.

use std::collections::BTreeMap;

/// Samples by their name with labels, as they are written.
#[derive(Debug)]
pub(crate) struct Scrape(pub(crate) BTreeMap<String, f64>);

impl Scrape {
    pub(crate) fn parse(text: &str) -> Self {
        let mut samples = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line}"));
            let value = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(samples.insert(name.to_owned(), value).is_none(), "{name} stands twice");
        }
        Self(samples)
    }

    /// The value of a series, which must exist.
    pub(crate) fn get(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no series {series}"))
    }

    /// The series of a metric, by name and labels.
    pub(crate) fn family<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let of_metric =
            move |name: &str| name.strip_prefix(metric).is_some_and(|r| r.is_empty() || r.starts_with('{'));
        self.0.iter().filter(move |(name, _)| of_metric(name)).map(|(name, value)| (name.as_str(), *value))
    }

    /// The sum over all series of a metric.
    pub(crate) fn sum(&self, metric: &str) -> f64 {
        self.family(metric).map(|(_, value)| value).sum()
    }
}
