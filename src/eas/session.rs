//! One request of a device that was let in.

use std::sync::Arc;

use axum::http::HeaderMap;
use bytes::Bytes;
use jiff::tz::TimeZone;

use crate::base::clock::UnixTime;
use crate::domain::calendar;
use crate::domain::device::Device;
use crate::domain::policy::Bounds;
use crate::eas::Front;
use crate::eas::answer::{Failure, common};
use crate::eas::render::{Options, Owner, View};
use crate::eas::request::Query;
use crate::eas::version::Version;
use crate::format::wbxml::{self, Element};
use crate::store::rows::account::Account;
use crate::store::{self, Snapshot, Store, Tx};

/// Who asks, with which device, in which version, and what was sent.
pub struct Session {
    pub front: Arc<Front>,
    pub account: Account,
    /// As the gate found it; its row may change meanwhile.
    pub device: Device,
    /// It waits for an administrator's approval: `quarantine` answers it.
    pub quarantined: bool,
    pub query: Query,
    pub version: Version,
    /// `X-MS-PolicyKey`, or the one of a base64 query.
    pub policy_key: Option<u32>,
    pub user_agent: String,
    /// `Content-Type`, without parameters: mail before 14.0 is `message/rfc822`.
    pub content_type: String,
    /// Whether the phone takes answers in several parts.
    pub accepts_multipart: bool,
    pub body: Bytes,
    pub owner: Owner,
    /// Of times that name none: the account's, else the office's.
    pub zone: TimeZone,
    /// What its policy bounds; the gate sets it.
    pub bounds: Bounds,
    /// When it arrived, among all requests.
    pub order: u64,
}

impl Session {
    pub fn new(
        front: Arc<Front>,
        account: Account,
        query: Query,
        version: Version,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Session {
        let text = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().trim().to_owned()
        };
        let content_type = text("content-type");
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        Session {
            policy_key: query.policy_key.or_else(|| text("x-ms-policykey").parse().ok()),
            user_agent: text("user-agent").chars().take(200).collect(),
            content_type: content_type.to_ascii_lowercase(),
            accepts_multipart: query.accept_multipart
                || text("ms-asacceptmultipart").eq_ignore_ascii_case("t"),
            zone: calendar::own_zone(&account).unwrap_or_else(|| front.settings.zone.clone()),
            owner: Owner { address: account.address.clone(), name: account.display_name.clone() },
            device: Device::default(),
            order: front.orders.next(),
            quarantined: false,
            bounds: Bounds::default(),
            front,
            account,
            query,
            version,
            body,
        }
    }

    pub fn store(&self) -> &Store {
        &self.front.store
    }

    /// A view of the data for a moment: never keep it while waiting.
    pub fn read(&self) -> Snapshot {
        self.front.store.read()
    }

    pub fn now(&self) -> UnixTime {
        self.front.store.clock().now()
    }

    /// Runs a domain operation in one transaction.
    pub async fn write<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<store::Error> + Send + 'static,
    {
        self.front.store.write(operation).await
    }

    /// Lets go of what was sent, once it is read: it is a piece of the connection's buffer.
    pub fn forget_body(&mut self) {
        self.body = Bytes::new();
    }

    /// The request's WBXML; `None` for an empty body.
    pub fn element(&self) -> Result<Option<Element>, Failure> {
        if self.body.is_empty() {
            return Ok(None);
        }
        Ok(Some(wbxml::decode(&self.body)?))
    }

    /// The request's WBXML, which this command cannot do without.
    pub fn required_element(&self) -> Result<Element, Failure> {
        self.element()?.ok_or(Failure::Common(common::INVALID_CONTENT))
    }

    pub fn view<'a>(&'a self, options: &'a Options) -> View<'a> {
        View {
            version: self.version,
            options,
            zone: &self.zone,
            owner: &self.owner,
            now: self.now(),
            bounds: self.bounds,
            trips_over_empty: self.query.device_type.eq_ignore_ascii_case("TbSync"),
        }
    }
}
