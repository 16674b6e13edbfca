//! The program: settings, command line, start and stop, and what the command line does.

mod cli;
mod config;
mod import;
mod ports;
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
