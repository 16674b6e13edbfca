use proptest::prelude::*;

use super::*;

fn own_plain(text: &str) -> &str {
    end_of_plain(text).and_then(|end| text.get(..end)).unwrap_or(text)
}

fn own_html(html: &str) -> &str {
    end_of_html(html).and_then(|end| html.get(..end)).unwrap_or(html)
}

#[test]
fn plain_answers_end_above_what_they_quote() {
    let quoted = "\r\n\r\nOn Mon, 3 Aug 2026 at 10:00, Ben <ben@x.example> wrote:\r\n\r\n> Hello\r\n>\r\n> > Older\r\n\r\n";
    assert_eq!(own_plain(&format!("Yes.\r\n\r\nAnna{quoted}")), "Yes.\r\n\r\nAnna");
    let broken = "Yes\n\nAm 3. August 2026 um 10:00 schrieb Ben\n<ben@x.example>:\n> Hallo\n";
    assert_eq!(own_plain(broken), "Yes");
    let far = "Oui\n\nLe lun. 3 août 2026 à 10:00, Ben Bee Ben Bee Ben Bee\n<ben@x.example> a\nécrit :\n> Bonjour\n";
    assert_eq!(own_plain(far), "Oui");
    let close = "Fine.\nOn Mon, 3 Aug 2026, Ben <ben@x.example> wrote:\n> Hello\n";
    assert_eq!(own_plain(close), "Fine.");
    let outlook = "Fine.\r\n\r\n-----Original Message-----\r\nFrom: Ben <ben@x.example>\r\nSent: Monday\r\nTo: Anna\r\n\r\nHello\r\n";
    assert_eq!(own_plain(outlook), "Fine.");
    let web = "Gut.\n\n________________________________\nVon: Ben\nGesendet: Montag\n\nHallo\n";
    assert_eq!(own_plain(web), "Gut.");
}

#[test]
fn plain_text_that_may_be_the_author_s_stays() {
    for text in [
        "On Monday Ben <ben@x.example> wrote:\n> Hello\nI disagree.\n> And so on\nSo do I.\n",
        "> quoted without a word on who\n",
        "These are my points:\n> one\n> two\n",
        "On 2026-08-03 Ben <ben@x.example> wrote:\n> Hello\n",
        "A line\n________________________________\nand a text\n",
        "-----\nFrom: me\nTo: you\n",
        "",
        "\n\n",
    ] {
        assert_eq!(own_plain(text), text, "{text}");
    }
}

#[test]
fn documents_end_above_what_they_quote() {
    let outlook = "<html><head><style>p{a:b}</style></head><body><div>Yes</div>\r\n<div id=\"appendonsend\"></div>\r\n\
        <hr style=\"display:inline-block;width:98%\" tabindex=\"-1\"><div id=\"divRplyFwdMsg\" dir=\"ltr\"><b>From:</b> Ben</div><div>Hello</div></body></html>";
    assert!(
        own_html(outlook).ends_with("<div id=\"appendonsend\"></div>"),
        "{}",
        own_html(outlook)
    );
    let desktop = "<body><p>Ja</p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'>\
        <p class=MsoNormal><b><span>Von:</span></b> Ben</p></div></div><p>Hallo</p></body>";
    assert_eq!(own_html(desktop), "<body><p>Ja</p><div>");
    let gmail = "<div dir=\"ltr\">Sure</div><br><div class=\"gmail_quote gmail_quote_container\"><div dir=\"ltr\" class=\"gmail_attr\">\
        On Mon, Ben wrote:<br></div><blockquote class=\"gmail_quote\" style=\"x\">Hello<blockquote>Older</blockquote></blockquote></div>";
    assert_eq!(own_html(gmail), "<div dir=\"ltr\">Sure</div><br>");
    let apple = "<body>Fine<br><div><br><blockquote type=\"cite\"><div>On 3. Aug, Ben wrote:</div>Hello</blockquote></div><br></body>";
    assert_eq!(own_html(apple), "<body>Fine<br><div><br>");
    let thunderbird = "<body>Fine<div class=\"moz-cite-prefix\">Am 3.8. schrieb Ben:<br></div><blockquote type=\"cite\" cite=\"mid:1@x\">Hello</blockquote>&nbsp;</body>";
    assert_eq!(own_html(thunderbird), "<body>Fine");
    let ours = "<p>Fine</p><br><hr>\r\n<div><b>From:</b> Ben<br>\r\n</div><br>\r\n<blockquote type=\"cite\" style=\"x\">\r\nHello</blockquote>\r\n";
    assert_eq!(own_html(ours), "<p>Fine</p><br>");
}

#[test]
fn documents_that_may_be_the_author_s_stay() {
    for html in [
        // Written between and below.
        "<body>Hi<blockquote type=\"cite\">One</blockquote>No.<blockquote type=\"cite\">Two</blockquote></body>",
        "<body><div class=\"moz-cite-prefix\">Ben:</div><blockquote type=\"cite\">Hello</blockquote><p>Below</p></body>",
        "Look<div class=\"gmail_quote\"><div>---------- Forwarded message ---------<br>From: Ben</div>Hello</div>",
        "Look<div class=\"gmail_quote\">No quotation here</div>",
        // Nothing of its own.
        "<div id=\"divRplyFwdMsg\">From: Ben</div>Hello",
        "<p>A poem:</p><blockquote>Roses</blockquote>",
        "<p>Ad</p><div style=\"border:none;border-top:solid #E1E1E1 1pt\">Imprint</div>",
        "<p>x</p><div id=\"x_divRplyFwdMsg\">y</div>",
        "<!-- <div id=\"divRplyFwdMsg\"> -->text",
        "<style><div id=\"divRplyFwdMsg\"></style>text",
        "<",
        "<div",
        "<div id=\"",
        "<!--",
        "</",
        "<!-->",
    ] {
        assert_eq!(own_html(html), html, "{html}");
    }
}

proptest! {
    #[test]
    fn nothing_breaks_it(text in "(<[a-z!/]{0,12}|>|\"|'| id=|divRplyFwdMsg|<blockquote type=cite>|</blockquote>|<!--|-->|\n|> |ä|:){0,40}") {
        end_of_html(&text);
        end_of_plain(&text);
    }
}
