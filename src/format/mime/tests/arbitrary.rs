//! Arbitrary bytes, and arbitrary rows of the pieces that messages are made of.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const PIECES: [&[u8]; 44] = [
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b" ",
    b"--b\r\n",
    b"--b--\r\n",
    b"--c\r\n",
    b"--c--\n",
    b"\r\n--b",
    b"--",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: multipart/alternative; boundary=\"c\"\n",
    b"Content-Type: multipart/digest; boundary=c\r\n",
    b"Content-Type: multipart/mixed\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Type: message/global; x=y\r\n",
    b"Content-Type: text/html; charset=utf-7\r\n",
    b"Content-Type: text/plain; charset=iso-2022-jp; name*0*=utf-8''%c3; name*1=a\r\n",
    b"Content-Type: image\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n",
    b"Content-Disposition: attachment; filename=\"a\\\"b\r\n c\"\r\n",
    b"Content-Language: a, b\r\n",
    b"Content-ID: <a@b>\r\n",
    b"From: A <a@b>, g: c@d (e);\r\n",
    b"To: \"x\" <y",
    b"Subject: Re: [fwd: =?utf-8?Q?=C3=A4?= =?x?B?YQ?=]\r\n",
    b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n",
    b"References: <a@b> <\"c\"@d>\r\n",
    b"Message-ID: <m@x>\r\n",
    b"X-Priority: 1\r\n",
    b"Cc: ",
    b"\xff\xfe",
    b"\0",
    b"=C3=A4=\r\n",
    b"YWJj",
    b"<p>a&amp;<style>",
    b"begin 644 x\r\n#0V%T\r\n",
    b"text",
    b"\t",
    b";",
    b"\"",
    b"(",
];

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(&PIECES[..]), 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn any_row_of_pieces_is_a_message(prefix in "(Return-Path: <a@b>\r\n)?(Received: x\r\n)?", raw in pieces()) {
        check(prefix.as_bytes(), &raw);
    }

    #[test]
    fn any_bytes_are_a_message(raw in vec(any::<u8>(), 0..600)) {
        check(b"", &raw);
    }

    #[test]
    fn any_bytes_are_a_record_or_refused(damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), bytes in vec(any::<u8>(), 0..300)) {
        let mut record = Record::build(b"Return-Path: <a@b>\r\n", b"Subject: Re: x\r\nMessage-ID: <a@b>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n");
        for (at, byte) in damage {
            let at = at.index(record.len());
            record[at] = byte;
        }
        for record in [record, bytes] {
            let Ok(view) = RecordView::parse(&record) else { continue };
            let _ = (view.size(), view.envelope(), view.body(), view.subject(), view.base_subject(), view.sent());
            let _ = (view.message_id(), view.references().count(), view.attachment_names().count(), view.preview());
            view.header_fields(&FieldSet::new(["Subject"]), &mut Vec::new());
            let _ = (view.part(&[1]), view.part(&[1, 1]), view.part(&[]));
        }
    }
}
