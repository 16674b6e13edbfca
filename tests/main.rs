//! One test binary: the real program on loopback ports, driven by raw sockets and by other
//! people's clients.

mod app;
mod floors;
