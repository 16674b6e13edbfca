//! Pages as text. Markup is what the program's own text is; everything else is escaped, and the
//! types keep the two apart.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// Icons that pages use by name (Lucide, ISC licence).
const ICONS: &str = include_str!("../../web/icons.svg");

/// No script, no frame, nothing from elsewhere; forms go to this server only.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

/// HTML that is being written.
#[derive(Default)]
pub struct Html(String);

impl Html {
    /// Adds markup. `'static`: nothing that came from outside fits here.
    pub fn markup(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Adds a text, or an attribute's value between its quotes: escaped, and without what a page
    /// cannot show.
    pub fn text(&mut self, text: impl ToString) {
        for c in text.to_string().chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c if c.is_control() => self.0.push(' '),
                c => self.0.push(c),
            }
        }
    }

    /// Adds what was written elsewhere.
    pub fn html(&mut self, other: &Html) {
        self.0.push_str(&other.0);
    }
}

/// Writes markup (string literals) and texts (in braces) one after the other:
/// `html!(out, "<b>" {name} "</b>")`.
macro_rules! html {
    (@ $out:ident $markup:literal) => { $out.markup($markup) };
    (@ $out:ident { $text:expr }) => { $out.text($text) };
    ($out:ident, $($piece:tt)*) => {{ $($crate::webui::html::html!(@ $out $piece);)* }};
}
pub(super) use html;

/// Adds an icon, which says nothing to those who hear the page.
pub fn icon(out: &mut Html, name: &'static str, class: &'static str) {
    html!(out, "<svg class=\"icon " {class} "\" aria-hidden=\"true\"><use href=\"#i-" {name}
        "\"/></svg>");
}

/// A whole page as an answer. `who` is the address of who is logged in.
pub fn page(status: StatusCode, title: &'static str, who: Option<&str>, body: &Html) -> Response {
    let mut out = Html::default();
    html!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1, "
        "viewport-fit=cover\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>"
        {title} " · Kontor</title>\n<link rel=\"stylesheet\" href=\"/pages.css\">\n</head>\n"
        "<body>\n<a class=\"skip\" href=\"#main\">Skip to content</a>\n");
    out.markup(ICONS);
    html!(out, "<header class=\"topbar\">\n<a class=\"brand\" href=\"/\">"
        "<svg class=\"logo\" viewBox=\"0 0 34 34\" aria-hidden=\"true\"><rect width=\"34\" "
        "height=\"34\" rx=\"10\"/><path d=\"M7.2 16.2c0-5 4.2-8.2 9.8-8.2s9.8 3.2 9.8 8.2a.9.9 0 "
        "0 1-.9.9H8.1a.9.9 0 0 1-.9-.9Z\"/><path class=\"line\" d=\"M17 17v8.2M12.2 25.6h9.6\"/>"
        "<circle cx=\"22.6\" cy=\"20.6\" r=\"1.35\"/></svg>Kontor</a>\n");
    if let Some(who) = who {
        html!(out, "<span class=\"who\"><span class=\"sr\">Logged in as </span><bdi>" {who}
            "</bdi></span>\n");
    }
    html!(out, "</header>\n<main class=\"sheet\" id=\"main\" tabindex=\"-1\">\n"
        "<div class=\"page\">\n");
    out.html(body);
    html!(out, "</div>\n</main>\n</body>\n</html>\n");
    let mut response = (status, out.0).into_response();
    protect(&mut response);
    response
}

/// Sends the browser to a page of ours, which it asks for with GET.
pub fn see_other(place: &str) -> Response {
    match HeaderValue::from_str(place) {
        Ok(place) => (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What every page is sent with.
fn protect(response: &mut Response) {
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // With "no-referrer", browsers send a form's `Origin` as "null" (Fetch standard,
        // "append a request Origin header"), and we would refuse our own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        for (text, wanted) in [
            ("Ben's <b>phone</b>", "Ben&#39;s &lt;b&gt;phone&lt;/b&gt;"),
            ("\" onload=\"x", "&quot; onload=&quot;x"),
            ("&lt;", "&amp;lt;"),
            ("a\0b\r\nc", "a b  c"),
            ("Grüße", "Grüße"),
        ] {
            let mut out = Html::default();
            html!(out, "<i>" {text} "</i>");
            assert_eq!(out.0, format!("<i>{wanted}</i>"));
        }
    }
}
