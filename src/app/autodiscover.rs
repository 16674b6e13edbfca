//! `kontor check autodiscover`: what a phone would find, a line for each of its steps.

use std::path::Path;
use std::process::ExitCode;

use super::cli::{Autodiscover, PasswordSource};
use super::config::Config;
use super::control::{self, Door, Failure, Reply, Request};
use super::{output, password, serve};
use crate::base::address::EmailAddress;
use crate::base::secret::Secret;
use crate::discover::check::{self, Question, Report, State};

/// Runs the check and prints it; fails where a phone would.
pub fn check(asked: Autodiscover, dir: &Path, config: &Config) -> Result<ExitCode, Failure> {
    let email = EmailAddress::parse_human(&asked.email)
        .map_err(|error| Failure(format!("\"{}\" is not an address: {error}", asked.email)))?;
    let password = match asked.password_stdin {
        true => Some(Secret::new(password::read(PasswordSource { password_stdin: true })?)),
        false => None,
    };
    let question = Question {
        email,
        password,
        hostname: hostname(dir, config),
        overrides: asked.connect,
        trust: asked.trust,
    };
    let report = serve::block_on(async { Ok(check::run(question).await?) })?;
    output::say(&match asked.listing.json {
        true => serde_json::to_string_pretty(&report).map_err(std::io::Error::from)? + "\n",
        false => as_text(&report),
    });
    Ok(if report.works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// For advice: the setting, or what a server that runs here calls itself.
fn hostname(dir: &Path, config: &Config) -> Option<String> {
    if config.hostname.is_some() || !control::is_served(dir) {
        return config.hostname.clone();
    }
    let mut door = Door::open(dir, config).ok()?;
    match door.run(Request::Hostname, Vec::new(), &mut output::Terminal) {
        Ok(Reply::Done(name)) => Some(name),
        _ => None,
    }
}

fn as_text(report: &Report) -> String {
    let mut text = String::new();
    for step in &report.steps {
        let mark = match step.state {
            State::Ok => "ok     ",
            State::Missing => "missing",
            State::Wrong => "WRONG  ",
            State::Unneeded => "-      ",
        };
        let advice = step.advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default();
        // Some of it is what strangers' servers said.
        text += &output::clean(&format!("{mark} {}: {}{advice}", step.step, step.detail));
        text.push('\n');
    }
    text += &match report.works {
        true => format!("A phone finds the server for {}.\n", report.email),
        false => format!("A phone does not find the server for {}.\n", report.email),
    };
    text
}
