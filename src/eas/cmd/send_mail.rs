//! SendMail: a message that is whole. MS-ASCMD 2.2.1.17.
//!
//! Until 12.1 the message is the request's body and the rest stands in the query; since 14.0 it
//! is an element of a document.

use bytes::Bytes;

use crate::eas::answer::{Answer, Failure, common};
use crate::eas::outgoing::{self, Outgoing};
use crate::eas::sent::Token;
use crate::eas::session::Session;
use crate::eas::version::Version;
use crate::format::mime;
use crate::format::wbxml::{Element, tags::compose_mail as t};

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let Posted { mime, save, token, .. } = read(&session)?;
    let outgoing = Outgoing { pieces: vec![mime], save, token, original: None };
    outgoing::send(&session, outgoing).await?;
    Ok(Answer::Empty)
}

/// What SendMail, SmartReply and SmartForward have in common.
pub(super) struct Posted {
    pub mime: Bytes,
    pub save: bool,
    pub token: Option<Token>,
    /// The original is quoted already.
    pub replace_mime: bool,
    pub source: Option<Source>,
    /// Whom a meeting is forwarded to, name and address (16.0 and later).
    pub forwardees: Vec<(String, String)>,
}

/// People that a meeting is forwarded to at once.
const FORWARDEES_MAX: usize = 1_000;

/// Which message is answered or forwarded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Source {
    pub item: Option<String>,
    pub long: Option<String>,
    /// One instance of a series of events.
    pub instance: Option<String>,
}

pub(super) fn read(session: &Session) -> Result<Posted, Failure> {
    let posted = match session.version < Version::V14_0 {
        true => of_query(session),
        false => of_element(&session.required_element()?)?,
    };
    if posted.mime.is_empty() {
        return Err(Failure::Common(common::INVALID_MIME));
    }
    Ok(posted)
}

fn of_query(session: &Session) -> Posted {
    let (query, mime) = (&session.query, session.body.clone());
    let source = Source {
        item: query.item_id.clone(),
        long: query.long_id.clone(),
        instance: query.occurrence.clone(),
    };
    Posted {
        save: query.save_in_sent,
        token: token_of(&mime),
        replace_mime: false,
        source: (source != Source::default()).then_some(source),
        forwardees: Vec::new(),
        mime,
    }
}

fn of_element(element: &Element) -> Result<Posted, Failure> {
    let mime = element.child(t::MIME).ok_or(Failure::Common(common::INVALID_XML))?.bytes();
    let token = match element.text_of(t::CLIENT_ID) {
        Some(id) if !id.is_empty() => Some(Token::of_client_id(id)),
        _ => token_of(&mime),
    };
    let text = |source: &Element, tag| source.text_of(tag).map(str::to_owned);
    let source = element.child(t::SOURCE).map(|source| Source {
        item: text(source, t::ITEM_ID),
        long: text(source, t::LONG_ID),
        instance: text(source, t::INSTANCE_ID),
    });
    let forwardees = element.child(t::FORWARDEES).into_iter().flat_map(|all| all.all(t::FORWARDEE));
    let forwardees = forwardees.take(FORWARDEES_MAX).filter_map(|each| {
        let name = each.text_of(t::FORWARDEE_NAME).unwrap_or_default();
        Some((name.to_owned(), each.text_of(t::FORWARDEE_EMAIL)?.to_owned()))
    });
    Ok(Posted {
        forwardees: forwardees.collect(),
        mime,
        save: element.has(t::SAVE_IN_SENT_ITEMS),
        token,
        replace_mime: element.has(t::REPLACE_MIME),
        source,
    })
}

/// Without a name given by the phone: the same octets are the same message, if they tell when
/// it was written.
fn token_of(mime: &[u8]) -> Option<Token> {
    let header = mime.get(..mime::header_len(mime)).unwrap_or_default();
    let dated = mime::header_fields(header).any(|f| f.is("date") || f.is("message-id"));
    dated.then(|| Token::of_message(mime))
}
