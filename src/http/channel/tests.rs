//! The channel over real sockets, and its parts where that is shorter.

mod access;
mod chat;
mod request;
mod stream;
