use super::*;

fn mail(line: &str) -> Mail {
    match parse(line.as_bytes()) {
        Ok(Command::Mail(mail)) => mail,
        other => panic!("{line}: {other:?}"),
    }
}

fn rcpt(line: &str) -> Rcpt {
    match parse(line.as_bytes()) {
        Ok(Command::Rcpt(rcpt)) => rcpt,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &[u8]) -> u16 {
    match parse(line) {
        Err(error) => error.reply().code,
        Ok(command) => panic!("{command:?}"),
    }
}

#[test]
fn commands_without_arguments() {
    for (line, command) in [
        ("DATA", Command::Data),
        ("data  ", Command::Data),
        ("RSET", Command::Rset),
        ("QUIT", Command::Quit),
        ("starttls", Command::StartTls),
        ("NOOP", Command::Noop),
        ("NOOP what you like", Command::Noop),
        ("HELP MAIL", Command::Help),
        ("VRFY anna", Command::Vrfy),
        ("EXPN staff", Command::Expn),
    ] {
        assert_eq!(parse(line.as_bytes()), Ok(command), "{line}");
    }
    for line in ["DATA x", "RSET x", "QUIT x", "STARTTLS x"] {
        assert_eq!(refusal(line.as_bytes()), 501, "{line}");
    }
}

#[test]
fn unknown_and_ugly_lines() {
    for line in ["", " ", "LHLO x", "XYZZY", "MAILFROM:<a@b>", "ÄHLO x"] {
        assert_eq!(parse(line.as_bytes()), Err(CommandError::Unknown), "{line}");
    }
    assert_eq!(parse(b"POST / HTTP/1.1"), Err(CommandError::OtherProtocol));
    for line in [&b"NOOP \xff"[..], b"NOOP\0", b"RSET\nQUIT", b"EHLO a\rb", b"NOOP \x1b[1m"] {
        assert_eq!(parse(line), Err(CommandError::BadBytes));
    }
}

#[test]
fn greeting_names_cannot_break_a_header_field() {
    assert_eq!(parse(b"EHLO mx.example"), Ok(Command::Ehlo("mx.example".into())));
    assert_eq!(parse(b"helo [192.0.2.1]"), Ok(Command::Helo("[192.0.2.1]".into())));
    assert_eq!(parse(b"EHLO a(b);c x"), Ok(Command::Ehlo("a?b??c".into())));
    assert_eq!(parse("EHLO büro".as_bytes()), Ok(Command::Ehlo("b?ro".into())));
    assert_eq!(refusal(b"EHLO"), 501);
    assert_eq!(refusal(format!("EHLO {}", "a".repeat(256)).as_bytes()), 501);
}

#[test]
fn senders() {
    assert_eq!(mail("MAIL FROM:<>").sender, None);
    assert_eq!(mail("MAIL FROM:<a@b.org>").sender.unwrap().to_string(), "a@b.org");
    assert_eq!(mail("mail from: <a@b.org>").sender.unwrap().to_string(), "a@b.org");
    assert_eq!(mail("MAIL FROM:<\"a>b\"@b.org> SIZE=1").size, Some(1));
    assert_eq!(mail("MAIL FROM:<@x.org,@y.org:a@b.org>").sender.unwrap().to_string(), "a@b.org");
    for line in [
        "MAIL",
        "MAIL a@b.org",
        "MAIL FROM:",
        "MAIL FROM:a@b.org",
        "MAIL FROM:<a@b.org",
        "MAIL FROM:<a@b.org>SIZE=1",
        "MAIL FROM:<\"a@b.org>",
        "MAIL TO:<a@b.org>",
    ] {
        assert_eq!(refusal(line.as_bytes()), 501, "{line}");
    }
    for line in ["MAIL FROM:<a>", "MAIL FROM:<a b@c.org>", "MAIL FROM:< >", "MAIL FROM:<a@b@c>"] {
        assert_eq!(refusal(line.as_bytes()), 553, "{line}");
    }
}

#[test]
fn mail_parameters() {
    let full =
        mail("MAIL FROM:<a@b.org> SIZE=1000 body=8bitmime SMTPUTF8 RET=HDRS ENVID=QQ+2B1 AUTH=<>");
    assert_eq!(
        full,
        Mail {
            sender: EmailAddress::parse_mailbox("a@b.org").ok(),
            size: Some(1000),
            body: Body::EightBit,
            smtputf8: true,
            ret: Some(Ret::Headers),
            envid: Some("QQ+1".into()),
        }
    );
    assert_eq!(mail("MAIL FROM:<> SIZE=99999999999999999999").size, Some(u64::MAX));
    for bad in [
        "SIZE",
        "SIZE=",
        "SIZE=-1",
        "SIZE=1x",
        "SIZE=999999999999999999999",
        "SIZE=1 SIZE=1",
        "BODY=BINARYMIME",
        "BODY",
        "SMTPUTF8=1",
        "RET=SOME",
        "ENVID=",
        "ENVID=a+0A",
        "AUTH",
        "AUTH=a+0A",
    ] {
        assert_eq!(refusal(format!("MAIL FROM:<> {bad}").as_bytes()), 501, "{bad}");
    }
    assert_eq!(refusal(b"MAIL FROM:<> HOLDFOR=10"), 555);
    assert_eq!(refusal(b"MAIL FROM:<> NOTIFY=NEVER"), 555);
}

#[test]
fn addresses_beyond_ascii_need_smtputf8() {
    assert_eq!(refusal("MAIL FROM:<señor@b.org>".as_bytes()), 553);
    assert_eq!(refusal("MAIL FROM:<a@bücher.example>".as_bytes()), 553);
    assert!(mail("MAIL FROM:<señor@b.org> SMTPUTF8").smtputf8);
    assert!(rcpt("RCPT TO:<señor@b.org>").utf8);
    assert!(!rcpt("RCPT TO:<a@b.org>").utf8);
}

#[test]
fn recipients() {
    let path = |line: &str| match rcpt(line).path {
        RcptPath::Mailbox(address) => address.to_string(),
        RcptPath::Postmaster => "Postmaster".into(),
    };
    assert_eq!(path("RCPT TO:<a@b.org>"), "a@b.org");
    assert_eq!(path("RCPT TO:<postMaster>"), "Postmaster");
    assert_eq!(path("RCPT TO:<@relay.org:a@b.org>"), "a@b.org");
    assert_eq!(path("RCPT TO:<\"@x:a\"@b.org>"), "\"@x:a\"@b.org");
    assert_eq!(refusal(b"RCPT TO:<>"), 553);
    assert_eq!(refusal(b"RCPT TO:<@relay.org:>"), 553);
    assert_eq!(refusal(b"RCPT TO:a@b.org"), 501);
    assert_eq!(refusal(b"RCPT TO:<a@b.org> SIZE=1"), 555);
}

#[test]
fn report_wishes() {
    let wish = |text: &str| rcpt(&format!("RCPT TO:<a@b.org> {text}")).notify;
    assert_eq!(wish(""), None);
    assert_eq!(wish("NOTIFY=NEVER"), Some(Notify::default()));
    let both = Notify { success: true, failure: true, delay: false };
    assert_eq!(wish("NOTIFY=success,FAILURE"), Some(both));
    let original = rcpt("RCPT TO:<a@b.org> ORCPT=rfc822;Bob+2Bx@Example.COM").orcpt.unwrap();
    assert_eq!(
        (original.kind.as_str(), original.address.as_str()),
        ("rfc822", "Bob+x@Example.COM")
    );
    for bad in [
        "NOTIFY=",
        "NOTIFY=NEVER,SUCCESS",
        "NOTIFY=SOMETIMES",
        "ORCPT=a@b.org",
        "ORCPT=;a@b.org",
        "ORCPT=rfc822;",
        "ORCPT=rfc822;a+0D+0Ab",
    ] {
        assert_eq!(refusal(format!("RCPT TO:<a@b.org> {bad}").as_bytes()), 501, "{bad}");
    }
}

#[test]
fn chunks_and_authentication() {
    assert_eq!(parse(b"BDAT 1000"), Ok(Command::Bdat { size: 1000, last: false }));
    assert_eq!(parse(b"bdat 0 last"), Ok(Command::Bdat { size: 0, last: true }));
    for line in ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 FIRST", "BDAT 1 LAST x"] {
        assert_eq!(refusal(line.as_bytes()), 501, "{line}");
    }
    assert_eq!(
        parse(b"AUTH plain AGEAYg=="),
        Ok(Command::Auth { mechanism: "plain", initial: Some("AGEAYg==") })
    );
    assert_eq!(parse(b"AUTH LOGIN"), Ok(Command::Auth { mechanism: "LOGIN", initial: None }));
    assert_eq!(refusal(b"AUTH"), 501);
}

proptest::proptest! {
    #[test]
    fn no_line_is_dangerous(line in proptest::collection::vec(0u8..=255, 0..80)) {
        let _ = parse(&line);
    }

    #[test]
    fn no_argument_is_dangerous(verb in "(MAIL FROM:|RCPT TO:|BDAT |AUTH |EHLO )", rest in "\\PC{0,40}") {
        let _ = parse(format!("{verb}{rest}").as_bytes());
    }
}
