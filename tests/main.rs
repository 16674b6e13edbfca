//! One test binary: the real program on loopback ports, driven by raw sockets and by other
//! people's clients.

mod app;
mod cli;
mod clients;
mod corpus;
mod crash;
mod devices;
mod discover;
mod eas;
mod eas_send;
mod faults;
mod floors;
mod imap;
mod limits;
mod mailboxes;
mod meetings;
mod nonsense;
mod relay;
mod sessions;
mod smtp;
mod submission;
mod support;
mod upgrade;
