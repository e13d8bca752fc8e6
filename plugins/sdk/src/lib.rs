//! The place of the plugin interface: a stable C ABI through which a shared library becomes a sink.
//!
//! Nothing is offered yet. The decisions are recorded in `docs/architecture.md`.
