//! What people and scripts read: tables, JSON, progress, the log.

mod devices;

use std::fmt::Display;
use std::io::{self, Write};

use super::control::{Item, Outlet, QueueLine, Reply};

/// Starts the log on the standard error.
pub fn start_log(filter: &str) {
    use std::io::IsTerminal as _;
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        eprintln!("kontor: log.filter: {error}; logging at info");
        EnvFilter::new("info")
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let _ = log.try_init();
    // A panic in a connection is caught there; its place belongs into the log.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
}

/// Shows progress on the standard error, so that the standard output stays clean for scripts.
pub struct Terminal;

impl Outlet for Terminal {
    fn item(&mut self, item: &Item, _payload: &[u8]) -> io::Result<()> {
        if let Item::Progress { text } = item {
            eprintln!("{text}");
        }
        Ok(())
    }
}

/// Prints a reply to the standard output.
pub fn print(reply: &Reply, json: bool) -> io::Result<()> {
    say(&if json { as_json(reply)? } else { as_text(reply) });
    Ok(())
}

/// Writes to the standard output. A reader that goes early, or is not there at all, is no
/// reason to stop: the command has done its work, and a server has better things to do.
pub fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The listing itself, without its wrapping: an array of objects.
fn as_json(reply: &Reply) -> io::Result<String> {
    let value = match reply {
        Reply::Done(text) => serde_json::to_value(text),
        Reply::Accounts(lines) => serde_json::to_value(lines),
        Reply::Aliases(lines) => serde_json::to_value(lines),
        Reply::Groups(lines) => serde_json::to_value(lines),
        Reply::Domains(lines) => serde_json::to_value(lines),
        Reply::Book(lines) => serde_json::to_value(lines),
        Reply::Devices(lines) => serde_json::to_value(lines),
        Reply::Device(detail) => serde_json::to_value(detail),
        Reply::DeviceLog(lines) => serde_json::to_value(lines),
        Reply::Policies(lines) => serde_json::to_value(lines),
        Reply::Settings(lines) => serde_json::to_value(lines),
        Reply::Access(detail) => serde_json::to_value(detail),
        Reply::Queue(lines) => serde_json::to_value(lines),
        Reply::Brought(line) => serde_json::to_value(line),
        Reply::Checked(lines) => serde_json::to_value(lines),
    }?;
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

fn listed(hidden: bool) -> String {
    if hidden { "hidden" } else { "listed" }.to_owned()
}

fn as_text(reply: &Reply) -> String {
    match reply {
        Reply::Done(text) => format!("{text}\n"),
        Reply::Accounts(lines) => table(
            &[
                "E-mail",
                "Name",
                "Role",
                "State",
                "Address list",
                "Time zone",
                "Messages",
                "Size",
                "Quota",
            ],
            lines.iter().map(|line| {
                let role = if line.admin { "administrator" } else { "user" };
                let state = if line.enabled { "enabled" } else { "disabled" };
                let quota = line.quota.map_or_else(|| "-".into(), size);
                let (count, size) = (line.messages.to_string(), size(line.bytes));
                let (role, state) = (role.into(), state.into());
                let (email, name) = (line.email.clone(), line.name.clone());
                let zone = line.time_zone.clone().unwrap_or_else(|| "office".into());
                vec![email, name, role, state, listed(line.hidden), zone, count, size, quota]
            }),
        ),
        Reply::Aliases(lines) => table(
            &["Alias", "Account"],
            lines.iter().map(|line| vec![line.alias.clone(), line.email.clone()]),
        ),
        Reply::Groups(lines) => table(
            &["Group", "Name", "Address list", "Members"],
            lines.iter().map(|line| {
                let (group, name) = (line.group.clone(), line.name.clone());
                vec![group, name, listed(line.hidden), line.members.join(", ")]
            }),
        ),
        Reply::Domains(lines) => table(
            &["Domain", "Unknown addresses"],
            lines.iter().map(|line| {
                let unknown = line.catch_all.clone().unwrap_or_else(|| "refused".into());
                vec![line.domain.clone(), unknown]
            }),
        ),
        Reply::Book(lines) => table(
            &["Name", "E-mail", "Telephone", "Mobile", "Company", "Title"],
            lines.iter().cloned().map(|line| {
                vec![line.name, line.email, line.phone, line.mobile, line.company, line.title]
            }),
        ),
        Reply::Devices(lines) => devices::devices(lines),
        Reply::Device(detail) => devices::device(detail),
        Reply::DeviceLog(lines) => devices::log(lines),
        Reply::Policies(lines) => devices::policies(lines),
        Reply::Settings(lines) => devices::settings(lines),
        Reply::Access(detail) => devices::access(detail),
        Reply::Queue(lines) => table(
            &["Id", "From", "To", "Size", "Age", "Reason", "Next try", "Ends"],
            lines.iter().map(queued),
        ),
        Reply::Brought(line) => {
            format!("{}, {}\n", counted(line.messages, "message", "messages"), size(line.bytes))
        }
        Reply::Checked(lines) => lines
            .iter()
            .map(|line| {
                let mark = if line.ok { "ok   " } else { "WRONG" };
                format!("{mark} {}: {}\n", line.what, line.detail)
            })
            .collect(),
    }
}

/// One recipient that mail waits for. Times are told from when the listing was made.
fn queued(line: &QueueLine) -> Vec<String> {
    let now = line.queued.saturating_add_unsigned(line.age);
    let ahead = |at: i64| match u64::try_from(at.saturating_sub(now)) {
        Ok(0) | Err(_) => "soon".to_owned(),
        Ok(seconds) => format!("in {}", duration(seconds)),
    };
    let next = line.next_try.map_or_else(|| "-".into(), ahead);
    let ends = match (line.ends.map(ahead), line.then.as_deref()) {
        (Some(at), Some("returned")) => format!("{at}, goes back to the sender"),
        (Some(at), Some("delivered")) => format!("{at}, is delivered all the same"),
        (Some(at), _) => at,
        (None, _) => "-".into(),
    };
    let (size, age) = (size(line.size), duration(line.age));
    let (from, to) = (line.from.clone(), line.to.clone());
    vec![line.id.clone(), from, to, size, age, line.state.clone(), next, ends]
}

/// `40 s`, `12 min`, `5 h`, `6 d 20 h`.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ if seconds % 86_400 < 3_600 => format!("{} d", seconds / 86_400),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Columns as wide as their widest entry; nothing at all says so in a word.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> =
        rows.map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    if rows.is_empty() {
        return "none\n".into();
    }
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let mut widths: Vec<usize> = heads.iter().map(|head| head.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&heads).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let padding = width.saturating_sub(cell.chars().count()) + 2;
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', padding));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Names come from people; control characters would reach the terminal.
pub fn clean(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// `1 message`, `2 messages`.
pub fn counted(count: impl Display + PartialEq + From<u8>, one: &str, many: &str) -> String {
    let word = if count == 1.into() { one } else { many };
    format!("{count} {word}")
}

/// `7 B`, `3.4 KB`, `1.2 GB` (powers of 1000, as disks are sold).
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if value < 999.5 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

fn date(at: i64) -> String {
    jiff::Timestamp::from_second(at).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::control::AliasLine;
    use super::*;

    #[test]
    fn listings_are_aligned_and_json_is_the_bare_array() {
        let line =
            |alias: &str, email: &str| AliasLine { alias: alias.into(), email: email.into() };
        let reply =
            Reply::Aliases(vec![line("info@a.example", "b@a.example"), line("x\u{1b}", "y")]);
        assert_eq!(
            as_text(&reply),
            "Alias           Account\ninfo@a.example  b@a.example\nx\u{fffd}              y\n"
        );
        let json: serde_json::Value = serde_json::from_str(&as_json(&reply).unwrap()).unwrap();
        assert_eq!(json[0]["alias"], "info@a.example");
        assert_eq!(as_text(&Reply::Groups(Vec::new())), "none\n");
    }

    #[test]
    fn the_queue_says_why_how_long_and_what_then() {
        let line = QueueLine {
            id: "a1".into(),
            from: "anna@o.example".into(),
            to: "ben@o.example".into(),
            size: 2_500,
            queued: 1_000_000,
            age: 3 * 3_600,
            tries: 14,
            next_try: Some(1_000_000 + 3 * 3_600 + 725),
            state: "the mailbox is full".into(),
            ends: Some(1_000_000 + 7 * 86_400),
            then: Some("returned".into()),
        };
        let state = "waits; sending to other servers is not possible yet".to_owned();
        let none = QueueLine { next_try: None, ends: None, then: None, state, ..line.clone() };
        let far = QueueLine { to: "far@away.example".into(), ..none };
        let text = as_text(&Reply::Queue(vec![line, far]));
        assert_eq!(
            text,
            "\
Id  From            To                Size    Age  Reason                                               Next try   Ends
a1  anna@o.example  ben@o.example     2.5 KB  3 h  the mailbox is full                                  in 12 min  in 6 d 21 h, goes back to the sender
a1  anna@o.example  far@away.example  2.5 KB  3 h  waits; sending to other servers is not possible yet  -          -
"
        );
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1_500, "1.5 KB"), (50_000_000, "50.0 MB")]
        {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn one_is_one() {
        assert_eq!(counted(1_u64, "message", "messages"), "1 message");
        assert_eq!(counted(0_usize, "message", "messages"), "0 messages");
    }
}
