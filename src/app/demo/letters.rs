//! Reads `letters.txt`: the sample office's mail as data.

/// One letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    pub id: String,
    /// `Name <address>`, or the address of somebody in the office.
    pub from: String,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub subject: String,
    /// The letter that this one answers.
    pub reply: Option<String>,
    /// Days before today.
    pub days: i64,
    /// Minutes since midnight.
    pub minute: i64,
    pub lang: Lang,
    pub html: Html,
    /// The mailbox of those who get it.
    pub mailbox: Option<String>,
    /// Local parts of those for whom it is starred.
    pub star: Vec<String>,
    pub attach: Vec<String>,
    /// The domain of a mailing list.
    pub list: Option<String>,
    /// Not sent yet: lies in its author's drafts.
    pub draft: bool,
    pub text: String,
}

/// The language of the line above a quotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    #[default]
    En,
    De,
    Fr,
    Pl,
}

/// Whether there is an HTML part, and how it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Html {
    #[default]
    No,
    Plain,
    News,
}

/// All letters, in the order of the file.
pub fn all() -> Result<Vec<Letter>, String> {
    let text = include_str!("letters.txt");
    let body: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut letters = Vec::new();
    for part in body.join("\n").split("\n==") {
        let part = part.trim_start_matches('\n');
        if !part.trim().is_empty() {
            letters.push(parse(part).map_err(|error| format!("{error} in:\n{part}"))?);
        }
    }
    Ok(letters)
}

fn parse(part: &str) -> Result<Letter, String> {
    let (head, text) = part.split_once("\n\n").ok_or("no text")?;
    let mut letter = Letter { text: text.trim_end().to_owned(), ..Letter::default() };
    for line in head.lines() {
        let (key, value) = line.split_once(": ").ok_or("no field")?;
        let list = || value.split(", ").map(str::to_owned).collect();
        match key {
            "Id" => letter.id = value.into(),
            "From" => letter.from = value.into(),
            "To" => letter.to = list(),
            "Cc" => letter.cc = list(),
            "Subject" => letter.subject = value.into(),
            "Reply" => letter.reply = Some(value.into()),
            "Age" => (letter.days, letter.minute) = age(value).ok_or("bad age")?,
            "In" => letter.mailbox = Some(value.into()),
            "Star" => letter.star = list(),
            "Attach" => letter.attach = list(),
            "List" => letter.list = Some(value.into()),
            "Draft" => letter.draft = true,
            "Html" => letter.html = if value == "news" { Html::News } else { Html::Plain },
            "Lang" => {
                letter.lang = match value {
                    "de" => Lang::De,
                    "fr" => Lang::Fr,
                    "pl" => Lang::Pl,
                    _ => Lang::En,
                }
            }
            other => return Err(format!("unknown field {other}")),
        }
    }
    Ok(letter)
}

/// `9 08:12`
fn age(text: &str) -> Option<(i64, i64)> {
    let (days, time) = text.split_once(' ')?;
    let (hour, minute) = time.split_once(':')?;
    let minute = hour.parse::<i64>().ok()? * 60 + minute.parse::<i64>().ok()?;
    Some((days.parse().ok()?, minute))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letters_hold_together() {
        let letters = all().unwrap();
        assert!(letters.len() >= 40);
        for (at, letter) in letters.iter().enumerate() {
            assert!(!letter.from.is_empty() && !letter.to.is_empty(), "{letter:?}");
            let parent = letter.reply.as_ref().map(|id| letters.iter().position(|l| l.id == *id));
            assert!(parent.is_none_or(|found| found.is_some_and(|found| found < at)), "{letter:?}");
            assert!(letter.reply.is_some() || !letter.subject.is_empty(), "{letter:?}");
        }
    }
}
