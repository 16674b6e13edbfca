//! Passwords come from the standard input or the keyboard, never from the command line.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use super::cli::PasswordSource;
use super::control::Failure;

/// The longest password that is taken: argon2 would take more, no person does.
const LONGEST: usize = 1024;

/// Reads a password; at a terminal it is asked for twice.
pub fn read(source: PasswordSource) -> Result<String, Failure> {
    let password = if source.password_stdin {
        first_line(io::stdin().lock())?
    } else if io::stdin().is_terminal() {
        let ask = |prompt| rpassword::prompt_password(prompt).map_err(Failure::from);
        let password = ask("Password: ")?;
        if ask("Again: ")? != password {
            return Err(Failure("the two are not the same".into()));
        }
        password
    } else {
        return Err(Failure(
            "give the password on the standard input with --password-stdin".into(),
        ));
    };
    match password.len() {
        0 => Err(Failure("the password is empty".into())),
        1..=LONGEST => Ok(password),
        _ => Err(Failure(format!("the password is longer than {LONGEST} bytes"))),
    }
}

/// The first line without its end, as `echo` and `printf` both write it.
fn first_line(mut from: impl io::BufRead) -> Result<String, Failure> {
    let mut line = Vec::new();
    from.by_ref().take(2 * LONGEST as u64).read_until(b'\n', &mut line)?;
    let mut text =
        String::from_utf8(line).map_err(|_| Failure("the password is not UTF-8".into()))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_end_is_taken_away() {
        for (given, wanted) in
            [("secret\n", "secret"), ("secret", "secret"), (" a b \r\nx", " a b "), ("", "")]
        {
            assert_eq!(first_line(given.as_bytes()).unwrap(), wanted);
        }
        assert!(first_line(&b"\xff\n"[..]).is_err());
    }
}
