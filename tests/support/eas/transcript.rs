//! What a phone and the server said to each other, as text that is kept: `C:` and `S:` with the
//! WBXML as it is dumped below. What is different each time is `*`; `UPDATE=1` writes anew what
//! does not fit.

use std::fmt::Write as _;
use std::path::PathBuf;

use kontor::format::wbxml::Element;

use super::Reply;
use crate::support::http::Response;
use crate::support::pattern::matches;

/// Elements whose text is never twice the same.
const VARYING: [&str; 8] = [
    "SyncKey",
    "PolicyKey",
    "ConversationId",
    "ConversationIndex",
    "DateReceived",
    "DtStamp",
    "UID",
    "LastModifiedDate",
];

/// A transcript that grows.
pub struct Transcript {
    path: PathBuf,
    /// The account's address, which is another in each run.
    user: String,
    text: String,
}

impl Transcript {
    /// `name` is that of the file in `tests/transcripts/eas`.
    pub fn new(name: &str, user: &str) -> Transcript {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/eas");
        Transcript {
            path: dir.join(format!("{name}.txt")),
            user: user.to_owned(),
            text: String::new(),
        }
    }

    /// A line for the reader.
    pub fn note(&mut self, text: &str) {
        let before = if self.text.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.text, "{before}# {text}");
    }

    pub fn options(&mut self, response: &Response, names: &[&str]) {
        let _ = writeln!(self.text, "\nC: OPTIONS\nS: {}", response.status);
        for name in names {
            let value = response.header(name).unwrap_or_default();
            let _ = writeln!(self.text, "  {name}: {value}");
        }
    }

    pub fn exchange(&mut self, command: &str, request: Option<&Element>, reply: &Reply) {
        let _ = writeln!(self.text, "\nC: {command}");
        if let Some(request) = request {
            self.element(request);
        }
        let _ = writeln!(self.text, "S: {}", reply.status);
        if let Some(element) = &reply.element {
            self.element(element);
        }
    }

    fn element(&mut self, element: &Element) {
        for line in element.to_string().lines() {
            let line = line.replace(&self.user, "$user");
            let local = self.user.split('@').next().unwrap_or_default();
            let line = line.replace(&format!(">{local}<"), ">$local<");
            let _ = writeln!(self.text, "  {}", scrubbed(&line));
        }
    }

    /// Compares with what is kept.
    #[track_caller]
    pub fn check(self) {
        let update = std::env::var_os("UPDATE").is_some();
        let kept = std::fs::read_to_string(&self.path).unwrap_or_default();
        let (kept_lines, lines): (Vec<_>, Vec<_>) =
            (kept.lines().collect(), self.text.lines().collect());
        let fits = |(kept, line): (&&str, &&str)| matches(kept, line.as_bytes());
        let wrong = kept_lines.iter().zip(&lines).position(|pair| !fits(pair));
        let wrong = wrong
            .or((kept_lines.len() != lines.len()).then_some(kept_lines.len().min(lines.len())));
        let Some(wrong) = wrong else { return };
        if update {
            std::fs::create_dir_all(self.path.parent().expect("a file")).expect("a directory");
            std::fs::write(&self.path, &self.text).expect("a file of ours");
            return;
        }
        let from = wrong.saturating_sub(12);
        let window = |lines: &[&str]| {
            lines[from.min(lines.len())..]
                .iter()
                .take(30)
                .map(|l| format!("{l}\n"))
                .collect::<String>()
        };
        panic!(
            "{}, line {}: UPDATE=1 writes it anew\n--- kept\n{}--- now\n{}",
            self.path.display(),
            wrong + 1,
            window(&kept_lines),
            window(&lines),
        );
    }
}

/// A line of a dump without what varies.
fn scrubbed(line: &str) -> String {
    for name in VARYING {
        let (start, end) = (format!("<{name}>"), format!("</{name}>"));
        // Also with a prefix, as in `<Email2:ConversationId>`.
        let open = line.find(&start).map(|at| at + start.len()).or_else(|| {
            let at = line.find(&format!(":{name}>"))?;
            (!line[..at].contains("</")).then_some(at + name.len() + 2)
        });
        let close = line.find(&end).or_else(|| line.rfind("</"));
        if let (Some(open), Some(close)) = (open, close)
            && open < close
            && &line[open..close] != "0"
        {
            return format!("{}*{}", &line[..open], &line[close..]);
        }
    }
    line.to_owned()
}
