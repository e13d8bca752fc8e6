//! The telemetry contract of PicoClaw: what can happen, what is counted, and what a sink is.
//!
//! * [`event`]: the typed [`Event`]s, one variant per happening.
//! * [`words`] and [`label`]: label values, closed sets and bounded open ones.
//! * [`metric`]: the catalogue of metrics. `ledger` and `fold`: how events become numbers, exactly.
//! * [`bus`]: the broadcast channel that cannot make counters wrong.
//! * [`quantile()`]: quantiles from buckets.
//! * [`guard`]: start/finish pairs that a panic or a cancelled task cannot break.
//! * [`json_text`]: text within JSON strings.
//! * [`sink`]: what a sink and its transport are. [`stats`]: the sinks' own numbers. [`health`]: the judgement.
//!
//! This crate does no I/O, knows no HTTP, and names no vendor.

pub mod bus;
pub mod event;
mod fold;
pub mod guard;
pub mod health;
pub mod json_text;
pub mod label;
mod labels;
mod ledger;
pub mod metric;
pub mod plugins;
mod quantile;
pub mod sink;
pub mod stats;
pub mod words;

pub use bus::{Bus, Checkpoint, Next, Record, Subscription};
pub use event::{Event, Kind};
pub use label::{Detail, Dimension, Label, Vocabulary};
pub use labels::LabelValues;
pub use ledger::{Ledger, Series, SeriesValue};
pub use metric::{Metric, MetricInfo, MetricKind};
pub use plugins::PluginRegistry;
pub use quantile::quantile;
pub use stats::{SinkRegistry, SinkStats};
