//! The server over real sockets.

mod admin;
mod endpoints;
mod hostile;
mod lifecycle;
