//! The conservation law: no event disappears uncounted.

use picoclaw_telemetry::SinkStats;

/// A sink's numbers that do not add up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Imbalance {
    /// On the way in.
    #[error(
        "{sink}: {emitted} events were emitted, but recorded {recorded} + lagged {lagged} + backlog {backlog}"
    )]
    Intake {
        /// The sink.
        sink: String,
        /// How many events there were since it subscribed.
        emitted: u64,
        /// How many it was handed.
        recorded: u64,
        /// How many were overwritten.
        lagged: u64,
        /// How many a predecessor has still to see.
        backlog: u64,
    },
    /// On the way out.
    #[error(
        "{sink}: {recorded} events were recorded, but delivered {delivered} + filtered {filtered} \
         + dropped {dropped} + buffered {buffered}"
    )]
    Outcome {
        /// The sink.
        sink: String,
        /// How many events it was handed.
        recorded: u64,
        /// How many reached their end.
        delivered: u64,
        /// How many it did not want.
        filtered: u64,
        /// How many were lost.
        dropped: u64,
        /// How many wait, sealed or not.
        buffered: u64,
    },
}

/// Checks the law for a sink that rests: after an answer, or after its end. `emitted` is the number of events since it
/// first subscribed.
///
/// # Errors
/// When the numbers do not add up.
pub fn conservation(stats: &SinkStats, emitted: u64) -> Result<(), Imbalance> {
    let (recorded, lagged, backlog) = (stats.recorded(), stats.lagged(), stats.left());
    if emitted != recorded + lagged + backlog {
        return Err(Imbalance::Intake { sink: stats.name.clone(), emitted, recorded, lagged, backlog });
    }
    let (delivered, filtered) = (stats.delivered(), stats.filtered());
    let (dropped, buffered) = (stats.dropped_total(), stats.buffered());
    if recorded != delivered + filtered + dropped + buffered {
        return Err(Imbalance::Outcome {
            sink: stats.name.clone(),
            recorded,
            delivered,
            filtered,
            dropped,
            buffered,
        });
    }
    Ok(())
}
