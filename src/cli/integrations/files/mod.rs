//! The files for other programs, those of `config/`, as they are needed here.
//!
//! They lie in the binary as they lie in the repository: complete, and usable for a gateway with the usual settings.
//! [`fill`] turns the usual values into those of this gateway. What it knows of the files:
//!
//! | In the file | Stands for |
//! |---|---|
//! | `127.0.0.1:18790` | where the gateway is reached |
//! | `/metrics`, `/health` | `gateway.metrics.path`, `gateway.health_check.path` |
//! | `/var/log/picoclaw`, and `picoclaw.log` in it | the log file and its directory |
//! | `/usr/local/bin/picoclaw` | this program |
//! | `picoclaw` as the name of a job | another name, if one is wanted |
//! | comments between `picoclaw:auth-begin` and `picoclaw:auth-end` | settings, when scrapes need a token |
//! | `PICOCLAW_SCRAPE_TOKEN` | that token |
//!
//! Files in a folder called `guide`, and the gateway's own at the top, stay as they are. Files that bring a gateway along,
//! such as a container's, keep the address, the program and the log of that one.

mod auth;
mod catalogue;
mod fill;
mod words;

pub(crate) use catalogue::{Integration, all, find};
pub(crate) use fill::{Facts, Filled, fill};

#[cfg(test)]
mod tests;
