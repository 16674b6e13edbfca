//! Whom an account writes to: the recipient information cache, which phones offer while an
//! address is typed. Kept as cards of a collection of its own, one for each address.

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::domain::{Result, collection, contact, item, quota};
use crate::format::vcard::{Card, Field};
use crate::store::rows::collection::CollectionKind;
use crate::store::{Read, Tx};

/// Addresses that are remembered; the longest known goes first.
const KEPT: u32 = 500;
/// Addresses that one message adds at most.
const PER_MESSAGE: usize = 50;

/// Somebody a message was sent to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Correspondent {
    pub address: String,
    /// As the message names them; may be empty.
    pub name: String,
}

/// Notes that an account has written to these people. It never keeps a message from being sent:
/// without room nothing is noted.
pub fn note(tx: &mut Tx<'_>, account: AccountId, people: &[Correspondent]) -> Result<()> {
    let Ok(cache) = collection::default(tx, account, CollectionKind::Recipients) else {
        return Ok(());
    };
    for person in people.iter().take(PER_MESSAGE) {
        let Ok(address) = EmailAddress::parse_mailbox(&person.address) else { continue };
        let uid = address.canonical();
        let known = item::with_uid(tx, account, CollectionKind::Recipients, &uid)?;
        match known.first() {
            Some((of, place)) => {
                let Ok(mut card) = Card::parse(&item::text(tx, *of, *place)?) else { continue };
                raise(&mut card, person);
                let text = contact::text(&card);
                if quota::usage(tx, account)?.fits(text.text.len() as u64) {
                    item::change(tx, *of, *place, text)?;
                }
            }
            None => {
                let mut card = Card::new(&uid);
                card.set(Field::Email1Address, Some(&uid));
                raise(&mut card, person);
                let text = contact::text(&card);
                if quota::usage(tx, account)?.fits(text.text.len() as u64) {
                    item::add(tx, cache.id, text)?;
                }
            }
        }
    }
    let full = collection::require(tx, cache.id)?.items > KEPT;
    if full && let Some(oldest) = tx.items(cache.id)?.first().map(|item| item.uid) {
        item::remove(tx, cache.id, oldest)?;
    }
    Ok(())
}

/// One message more (MS-ASCNTC 2.2.2.64).
fn raise(card: &mut Card, person: &Correspondent) {
    let rank = card.get(Field::WeightedRank).and_then(|rank| rank.parse::<u32>().ok());
    card.set(Field::WeightedRank, Some(&rank.unwrap_or(0).saturating_add(1).to_string()));
    let named = !person.name.is_empty() && person.name != person.address;
    let name = if named { &person.name } else { &person.address };
    if named || card.get(Field::FileAs).is_none() {
        card.set(Field::FileAs, Some(name));
        card.set(Field::Alias, Some(name));
    }
}
