//! The settings: one table, from which file, environment and help follow.
//!
//! A setting `key` in `[section]` of the TOML file is `KONTOR_SECTION_KEY` in the environment;
//! the environment wins. An unknown key in the file is an error with a hint, because a limit
//! with a typing mistake in its name protects nobody.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::base::limits::Limits;
use crate::net::proxies::{Network, Proxies};

/// Prefix of the environment variables.
const PREFIX: &str = "KONTOR_";

/// Variables that are read elsewhere (command line, log) and are no settings of the file.
const OTHER_VARIABLES: &[&str] = &["KONTOR_DATA", "KONTOR_CONFIG"];

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The name that the server calls itself; without one, that of `kontor init`.
    pub hostname: Option<String>,
    pub allow_plaintext_login: bool,
    /// The office's; `None` is the machine's.
    pub time_zone: Option<TimeZone>,
    /// Whose word on the client of a web request is taken.
    pub proxies: Proxies,
    pub listen: Listen,
    pub tls: Option<Files>,
    /// Filter of the log, as `tracing` reads it.
    pub log: String,
    pub limits: Limits,
}

/// The addresses of each listener; none is "off".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listen {
    pub smtp: Vec<SocketAddr>,
    pub submission: Vec<SocketAddr>,
    pub submissions: Vec<SocketAddr>,
    pub imap: Vec<SocketAddr>,
    pub imaps: Vec<SocketAddr>,
    pub http: Vec<SocketAddr>,
    pub https: Vec<SocketAddr>,
}

/// A certificate of one's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why the settings cannot be used. Says where, what, and what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("cannot read {0}: {1}")]
    Unreadable(PathBuf, String),
    #[error("{0}, line {1}: {2}")]
    NotToml(PathBuf, usize, String),
    #[error("{place}: there is no setting \"{name}\"{hint}")]
    Unknown { place: String, name: String, hint: String },
    #[error("{place}: {name}: {reason}")]
    Invalid { place: String, name: String, reason: String },
    #[error("tls.certificate and tls.key belong together: set both or none")]
    HalfTls,
}

/// One setting: where it stands, its default, what it is, and how it is taken.
pub struct Setting {
    /// Empty: at the top of the file, outside of any section.
    pub section: &'static str,
    pub key: &'static str,
    pub default: &'static str,
    pub help: &'static str,
    set: fn(&mut Config, &str) -> Result<(), String>,
}

/// The settings other than `[limits]`, which has its own table in [`Limits::ALL`].
pub const SETTINGS: &[Setting] = &[
    Setting {
        section: "",
        key: "hostname",
        default: "",
        help: "The server's name in the DNS, such as mail.office.example; by default the one given to kontor init.",
        set: |config, text| {
            config.hostname = non_empty(text).map(str::to_ascii_lowercase);
            Ok(())
        },
    },
    Setting {
        section: "",
        key: "allow_plaintext_login",
        default: "false",
        help: "Take passwords without TLS from other machines too. Only for a network that you trust.",
        set: |config, text| {
            config.allow_plaintext_login = truth(text)?;
            Ok(())
        },
    },
    Setting {
        section: "",
        key: "time_zone",
        default: "",
        help: "The office's time zone, such as Europe/Berlin, for times that name none; by default the machine's, which in a container is UTC.",
        set: |config, text| {
            let find = |name| {
                TimeZone::get(name).map_err(|_| {
                    format!("\"{name}\" is no time zone; they are named as in Europe/Berlin")
                })
            };
            config.time_zone = non_empty(text).map(find).transpose()?;
            Ok(())
        },
    },
    Setting {
        section: "",
        key: "trusted_proxies",
        default: "",
        help: "Addresses or networks (10.1.0.0/16), several with commas, of proxies in front of the web's ports, which name their clients in X-Forwarded-For and X-Forwarded-Proto. From all others these fields are ignored.",
        set: |config, text| {
            let network = |text: &str| {
                let network = text.parse::<Network>();
                network.map_err(|expected| format!("\"{text}\": {expected}"))
            };
            let named = text.split(',').filter_map(non_empty);
            config.proxies = named.map(network).collect::<Result<_, _>>()?;
            Ok(())
        },
    },
    Setting {
        section: "listen",
        key: "smtp",
        default: "*:25",
        help: "Mail from other servers.",
        set: |config, text| listen(&mut config.listen.smtp, text),
    },
    Setting {
        section: "listen",
        key: "submission",
        default: "*:587",
        help: "Mail from the office's own programs and phones, STARTTLS.",
        set: |config, text| listen(&mut config.listen.submission, text),
    },
    Setting {
        section: "listen",
        key: "submissions",
        default: "*:465",
        help: "The same with TLS from the first byte.",
        set: |config, text| listen(&mut config.listen.submissions, text),
    },
    Setting {
        section: "listen",
        key: "imap",
        default: "*:143",
        help: "Reading mail, STARTTLS.",
        set: |config, text| listen(&mut config.listen.imap, text),
    },
    Setting {
        section: "listen",
        key: "imaps",
        default: "*:993",
        help: "The same with TLS from the first byte.",
        set: |config, text| listen(&mut config.listen.imaps, text),
    },
    Setting {
        section: "listen",
        key: "http",
        default: "*:80",
        help: "The web without TLS.",
        set: |config, text| listen(&mut config.listen.http, text),
    },
    Setting {
        section: "listen",
        key: "https",
        default: "*:443",
        help: "The web.",
        set: |config, text| listen(&mut config.listen.https, text),
    },
    Setting {
        section: "tls",
        key: "certificate",
        default: "",
        help: "PEM file with the certificate and its chain; without one, a self-signed certificate is made. A changed file is taken up within half a minute.",
        set: |config, text| {
            files(config).certificate = text.into();
            Ok(())
        },
    },
    Setting {
        section: "tls",
        key: "key",
        default: "",
        help: "PEM file with its private key.",
        set: |config, text| {
            files(config).key = text.into();
            Ok(())
        },
    },
    Setting {
        section: "log",
        key: "filter",
        default: "info",
        help: "What is logged: error, warn, info, debug, trace, also per part (info,kontor::imap=debug).",
        set: |config, text| {
            config.log = text.to_owned();
            Ok(())
        },
    },
];

impl Config {
    /// The defaults, changed by the file if there is one, changed by the environment.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut config = Self::default();
        for setting in SETTINGS {
            let set = (setting.set)(&mut config, setting.default);
            set.map_err(|reason| invalid("default", setting.section, setting.key, reason))?;
        }
        if let Some(path) = file {
            config.take_file(path)?;
        }
        config.take_environment(environment)?;
        if let Some(Files { certificate, key }) = &config.tls {
            match (certificate.as_os_str().is_empty(), key.as_os_str().is_empty()) {
                (true, true) => config.tls = None,
                (false, false) => {}
                _ => return Err(Error::HalfTls),
            }
        }
        Ok(config)
    }

    /// The listeners as they are when no setting names them.
    pub fn default_listen() -> Listen {
        Self::load(None, []).map(|config| config.listen).unwrap_or_default()
    }

    fn take_file(&mut self, path: &Path) -> Result<(), Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::Unreadable(path.into(), error.to_string()))?;
        let table: toml::Table = text.parse().map_err(|error| not_toml(path, &text, &error))?;
        let place = path.display().to_string();
        for (name, value) in &table {
            match value {
                toml::Value::Table(section) if is_section(name) => {
                    for (key, value) in section {
                        self.take_value(&place, name, key, value)?;
                    }
                }
                toml::Value::Table(_) => return Err(unknown(&place, &format!("[{name}]"))),
                value => self.take_value(&place, "", name, value)?,
            }
        }
        Ok(())
    }

    fn take_value(
        &mut self,
        place: &str,
        section: &str,
        key: &str,
        value: &toml::Value,
    ) -> Result<(), Error> {
        let text = plain(value).ok_or_else(|| {
            invalid(place, section, key, "text, a number, true or false is expected".into())
        })?;
        self.set(place, section, key, &text)
    }

    /// Sets one setting by its name.
    fn set(&mut self, place: &str, section: &str, key: &str, text: &str) -> Result<(), Error> {
        let result = if section == "limits" {
            self.limits.set(key, text).map(|set| set.map_err(|error| error.to_string()))
        } else {
            let setting = SETTINGS.iter().find(|s| s.section == section && s.key == key);
            setting.map(|setting| (setting.set)(self, text))
        };
        match result {
            Some(set) => set.map_err(|reason| invalid(place, section, key, reason)),
            None => Err(unknown(place, &joined(section, key))),
        }
    }

    fn take_environment(
        &mut self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), Error> {
        for (variable, value) in environment {
            if !variable.starts_with(PREFIX) || OTHER_VARIABLES.contains(&variable.as_str()) {
                continue;
            }
            match names().find(|(section, key)| variable_of(section, key) == variable) {
                Some((section, key)) => self.set(&variable, section, key, &value)?,
                // Other programs may use the prefix too, so it is no error.
                None => {
                    let hint = hint(&variable, variable_of);
                    eprintln!("kontor: {variable} is not a setting, ignored{hint}");
                }
            }
        }
        Ok(())
    }
}

/// All settings with their defaults and explanations, as the example file shows them.
pub fn describe() -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut last = "";
    let limits = Limits::ALL.iter().map(|(key, default, help)| ("limits", *key, *default, *help));
    let settings = SETTINGS.iter().map(|s| (s.section, s.key, s.default, s.help));
    for (section, key, default, help) in settings.chain(limits) {
        if section != last {
            let _ = writeln!(text, "[{section}]");
            last = section;
        }
        for line in wrapped(help) {
            let _ = writeln!(text, "# {line}");
        }
        let bare = default == "true"
            || default == "false"
            || (!default.is_empty() && default.bytes().all(|b| b.is_ascii_digit()));
        let quote = if bare { "" } else { "\"" };
        let _ =
            writeln!(text, "#{key} = {quote}{default}{quote}    # {}\n", variable_of(section, key));
    }
    text
}

/// The words of a text in lines that stand behind a `# ` on the narrowest usual terminal: a line
/// that the terminal's width broke would be no comment any more where it is copied from there.
fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 80 - "# ".len();
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let limits = Limits::ALL.iter().map(|(key, _, _)| ("limits", *key));
    SETTINGS.iter().map(|s| (s.section, s.key)).chain(limits)
}

fn is_section(name: &str) -> bool {
    !name.is_empty() && names().any(|(section, _)| section == name)
}

fn joined(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

fn variable_of(section: &str, key: &str) -> String {
    let name = joined(section, key).replace('.', "_").to_ascii_uppercase();
    format!("{PREFIX}{name}")
}

/// Where and why a file is no TOML, on one line as everything else that goes wrong is told.
fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = 1 + before.matches('\n').count();
    Error::NotToml(path.into(), line, error.message().replace('\n', "; "))
}

fn invalid(place: &str, section: &str, key: &str, reason: String) -> Error {
    Error::Invalid { place: place.into(), name: joined(section, key), reason }
}

fn unknown(place: &str, name: &str) -> Error {
    let hint = hint(name, joined);
    Error::Unknown { place: place.into(), name: name.into(), hint }
}

/// "; did you mean …?", if a setting's name is near.
fn hint(name: &str, form: impl Fn(&str, &str) -> String) -> String {
    let near = names().map(|(section, key)| form(section, key));
    let best = near.map(|known| (distance(name, &known), known)).min();
    match best {
        Some((distance, known)) if distance <= 3 => format!("; did you mean \"{known}\"?"),
        _ => "; packaging/kontor.toml and kontor serve --help list them all".into(),
    }
}

/// Letters to insert, remove or replace to get from one name to the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, b) in row.iter_mut().skip(1).zip(&other) {
            let cost = (diagonal + usize::from(a != *b)).min(*slot + 1).min(left + 1);
            diagonal = std::mem::replace(slot, cost);
            left = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(list) => {
            Some(list.iter().map(plain).collect::<Option<Vec<_>>>()?.join(","))
        }
        _ => None,
    }
}

fn non_empty(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn truth(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" | "" => Ok(false),
        _ => Err(format!("\"{text}\" is neither true nor false")),
    }
}

fn files(config: &mut Config) -> &mut Files {
    config.tls.get_or_insert_default()
}

/// `ADDRESS:PORT`, several with commas, or `off`. `*:PORT` is every IPv4 and IPv6 address.
fn listen(into: &mut Vec<SocketAddr>, text: &str) -> Result<(), String> {
    into.clear();
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("off") {
        return Ok(());
    }
    for part in text.split(',').map(str::trim) {
        into.extend(addresses(part)?);
    }
    Ok(())
}

fn addresses(part: &str) -> Result<Vec<SocketAddr>, String> {
    use std::net::{Ipv4Addr, Ipv6Addr, ToSocketAddrs as _};
    if let Some(port) = part.strip_prefix("*:") {
        let port: u16 = port.parse().map_err(|_| format!("\"{port}\" is not a port"))?;
        return Ok(vec![
            (Ipv4Addr::UNSPECIFIED, port).into(),
            (Ipv6Addr::UNSPECIFIED, port).into(),
        ]);
    }
    if let Ok(address) = part.parse() {
        return Ok(vec![address]);
    }
    let expected = || format!("\"{part}\" is not ADDRESS:PORT (nor *:PORT, nor off)");
    if !part.contains(':') {
        return Err(expected());
    }
    // A name, such as localhost:1143.
    let found: Vec<SocketAddr> = part.to_socket_addrs().map_err(|_| expected())?.collect();
    if found.is_empty() { Err(expected()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kontor.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        Config::load(Some(&path), environment)
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let file = "hostname = \"Mail.Office.example\"\n[listen]\nimap = \"127.0.0.1:1143\"\n\
                    smtp = [\"127.0.0.1:0\", \"[::1]:0\"]\nhttp = \"off\"\n[limits]\nrecipients = 7\n";
        let environment = [("KONTOR_LISTEN_IMAP", "127.0.0.1:2143"), ("KONTOR_DATA", "/data")];
        let config = load(file, &environment).unwrap();
        assert_eq!(config.hostname.as_deref(), Some("mail.office.example"));
        assert_eq!(config.listen.imap, ["127.0.0.1:2143".parse().unwrap()]);
        assert_eq!(config.listen.smtp.len(), 2);
        assert_eq!(config.listen.http, []);
        assert_eq!(config.listen.imaps.len(), 2);
        assert_eq!(config.limits.recipients, 7);
        let zone = load("time_zone = \"Asia/Kolkata\"", &[]).unwrap().time_zone.unwrap();
        assert_eq!(zone.iana_name(), Some("Asia/Kolkata"));
        let limit = [("KONTOR_LIMITS_CONNECTIONS_PER_ADDRESS", "9")];
        assert_eq!(load(file, &limit).unwrap().limits.connections_per_address, 9);
        assert!(
            load("", &[("KONTOR_ALLOW_PLAINTEXT_LOGIN", "true")]).unwrap().allow_plaintext_login
        );
    }

    #[test]
    fn mistakes_are_named_with_a_hint() {
        for (file, wanted) in [
            (
                "[listen]\nimapp = \"off\"",
                "no setting \"listen.imapp\"; did you mean \"listen.imap\"?",
            ),
            ("[limit]\nrecipients = 7", "no setting \"[limit]\""),
            ("time_zone = \"Berlin\"", "named as in Europe/Berlin"),
            ("trusted_proxies = \"127.0.0.1, relay\"", "\"relay\": an address such as"),
            ("hostnam = \"x\"", "did you mean \"hostname\"?"),
            ("[limits]\nrecipients = \"few\"", "limits.recipients: \"few\" is not a number"),
            ("[listen]\nimap = 143", "\"143\" is not ADDRESS:PORT"),
            ("[listen]\nimap = \"*:99999\"", "\"99999\" is not a port"),
            ("allow_plaintext_login = \"maybe\"", "neither true nor false"),
            ("[tls]\ncertificate = \"a.pem\"", "belong together"),
            ("hostname = \"x\"\n[listen\n", "kontor.toml, line 2: unclosed table, expected `]`"),
        ] {
            let error = load(file, &[]).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        let error = load("", &[("KONTOR_LISTEN_IMAP", "nowhere")]).unwrap_err().to_string();
        assert!(error.contains("KONTOR_LISTEN_IMAP: listen.imap"), "{error}");
    }

    #[test]
    fn the_help_fits_a_narrow_terminal() {
        // Wrapped by the terminal, the rest of a comment would be no comment any more.
        let text = describe();
        let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert_eq!(long, [""; 0]);
    }

    #[test]
    fn the_example_file_has_every_setting_with_its_default() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/kontor.toml");
        if std::env::var_os("UPDATE").is_some() {
            let head = "# Kontor's settings with their defaults; take away the # before one to change it.\n\
                        # Each can also be given in the environment, under the name behind it.\n\n";
            std::fs::write(path, format!("{head}{}", describe())).unwrap();
        }
        let example = std::fs::read_to_string(path).unwrap();
        let (_, settings) = example.split_once("\n\n").unwrap();
        assert_eq!(settings, describe(), "packaging/kontor.toml is not up to date");
        // With all comment signs before settings taken away it is a valid file, and changes nothing.
        let mut active = String::new();
        for line in example.lines() {
            active += line.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(line);
            active.push('\n');
        }
        assert_eq!(load(&active, &[]), load("", &[]));
    }
}
