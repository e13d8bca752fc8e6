//! Supervisor and runner together, with sinks whose destination does what the test says. Time stands still and jumps
//! to the next timer when nothing else can happen.

mod conservation;
mod fake;
mod parallel;
mod reload;
mod runner;
mod start;
