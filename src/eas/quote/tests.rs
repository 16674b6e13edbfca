use super::*;
use crate::format::mime::Octets;

fn original() -> Original {
    Original {
        from: "\"Ben\" <ben@x.example>".into(),
        sent: "Monday".into(),
        to: "anna@x.example".into(),
        subject: "Größe & <Preis>".into(),
        plain: "Hallo\r\n> old\r\n".into(),
        html: Some(
            "<html><head><style>p{}</style></head><BODY class=x><p>Hallo<img src=\"cid:p1\"></BODY>\
             </html>"
                .into(),
        ),
        message_id: Some("2@x".into()),
        references: vec!["1@x".into()],
        files: vec![
            Enclosed {
                content_id: "p1".into(),
                part: Part::existing(
                    b"Content-Type: image/png\r\nContent-ID: <p1>\r\n\r\n",
                    Bytes::from_static(b"PNG"),
                ),
            },
            Enclosed {
                content_id: String::new(),
                part: Part::existing(
                    b"Content-Type: application/pdf; name=a.pdf\r\nX: y\r\n\r\n",
                    Bytes::from_static(b"PDF"),
                ),
            },
        ],
        ..Original::default()
    }
}

struct Woven {
    raw: Vec<u8>,
    content: Content,
}

impl Woven {
    fn of(own: &str, form: Form) -> Woven {
        let own = Bytes::from(own.replace('\n', "\r\n"));
        let raw = weave(&own, original(), form).concat();
        let content = match Content::read(&Outline::of_tree(&scan(&raw)), &raw[..]) {
            Ok(content) => content,
            Err(never) => match never {},
        };
        Woven { raw, content }
    }
    fn plain(&self) -> String {
        self.content.plain_text(&self.raw[..]).unwrap()
    }
    fn html(&self) -> String {
        self.content.html_text(&self.raw[..]).unwrap()
    }
    fn files(&self) -> Vec<String> {
        let of = |part: &PartInfo| {
            let body = self.raw[..].octets(part.outline.body).unwrap();
            format!("{} {}", part.media, String::from_utf8_lossy(&body))
        };
        self.content.files().map(of).collect()
    }
    fn fields(&self, name: &str) -> Vec<String> {
        mime::field_values(&self.raw[..mime::header_len(&self.raw)], name)
    }
}

#[test]
fn a_plain_answer_has_the_original_quoted_below() {
    let woven = Woven::of("Subject: Re: x\nTo: b@x\n\nMeine Antwort: Ärger\n", Form::Reply);
    let text = woven.plain();
    assert!(text.starts_with("Meine Antwort: Ärger\r\n\r\n____"), "{text}");
    assert!(text.contains("\r\nFrom: \"Ben\" <ben@x.example>\r\nSent: Monday\r\n"), "{text}");
    assert!(text.ends_with("\r\n> Hallo\r\n>> old\r\n"), "{text}");
    assert_eq!(woven.files(), Vec::<String>::new());
    assert_eq!(woven.fields("In-Reply-To"), ["<2@x>"]);
    assert_eq!(woven.fields("References"), ["<1@x> <2@x>"]);
    assert_eq!(woven.fields("Subject"), ["Re: x"]);
    assert_eq!(woven.fields("Content-Type").len(), 1);
}

#[test]
fn an_html_answer_gets_both_kinds_and_the_pictures() {
    let own = "MIME-Version: 1.0\nReferences: <0@x>\nContent-Type: multipart/mixed; boundary=m\n\n\
        pre\n--m\nContent-Type: multipart/alternative; boundary=a\n\n\
        --a\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n\
        gr=FC=DFe\n--a\nContent-Type: text/html; charset=utf-8\n\n\
        <html><body>grüße</body></html>\n--a--\n--m\nContent-Type: text/plain; name=own.txt\n\
        Content-Disposition: attachment\n\nown file\n--m--\n";
    let woven = Woven::of(own, Form::Reply);
    assert!(woven.plain().starts_with("grüße\r\n\r\n____"), "{}", woven.plain());
    let html = woven.html();
    assert!(html.starts_with("<html><body>grüße<br><hr>"), "{html}");
    assert!(html.contains("<b>Subject:</b> Größe &amp; &lt;Preis&gt;<br>"), "{html}");
    assert!(html.contains("<style>p{}</style>") && html.contains("<p>Hallo<img"), "{html}");
    assert!(html.trim_end().ends_with("</blockquote>\r\n</body></html>"), "{html}");
    assert_eq!(woven.files(), ["text/plain own file", "image/png PNG"]);
    assert_eq!(woven.fields("References"), ["<0@x>"]);
    assert_eq!(woven.fields("MIME-Version"), ["1.0"]);
}

#[test]
fn what_is_forwarded_brings_its_files() {
    let woven = Woven::of("To: c@x\nContent-Type: text/html\n\nlook", Form::Forward);
    assert!(woven.html().starts_with("look<br><hr>") && !woven.html().contains("blockquote"));
    assert_eq!(woven.files(), ["image/png PNG", "application/pdf PDF"]);
    assert!(!woven.raw.windows(4).any(|window| window == b"X: y"));
    let woven = Woven::of("To: c@x\n\n", Form::Forward);
    assert!(woven.plain().ends_with("\r\nHallo\r\n> old\r\n"), "{}", woven.plain());
    assert_eq!(woven.files(), ["image/png PNG", "application/pdf PDF"]);
}

#[test]
fn a_signed_answer_stays_as_it_is() {
    let signed = "Content-Type: multipart/signed; boundary=s; micalg=x\n\n--s\n\ntext\n--s\n\
        Content-Type: application/pgp-signature\n\nsig\n--s--\n";
    let body = signed[signed.find("--s\n").unwrap()..].replace('\n', "\r\n");
    let woven = Woven::of(signed, Form::Reply);
    assert!(woven.raw.ends_with(body.as_bytes()));
    let woven = Woven::of(signed, Form::Forward);
    assert!(woven.raw.windows(body.len()).any(|window| window == body.as_bytes()));
    assert_eq!(woven.files().len(), 2);
}

#[test]
fn an_answer_that_is_a_picture_only_gets_a_text() {
    let woven = Woven::of("Content-Type: image/png\nTo: x\n\nPNG2", Form::Reply);
    assert!(woven.plain().contains("> Hallo"));
    assert_eq!(woven.files(), ["image/png PNG2"]);
    assert_eq!(woven.fields("To"), ["x"]);
}

#[test]
fn nonsense_is_woven_too() {
    for own in [
        "",
        "x",
        "\n",
        "Content-Type: multipart/mixed\n\nx",
        "Content-Type: multipart/mixed; boundary=b\n\n--b",
    ] {
        for form in [Form::Reply, Form::Forward] {
            let woven = Woven::of(own, form);
            assert!(woven.plain().contains("Hallo"), "{own:?}");
        }
    }
}
