//! IMAP: dialogues, and what several sessions on one mailbox hear of each other.

use crate::support::transcript::play;

/// Makes a test of each transcript, and one that no file is left out.
macro_rules! transcripts {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            play(concat!("imap/", stringify!($name)));
        })*

        #[test]
        fn every_transcript_is_played() {
            let listed = [$(stringify!($name)),*];
            let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/imap");
            for entry in std::fs::read_dir(dir).expect("the transcripts") {
                let name = entry.expect("a readable directory").file_name();
                let name = name.to_string_lossy().trim_end_matches(".txt").to_owned();
                assert!(listed.contains(&name.as_str()), "{name} is not listed in imap.rs");
            }
        }
    };
}

transcripts! {
    append
    append_literal
    append_refused
    binary_append
    binary_unknown
    capability
    catenate
    clients_dialects
    closed
    compress
    condstore
    context
    copy_move
    esearch
    expunge
    fetch_parts
    flags
    id_enable
    idle
    idle_tagged
    list
    login
    mailboxes
    metadata
    multiappend
    multisearch
    names
    notify
    notify_status
    objectid
    partial
    qresync
    quota
    recent
    replace
    rev2
    savedate_preview
    search
    search_odd
    select
    sort_thread
    special_use
    starttls
    structure
    subscribed
    uidonly
    utf8
    utf8_charset
    xlist
}
