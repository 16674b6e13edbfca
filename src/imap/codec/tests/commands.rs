use super::*;

fn set(by: By, text: &str) -> MessageSet {
    match command(&format!("{}STORE {text} FLAGS ()", if by == By::Uid { "UID " } else { "" })) {
        Command::Store(args) => args.set,
        other => panic!("{other:?}"),
    }
}

fn numbers(text: &str) -> Numbers {
    match set(By::Seq, text).set {
        SequenceSet::Numbers(numbers) => numbers,
        SequenceSet::Saved => panic!("$"),
    }
}

fn fetch(line: &str) -> FetchArgs {
    match command(line) {
        Command::Fetch(args) => args,
        other => panic!("{other:?}"),
    }
}

fn search(line: &str) -> SearchArgs {
    match command(line) {
        Command::Search(args) => args,
        other => panic!("{other:?}"),
    }
}

fn key(keys: &str) -> SearchKey {
    search(&format!("SEARCH {keys}")).key
}

fn header(name: &str, text: &str) -> SearchKey {
    SearchKey::Header { name: name.into(), text: text.into() }
}

fn unseen() -> SearchKey {
    SearchKey::Not(Box::new(SearchKey::Flag(Flag::Seen)))
}

#[test]
fn bare_commands_in_any_case() {
    assert_eq!(command("noop"), Command::Noop);
    assert_eq!(command("Capability  "), Command::Capability);
    assert_eq!(command("STARTTLS"), Command::StartTls);
    assert_eq!(refusal("NOOP x").status, Status::Bad);
    assert_eq!(refusal("XYZZY").status, Status::Bad);
    assert_eq!(refusal("UID NOOP").status, Status::Bad);
    assert_eq!(refusal("").status, Status::Bad);
    let error = decode(&frame(b"\xff\xfe NOOP\r\n"), Dialect::default()).unwrap_err();
    assert_eq!(error.tag, None);
}

#[test]
fn log_in() {
    let Command::Login(args) = command("LOGIN {3+}\r\njoe \"a\\\"b\\\\c\"") else { panic!() };
    assert_eq!((args.user.as_str(), args.password.expose()), ("joe", &b"a\"b\\c"[..]));
    assert!(!format!("{args:?}").contains("b\\"));
    let Command::Authenticate(args) = command("AUTHENTICATE plain AGpvZQBwdw==") else { panic!() };
    assert_eq!(args.mechanism, "PLAIN");
    assert_eq!(args.initial.unwrap().expose(), b"\0joe\0pw");
    let Command::Authenticate(args) = command("AUTHENTICATE PLAIN =") else { panic!() };
    assert!(args.initial.unwrap().is_empty());
    assert_eq!(refusal("AUTHENTICATE PLAIN !!").status, Status::Bad);
    use crate::imap::codec::decode::sasl_response;
    assert_eq!(sasl_response(b"*"), Ok(None));
    assert_eq!(sasl_response(b"AGpvZQ").unwrap().unwrap().expose(), b"\0joe");
    assert!(sasl_response(b"AG*").is_err());
}

#[test]
fn who_the_client_is() {
    assert_eq!(command("ID NIL"), Command::Id(None));
    let Command::Id(Some(pairs)) = command("ID (\"name\" \"x\" \"os\" NIL)") else { panic!() };
    assert_eq!(pairs, [("name".into(), Some("x".into())), ("os".into(), None)]);
    assert_eq!(command("ID ()"), Command::Id(Some(vec![])));
    let Command::Enable(features) = command("ENABLE CONDSTORE X-GOOD-IDEA utf8=accept CONDSTORE")
    else {
        panic!()
    };
    assert_eq!(features, [Feature::CondStore, Feature::Utf8Accept]);
}

#[test]
fn sequence_sets() {
    assert_eq!(numbers("4:2,7,*").resolve(10).to_string(), "2:4,7,10");
    assert_eq!(numbers("559:*").resolve(10).to_string(), "10");
    assert_eq!(numbers("*:3").resolve(10).to_string(), "3:10");
    assert_eq!(numbers("1:*").resolve(0).to_string(), "");
    assert_eq!(numbers("1:*").resolve_strictly(0), None);
    assert_eq!(numbers("3:*").resolve_strictly(2), None);
    assert_eq!(numbers("*").resolve_strictly(2).unwrap().to_string(), "2");
    assert_eq!(numbers("1,3").resolve_strictly(2), None);
    assert_eq!(set(By::Uid, "$").set, SequenceSet::Saved);
    for wrong in ["0", "1:0", "1,", ":1", "1:2:3", "a", "4294967296", "$,1"] {
        assert_eq!(refusal(&format!("STORE {wrong} FLAGS ()")).status, Status::Bad, "{wrong}");
    }
}

#[test]
fn select_with_several_parameters_in_one_list() {
    // eM Client 11
    let Command::Select(args) = command(
        "SELECT box (CONDSTORE QRESYNC (67890007 20050715194045000 41,43:211 (1:3 5,7,9)))",
    ) else {
        panic!()
    };
    assert!(args.condstore);
    let qresync = args.qresync.unwrap();
    assert_eq!((qresync.uid_validity.get(), qresync.modseq), (67_890_007, 20_050_715_194_045_000));
    assert_eq!(qresync.known.unwrap().to_string(), "41,43:211");
    let (seqs, uids) = qresync.matches.unwrap();
    assert_eq!((seqs.to_string(), uids.to_string()), ("1:3".into(), "5,7,9".into()));
    let Command::Select(args) = command("EXAMINE \"inbox\"") else { panic!() };
    assert_eq!((args.mailbox, args.access), (MailboxName::inbox(), Access::ReadOnly));
    let Command::Select(args) = command("select INBOX (qresync (1 2 (1 2)))") else { panic!() };
    assert!(args.qresync.unwrap().known.is_none());
    for wrong in ["SELECT x (QRESYNC (1 2 1:*))", "SELECT x (QRESYNC (0 1))", "SELECT x (FOO)"] {
        assert_eq!(refusal(wrong).status, Status::Bad, "{wrong}");
    }
}

#[test]
fn mailbox_names() {
    assert_eq!(command("DELETE &U,BTFw-/x"), Command::Delete(name("台北/x")));
    assert_eq!(command("DELETE \"R&-D\""), Command::Delete(name("R&D")));
    assert_eq!(command("DELETE Inbox/Sub"), Command::Delete(name("INBOX/Sub")));
    assert_eq!(command("CREATE foo/").clone(), command("CREATE foo"));
    assert_eq!(command("SUBSCRIBE {5}\r\na b c"), Command::Subscribe(name("a b c")));
    assert_eq!(command("DELETE [Gmail]"), Command::Delete(name("[Gmail]")));
    let request = decoded("DELETE \"Entwürfe & x\"", true).unwrap();
    assert_eq!(request.command, Command::Delete(name("Entwürfe & x")));
    let both = Command::Rename { from: MailboxName::inbox(), to: name("old") };
    assert_eq!(command("RENAME INBOX old"), both);
    for wrong in ["DELETE \"\"", "DELETE a//b", "DELETE R&D", "DELETE {3+}\r\na\tb", "DELETE /"] {
        let reply = refusal(wrong);
        assert_eq!((reply.status, reply.code), (Status::No, Some(Code::Cannot)), "{wrong}");
    }
    let Command::Create(args) = command("CREATE MySent (USE (\\Drafts \\sent))") else { panic!() };
    assert_eq!(args.uses, [SpecialUse::Drafts, SpecialUse::Sent]);
    assert_eq!(refusal("CREATE x (USE (\\Foo))").code, Some(Code::UseAttr));
}

#[test]
fn lists() {
    let list = |line: &str| match command(line) {
        Command::List(args) => args,
        other => panic!("{other:?}"),
    };
    assert!(list("LIST \"\" \"\"").patterns.is_empty());
    assert_eq!(list("LIST \"\" *").patterns, [ListPattern::new("*")]);
    assert_eq!(list("LIST foo/ &-%").patterns, [ListPattern::new("foo/&%")]);
    assert_eq!(list("LSUB \"\" %/%").kind, ListKind::Lsub);
    assert_eq!(list("XLIST {0+}\r\n \"*\"").kind, ListKind::Xlist);
    let args = list(
        "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (INBOX \"Sent/%\") RETURN (CHILDREN STATUS (MESSAGES UNSEEN) METADATA (/private/a) special-use)",
    );
    assert!(args.select.subscribed && args.select.recursive_match);
    assert_eq!(args.patterns.len(), 2);
    let status = args.returns.status.unwrap();
    assert!(status.contains(StatusItem::Unseen) && !status.contains(StatusItem::Size));
    assert_eq!(args.returns.metadata.unwrap(), [EntryName::new("/PRIVATE/a").unwrap()]);
    assert!(args.returns.children && args.returns.special_use);
    let args = list("LIST () \"\" \"*\" RETURN ()");
    assert_eq!((args.select, args.returns), Default::default());
    for wrong in ["LIST (RECURSIVEMATCH) \"\" *", "LIST (FOO) \"\" *", "LIST \"\" * RETURN (FOO)"] {
        assert_eq!(refusal(wrong).status, Status::Bad, "{wrong}");
    }
    let many = format!("LIST \"\" ({})", "a ".repeat(101));
    assert_eq!(refusal(&many).code, Some(Code::Limit));
    let Command::Status(args) = command("STATUS INBOX (uidnext deleted-storage)") else { panic!() };
    let items: Vec<_> = args.items.iter().collect();
    assert_eq!(items, [StatusItem::UidNext, StatusItem::DeletedStorage]);
}

#[test]
fn appends() {
    let append = |line: &str| match command(line) {
        Command::Append(args) => args,
        other => panic!("{other:?}"),
    };
    let args = append(
        "APPEND saved (\\Seen $Junk \\Recent) \" 7-Feb-1994 21:52:25 -0800\" {5}\r\nhello ~{3+}\r\na\0b",
    );
    assert_eq!(args.messages.len(), 2);
    let first = &args.messages[0];
    assert_eq!(first.flags, [Flag::Seen, Flag::Keyword(Keyword::new("$junk").unwrap())]);
    assert_eq!(first.date.unwrap().at, 760_686_745);
    let AppendSource::Whole(payload) = &first.source else { panic!() };
    assert_eq!((payload.size(), payload.binary), (5, false));
    let AppendSource::Whole(payload) = &args.messages[1].source else { panic!() };
    assert!(payload.binary);
    // Thunderbird with UTF8=ACCEPT; the space is its own.
    let args = append("APPEND x UTF8 (~{2+}\r\nab)");
    assert!(matches!(args.messages[0].source, AppendSource::Utf8(_)));
    let args = append(
        "APPEND Sent () CATENATE (TEXT {2}\r\na\n URL \"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER\" TEXT {1+}\r\nx)",
    );
    let AppendSource::Catenate(parts) = &args.messages[0].source else { panic!() };
    assert_eq!(parts.len(), 3);
    assert!(matches!(&parts[1], CatenatePart::Url(url) if url.target.is_some()));
    assert_eq!(refusal("APPEND x {0}\r\n").status, Status::No);
    for wrong in ["APPEND x", "APPEND x ()", "APPEND x \"hello\"", "APPEND x CATENATE ()"] {
        assert_eq!(refusal(wrong).status, Status::Bad, "{wrong}");
    }
    let Command::Replace(args) = command("UID REPLACE 7 Drafts (\\Draft) {1}\r\nx") else {
        panic!()
    };
    assert_eq!((args.by, args.number.unwrap().get()), (By::Uid, 7));
    let Command::Replace(args) = command("REPLACE * Drafts {1}\r\nx") else { panic!() };
    assert_eq!(args.number, None);
}

#[test]
fn the_mailbox_of_an_unfinished_append() {
    use crate::imap::codec::decode::append_mailbox;
    for line in ["A APPEND {5+}\r\nDr&-x (\\Seen) {99}\r\n", "A UID REPLACE 4 Dr&-x {99}\r\n"] {
        let mut framer = Framer::new(Limits::after_login(1 << 20));
        framer.push(line.as_bytes());
        assert!(matches!(framer.next_event(), Some(Event::Literal(_))));
        assert_eq!(append_mailbox(&framer.pending(), Dialect::default()), Some(name("Dr&x")));
    }
}

#[test]
fn fetches() {
    let args = fetch("FETCH 1:* (FLAGS UID RFC822.SIZE ENVELOPE)");
    assert_eq!(
        args.items,
        [FetchItem::Flags, FetchItem::Uid, FetchItem::Rfc822Size, FetchItem::Envelope]
    );
    assert_eq!(fetch("fetch 1 fast").items.len(), 3);
    assert_eq!(fetch("FETCH 1 FULL").items[4], FetchItem::Body);
    let args =
        fetch("UID FETCH 1 (body.peek[header.fields (\"From\" to)] BODY[] BODY[1.2.MIME]<0.2048>)");
    let FetchItem::Section { peek: true, section, partial: None } = &args.items[0] else {
        panic!()
    };
    let SectionText::HeaderFields(names) = &section.text else { panic!() };
    assert_eq!(names.iter().map(FieldName::as_str).collect::<Vec<_>>(), ["From", "to"]);
    assert!(args.items[1].sets_seen() && !args.items[0].sets_seen());
    let FetchItem::Section { section, partial, .. } = &args.items[2] else { panic!() };
    assert_eq!((section.part.numbers(), &section.text), (&[1, 2][..], &SectionText::Mime));
    assert_eq!(partial.unwrap().of(1000), 0..1000);
    assert_eq!(partial.unwrap().of(5000), 0..2048);
    let args = fetch(
        "FETCH 2 (BODY[4.1.TEXT] BODY[TEXT] BODY[3] BODY BINARY.PEEK[1.2]<5.6> BINARY.SIZE[2])",
    );
    assert_eq!(args.items.len(), 6);
    assert_eq!(fetch("FETCH 1 BODY[HEADER.FIELDS.NOT (a b)]").items.len(), 1);
    assert_eq!(fetch("FETCH 1 ()").items, []);
    assert_eq!(fetch("FETCH 1 PREVIEW (LAZY)").items, [FetchItem::Preview { lazy: true }]);
    assert_eq!(fetch("FETCH 1 (PREVIEW UID)").items[0], FetchItem::Preview { lazy: false });
    for wrong in [
        "FETCH 1 (X-GM-MSGID)",
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[0]",
        "FETCH 1 BODY[1",
        "FETCH 1 BODY[]<1>",
        "FETCH 1 (FLAGS",
        "FETCH 1",
        "FETCH FLAGS",
        "FETCH 1 BINARY[TEXT]",
        "FETCH 1 BINARY[1.TEXT]",
    ] {
        assert_eq!(refusal(wrong).status, Status::Bad, "{wrong}");
    }
}

#[test]
fn fetch_modifiers() {
    let args = fetch("UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)");
    assert_eq!((args.changed_since, args.vanished), (Some(12_345), true));
    let args = fetch("UID FETCH 1:* FLAGS (PARTIAL -1:-100)");
    assert_eq!(args.partial.unwrap().of(1000), 900..1000);
    let args = fetch("FETCH 1 PREVIEW (CHANGEDSINCE 1)");
    assert_eq!((args.items.len(), args.changed_since), (1, Some(1)));
    let page = PartialRange::new(Side::Start, 500, 401).unwrap();
    assert_eq!((page.of(1000), page.of(450), page.of(10)), (400..500, 400..450, 10..10));
    for wrong in [
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "UID FETCH 1 FLAGS (PARTIAL 1:-2)",
        "UID FETCH 1 FLAGS (PARTIAL 0:2)",
        "UID FETCH 1 FLAGS (PARTIAL 5)",
    ] {
        assert_eq!(refusal(wrong).status, Status::Bad, "{wrong}");
    }
}

#[test]
fn stores_and_copies() {
    let Command::Store(args) =
        command("UID STORE 5:7 (UNCHANGEDSINCE 0) +flags.silent (\\deleted x)")
    else {
        panic!()
    };
    assert_eq!((args.op, args.silent, args.unchanged_since), (FlagOp::Add, true, Some(0)));
    assert_eq!(args.flags, [Flag::Deleted, Flag::Keyword(Keyword::new("X").unwrap())]);
    let Command::Store(args) = command("STORE 1 -FLAGS \\Seen \\Flagged") else { panic!() };
    assert_eq!((args.op, args.flags.len(), args.silent), (FlagOp::Remove, 2, false));
    assert_eq!(refusal("STORE 1 FLAGS (\\Foo)").status, Status::Bad);
    assert_eq!(refusal(&format!("STORE 1 FLAGS ({})", "x".repeat(201))).code, Some(Code::Limit));
    let Command::Move(args) = command("UID MOVE 1,2 Trash") else { panic!() };
    assert_eq!((args.set.by, args.mailbox), (By::Uid, name("Trash")));
    let Command::UidExpunge(_) = command("UID EXPUNGE 1:3") else { panic!() };
    assert_eq!(command("EXPUNGE"), Command::Expunge);
}

#[test]
fn search_keys() {
    assert_eq!(key("ALL"), SearchKey::All);
    assert_eq!(key("UNSEEN"), unseen());
    assert_eq!(key("NOT NOT UNSEEN"), unseen());
    assert_eq!(key("NOT UNSEEN"), SearchKey::Flag(Flag::Seen));
    assert_eq!(
        key("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\""),
        SearchKey::And(vec![
            SearchKey::Flag(Flag::Flagged),
            SearchKey::Date { field: DateField::Internal, order: DateOrder::Since, day: Day(8797) },
            SearchKey::Not(Box::new(header("from", "Smith"))),
        ])
    );
    assert_eq!(key("HEADER \"Message-ID:\" \"\""), header("message-id", ""));
    assert_eq!(
        key("(TEXT a) ( )"),
        SearchKey::And(vec![SearchKey::Text("a".into()), SearchKey::All])
    );
    assert_eq!(key("UID 5:*"), SearchKey::Uid(set(By::Uid, "5:*").set));
    assert_eq!(key("$"), SearchKey::Seq(SequenceSet::Saved));
    assert_eq!(key("older 60"), SearchKey::Older(60));
    assert_eq!(key("MODSEQ \"/flags/\\\\draft\" all 620162338"), SearchKey::ModSeq(620_162_338));
    assert!(key("OR SEEN MODSEQ 3").uses_modseq());
    assert_eq!(
        key("KEYWORD $Junk"),
        SearchKey::Flag(Flag::Keyword(Keyword::new("$junk").unwrap()))
    );
    for wrong in [
        "",
        "()",
        ")",
        "(ALL",
        "OR SEEN",
        "NOT",
        "FROM",
        "ON yesterday",
        "FOO",
        "ALL)",
        "(OR SEEN)",
        "OLDER 0",
        "FUZZY TEXT x",
        "SENTON 32-Jan-2020",
    ] {
        if wrong != "()" {
            assert_eq!(refusal(&format!("SEARCH {wrong}")).status, Status::Bad, "{wrong}");
        }
    }
}

#[test]
fn long_chains_of_or_are_flat_and_nesting_is_bounded() {
    let ids: Vec<SearchKey> = (0..500).map(|n| header("message-id", &n.to_string())).collect();
    let right: String = (0..499).map(|n| format!("OR HEADER MESSAGE-ID {n} ")).collect();
    assert_eq!(key(&format!("{right} HEADER Message-Id 499")), SearchKey::Or(ids.clone()));
    let left: String = (1..500).map(|n| format!(" HEADER Message-Id {n}")).collect();
    let left = format!("{} HEADER Message-ID 0{left}", "OR ".repeat(499));
    assert_eq!(key(&left), SearchKey::Or(ids));
    assert_eq!(key("OR (OR SEEN DRAFT) (OR ALL RECENT)"), key("OR OR SEEN DRAFT OR ALL RECENT"));
    key(&format!("{}ALL{}", "(".repeat(49), ")".repeat(49)));
    let deep = refusal(&format!("SEARCH {}ALL{}", "(".repeat(50), ")".repeat(50)));
    assert_eq!((deep.status, deep.code), (Status::Bad, Some(Code::Limit)));
    assert_eq!(refusal(&format!("SEARCH {}", "(".repeat(30_000))).code, Some(Code::Limit));
    assert_eq!(refusal(&format!("SEARCH {}", "OR NOT ".repeat(3_000))).code, Some(Code::Limit));
    key(&format!("{}SEEN", "NOT ".repeat(10_000)));
}

#[test]
fn charsets() {
    assert_eq!(key("CHARSET UTF-8 SUBJECT {4+}\r\nKäs"), header("subject", "Käs"));
    assert_eq!(key("CHARSET \"us-ascii\" SUBJECT x"), header("subject", "x"));
    // Never told of UTF-8, but sends it.
    assert_eq!(key("SUBJECT \"Käse\""), header("subject", "Käse"));
    let frame = frame(b"A SEARCH CHARSET iso-8859-1 SUBJECT \"K\xe4se\"\r\n");
    let Ok(Request { command: Command::Search(args), .. }) = decode(&frame, Dialect::default())
    else {
        panic!()
    };
    assert_eq!(args.key, header("subject", "Käse"));
    let accepts = Dialect { utf8: true, utf8_accept: true };
    let charset = super::frame(b"A SEARCH CHARSET UTF-8 SUBJECT x\r\n");
    assert_eq!(decode(&charset, accepts).unwrap_err().reply.status, Status::Bad);
    let plain = super::frame("A SEARCH SUBJECT \"Käse\"\r\n".as_bytes());
    assert!(decode(&plain, accepts).is_ok());
    let reply = refusal("SEARCH CHARSET X-KLINGON SUBJECT x");
    assert_eq!(reply.status, Status::No);
    assert!(matches!(reply.code, Some(Code::BadCharset(_))));
    let frame = super::frame(b"A SEARCH SUBJECT \"K\xe4se\"\r\n");
    assert_eq!(decode(&frame, Dialect::default()).unwrap_err().reply.status, Status::Bad);
}

#[test]
fn search_returns() {
    assert_eq!(search("SEARCH ALL").returns, None);
    let all = SearchReturn { all: true, ..SearchReturn::default() };
    assert_eq!(search("UID SEARCH RETURN () ALL").returns, Some(all));
    assert_eq!(
        search("SEARCH RETURN (UPDATE) ALL").returns,
        Some(SearchReturn { update: true, ..all })
    );
    let save = SearchReturn { save: true, ..SearchReturn::default() };
    assert_eq!(search("SEARCH RETURN (SAVE) ALL").returns, Some(save));
    let count = SearchReturn { min: true, count: true, ..SearchReturn::default() };
    assert_eq!(search("SEARCH return (min COUNT) CHARSET UTF-8 ALL").returns, Some(count));
    let page = search("SEARCH RETURN (PARTIAL 401:500 CONTEXT) ALL").returns.unwrap();
    assert_eq!(page.partial.unwrap().places(), (Side::Start, 401, 500));
    assert!(!page.all && page.context);
    for wrong in ["RETURN (RELEVANCY) ALL", "RETURN (ALL PARTIAL 1:2) ALL", "RETURN ALL"] {
        assert_eq!(refusal(&format!("SEARCH {wrong}")).status, Status::Bad, "{wrong}");
    }
}

#[test]
fn sorts_and_threads() {
    let Command::Sort(args) =
        command("SORT RETURN (COUNT) (REVERSE DATE displayfrom) UTF-8 UNSEEN")
    else {
        panic!()
    };
    assert_eq!(args.criteria[0], SortCriterion { reverse: true, key: SortKey::Date });
    assert_eq!(args.criteria[1].key, SortKey::DisplayFrom);
    assert_eq!(args.key, unseen());
    // Roundcube
    let Command::Thread(args) =
        command("UID THREAD REFERENCES US-ASCII ALL OR HEADER SUBJECT x HEADER FROM x")
    else {
        panic!()
    };
    assert_eq!((args.by, args.algorithm), (By::Uid, ThreadAlgorithm::References));
    for wrong in ["SORT () UTF-8 ALL", "SORT (RELEVANCY) UTF-8 ALL", "THREAD REFS UTF-8 ALL"] {
        assert_eq!(refusal(wrong).status, Status::Bad, "{wrong}");
    }
}

#[test]
fn multisearch() {
    let Command::Esearch(args) =
        command("ESEARCH IN (mailboxes \"folder1\" subtree (a b) selected) RETURN (COUNT) UNSEEN")
    else {
        panic!()
    };
    assert_eq!(
        args.sources,
        [
            MailboxFilter::Mailboxes(vec![name("folder1")]),
            MailboxFilter::Subtree(vec![name("a"), name("b")]),
            MailboxFilter::Selected,
        ]
    );
    let Command::Esearch(args) = command("ESEARCH ALL") else { panic!() };
    assert!(args.sources.is_empty());
    assert_eq!(refusal("ESEARCH IN () ALL").status, Status::Bad);
}

#[test]
fn notifications() {
    assert_eq!(command("NOTIFY NONE"), Command::Notify(NotifyArgs::None));
    // As the grammar has it, and as the examples of RFC 5465 do.
    for line in [
        "NOTIFY SET STATUS (selected (MessageNew (uid body.peek[header.fields (from)]) MessageExpunge)) (subtree Lists NONE)",
        "notify set status (selected MessageNew (uid body.peek[header.fields (from)]) MessageExpunge)(subtree Lists NONE)",
    ] {
        let Command::Notify(NotifyArgs::Set { status, groups }) = command(line) else { panic!() };
        assert!(status && groups.len() == 2);
        assert!(matches!(&groups[0].events[0], NotifyEvent::MessageNew(items) if items.len() == 2));
        assert_eq!(groups[1].mailboxes, MailboxFilter::Subtree(vec![name("Lists")]));
        assert!(groups[1].events.is_empty());
    }
    command(
        "NOTIFY SET (personal (MailboxName SubscriptionChange)) (mailboxes (a b) (messageNew messageExpunge FlagChange))",
    );
    for wrong in [
        "NOTIFY SET",
        "NOTIFY SET (selected (MessageNew))",
        "NOTIFY SET (selected (FlagChange))",
        "NOTIFY SET (selected (MailboxName))",
        "NOTIFY SET (selected)",
        "NOTIFY SET (foo (MailboxName))",
    ] {
        assert_eq!(refusal(wrong).status, Status::Bad, "{wrong}");
    }
    assert!(matches!(refusal("NOTIFY SET (personal (Foo))").code, Some(Code::BadEvent(_))));
}

#[test]
fn quotas_and_annotations() {
    assert_eq!(command("GETQUOTA \"\""), Command::GetQuota(String::new()));
    assert_eq!(command("GETQUOTAROOT inbox"), Command::GetQuotaRoot(MailboxName::inbox()));
    let Command::SetQuota(args) = command("SETQUOTA \"\" (storage 512)") else { panic!() };
    assert_eq!(args.limits, [("STORAGE".to_owned(), 512)]);
    let entry = |name: &str| EntryName::new(name).unwrap();
    for line in [
        "GETMETADATA (MAXSIZE 1024 DEPTH infinity) \"INBOX\" (/shared/comment /private/Comment)",
        "GETMETADATA INBOX (DEPTH INFINITY MAXSIZE 1024) (/shared/comment /private/Comment)",
    ] {
        let Command::GetMetadata(args) = command(line) else { panic!() };
        assert_eq!(args.mailbox, Some(MailboxName::inbox()));
        assert_eq!((args.max_size, args.depth), (Some(1024), Depth::Infinity));
        assert_eq!(args.entries, [entry("/shared/comment"), entry("/private/comment")]);
    }
    let Command::GetMetadata(args) = command("GETMETADATA \"\" /shared/comment") else { panic!() };
    assert_eq!((args.mailbox, args.depth), (None, Depth::Zero));
    let Command::SetMetadata(args) = command(
        "SETMETADATA INBOX (/private/comment {3}\r\na\r\n /shared/x NIL /shared/y ~{1+}\r\n\0)",
    ) else {
        panic!()
    };
    assert_eq!(args.entries.len(), 3);
    assert_eq!(args.entries[1], (entry("/shared/x"), None));
    for wrong in ["/comment", "/private/a*", "/private//a", "/private/", "/privateer/x"] {
        assert_eq!(EntryName::new(wrong), None, "{wrong}");
    }
    assert_eq!(command("COMPRESS deflate"), Command::Compress);
    assert_eq!(refusal("COMPRESS GZIP").status, Status::No);
    assert_eq!(
        command("CANCELUPDATE \"B01\" \"B02\""),
        Command::CancelUpdate(vec!["B01".into(), "B02".into()])
    );
}

#[test]
fn strings_are_read_safely() {
    // A quote that is not closed on its line, though a literal's text would close it.
    assert_eq!(refusal("LOGIN \"a {3+}\r\n\"bc x").status, Status::Bad);
    assert_eq!(refusal("LOGIN a {3+}\r\nb\0c").status, Status::Bad);
    assert_eq!(refusal("LOGIN \"a\\").status, Status::Bad);
    assert_eq!(refusal("SELECT {3+} x").status, Status::Bad);
    assert_eq!(command("SELECT {5+}\nInbox"), command("SELECT INBOX"));
}
