//! CATENATE: a message made of literals and pieces of stored messages. RFC 4469.

use crate::base::id::Uid;
use crate::domain::mailbox;
use crate::format::mime::{Part, RecordView, Span};
use crate::imap::codec::types::{
    CatenatePart, Code, ImapUrl, MessageUrl, PayloadData, Reply, Section, SectionText,
};
use crate::imap::failure::{Failure, Result};
use crate::imap::session::{Diverted, Session};
use crate::store::Read;

/// Joins the parts; their sum is bounded as any message is.
pub(super) async fn join(session: &mut Session, parts: Vec<CatenatePart>) -> Result<Vec<u8>> {
    let limit = session.front.settings.limits.message_size;
    let mut out = Vec::new();
    for part in parts {
        match part {
            CatenatePart::Text(payload) => match payload.data {
                PayloadData::Inline(bytes) => out.extend_from_slice(&bytes),
                PayloadData::Diverted { index, .. } => {
                    let Some(Diverted::Here(at)) = session.diverted.get(index) else {
                        return Err(Reply::no("A part did not come whole").into());
                    };
                    session.store().read().read_body(at, 0, at.len, &mut out)?;
                }
            },
            CatenatePart::Url(url) => put_url(session, &url, limit, &mut out)?,
        }
        if out.len() as u64 > limit {
            return Err(Reply::no("The message is too large").with(Code::TooBig).into());
        }
        tokio::task::yield_now().await;
    }
    Ok(out)
}

fn put_url(session: &Session, url: &ImapUrl, limit: u64, out: &mut Vec<u8>) -> Result<()> {
    let bad =
        || Failure::from(Reply::no("The URL leads nowhere").with(Code::BadUrl(url.text.clone())));
    let target = url.target.as_ref().ok_or_else(bad)?;
    let snapshot = session.store().read();
    let mailbox = match &target.mailbox {
        Some(name) => {
            mailbox::find(&snapshot, session.account()?.id, name.as_str()).map_err(|_| bad())?
        }
        None => session.view().map_err(|_| bad())?.table.mailbox.clone(),
    };
    let valid = target.uid_validity.is_none_or(|v| v.get() == mailbox.uid_validity);
    let place = snapshot.place(mailbox.id, Uid(target.uid.get()))?.filter(|_| valid);
    let place = place.ok_or_else(bad)?;
    if place.size > limit {
        return Err(Reply::no("The message is too large").with(Code::TooBig).into());
    }
    let record = snapshot.content(place.content)?.ok_or_else(bad)?;
    let body = snapshot.body_row(place.content)?.ok_or_else(bad)?;
    let view = RecordView::parse(&record).map_err(|_| bad())?;
    let piece = snapshot.with_body(&body.at, |raw| piece(target, &view, raw))?;
    out.extend_from_slice(&piece.ok_or_else(bad)?);
    Ok(())
}

/// The octets that a URL names; `None` if the message has no such part.
fn piece(target: &MessageUrl, view: &RecordView<'_>, raw: &[u8]) -> Option<Vec<u8>> {
    let Section { part, text } = &target.section;
    let header = Span { start: 0, end: view.header_len() as usize };
    let mut octets = match (part.is_root(), text) {
        (true, SectionText::All) => [view.prefix(), raw].concat(),
        (true, SectionText::Text) => raw.get(header.end..)?.to_vec(),
        (true, _) => [view.prefix(), header.of(raw)].concat(),
        (false, text) => {
            let found = match view.parts_need_raw() {
                true => Part::find_in_raw(raw, part.numbers())?,
                false => view.part(part.numbers())?,
            };
            let span = match text {
                SectionText::All => found.body,
                SectionText::Mime => found.mime,
                SectionText::Text => found.message?.1,
                _ => found.message?.0,
            };
            span.of(raw).to_vec()
        }
    };
    if let Some(partial) = target.partial {
        let told = partial.of(octets.len() as u64);
        octets = octets.get(told.start as usize..told.end as usize)?.to_vec();
    }
    Some(octets)
}
