//! Plays the steps of a phone that is given an address, against the live names, and says what
//! is missing (`kontor check autodiscover`).
//!
//! The order is that of Windows Phone and Outlook, which iOS and Android follow as far as they
//! go: the domain itself, `autodiscover.` before it, the redirect without TLS, the service
//! record; then the newer JSON form, and ActiveSync itself.

mod ask;

use std::path::PathBuf;

use axum::http::{Method, StatusCode, Uri, header};
use serde::Serialize;

use self::ask::{Answer, Asker, Trouble};
pub use self::ask::{BadOverride, Override};
use super::{ACTIVE_SYNC, AUTODISCOVER, pox, xml};
use crate::base::address::EmailAddress;
use crate::base::secret::Secret;
use crate::net::client::Untrusted;

/// Redirects that are followed from one step.
const HOPS: usize = 3;

/// What is checked, and how.
pub struct Question {
    pub email: EmailAddress,
    /// Without one, the check ends where the log-in is asked for.
    pub password: Option<Secret>,
    /// The server's name, for advice, where it is known.
    pub hostname: Option<String>,
    /// Where names lead instead of asking the DNS; other names then do not exist.
    pub overrides: Vec<Override>,
    /// PEM file with further certificates to trust.
    pub trust: Option<PathBuf>,
}

/// How one step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// Nothing is there.
    Missing,
    /// Something is there and does not serve.
    Wrong,
    /// Not there or wrong, and nobody misses it, because another step leads to the goal.
    Unneeded,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub step: String,
    pub state: State,
    pub detail: String,
    /// What to do about it.
    pub advice: Option<String>,
}

/// The steps, and whether a phone gets there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub email: String,
    pub works: bool,
    pub steps: Vec<Step>,
}

/// Runs the check. Fails only where it cannot begin.
pub async fn run(question: Question) -> std::io::Result<Report> {
    let asker = Asker::new(&question)?;
    let email = question.email.to_string();
    let mut check = Check {
        domain: question.email.domain().to_owned(),
        host: question.hostname.clone().unwrap_or_else(|| "YOUR-SERVER".into()),
        question,
        asker,
        steps: Vec::new(),
        found: None,
    };
    check.well_known_places().await;
    check.redirect().await;
    check.service_record().await;
    check.forgive();
    check.json().await;
    let works = check.active_sync().await && check.found.is_some();
    check.say_once();
    Ok(Report { email, works, steps: check.steps })
}

/// A step that failed: state, detail, advice.
struct Failed(State, String, Option<String>);

/// Where Autodiscover answered.
struct Place {
    host: String,
    /// The URL of ActiveSync, if it was told.
    active_sync: Option<String>,
}

struct Check {
    question: Question,
    domain: String,
    /// The server's name as far as it is known, for advice.
    host: String,
    asker: Asker,
    steps: Vec<Step>,
    found: Option<Place>,
}

impl Check {
    fn note(&mut self, step: String, result: Result<String, Failed>) {
        let (state, detail, advice) = match result {
            Ok(detail) => (State::Ok, detail, None),
            Err(Failed(state, detail, advice)) => (state, detail, advice),
        };
        self.steps.push(Step { step, state, detail, advice });
    }

    /// The two places that every phone tries.
    async fn well_known_places(&mut self) {
        for host in [self.domain.clone(), format!("autodiscover.{}", self.domain)] {
            let url = format!("https://{host}{AUTODISCOVER}");
            let result =
                self.autodiscover(&url).await.map_err(|failed| match self.is_ours(&host) {
                    true => failed,
                    false => Failed(State::Unneeded, failed.1, None),
                });
            self.note(format!("POST {url}"), result);
        }
    }

    /// The way from http to https, which needs no certificate for the name.
    async fn redirect(&mut self) {
        let url = format!("http://autodiscover.{}{AUTODISCOVER}", self.domain);
        let result = match self.asker.ask(Method::GET, &url, None, "").await {
            Ok(answer) => match answer.redirect() {
                Some(target) => {
                    let there = self.autodiscover(&target).await;
                    there.map(|detail| format!("leads to {target}; {detail}"))
                }
                None => Err(Failed(
                    State::Wrong,
                    format!("answers {} and no redirect", answer.status.as_u16()),
                    Some(format!("let port 80 of autodiscover.{} lead to Kontor", self.domain)),
                )),
            },
            Err(trouble) => Err(self.explain(&trouble, &url)),
        };
        self.note(format!("GET {url}"), result);
    }

    async fn service_record(&mut self) {
        let name = format!("_autodiscover._tcp.{}", self.domain);
        let result = match self.asker.services(&name).await {
            Err(trouble) => Err(self.explain(&trouble, "")),
            Ok(services) => match services.into_iter().next() {
                // Advised with the name that it stands in for.
                None => Err(Failed(State::Missing, "no such record".into(), None)),
                Some((host, port)) => {
                    let at = if port == 443 { host } else { format!("{host}:{port}") };
                    let url = format!("https://{at}{AUTODISCOVER}");
                    self.autodiscover(&url).await.map(|detail| format!("leads to {at}; {detail}"))
                }
            },
        };
        self.note(format!("SRV {name}"), result);
    }

    /// Once one way leads to the goal, the others are not needed.
    fn forgive(&mut self) {
        if self.found.is_some() {
            for step in self.steps.iter_mut().filter(|step| step.state != State::Ok) {
                (step.state, step.advice) = (State::Unneeded, None);
            }
        }
    }

    /// One missing record fails several steps.
    fn say_once(&mut self) {
        let mut said = Vec::new();
        for step in &mut self.steps {
            match step.advice.take() {
                Some(advice) if !said.contains(&advice) => {
                    said.push(advice.clone());
                    step.advice = Some(advice);
                }
                _ => {}
            }
        }
    }

    /// The newer form, which some programs ask first (without a log-in).
    async fn json(&mut self) {
        let host = match &self.found {
            Some(place) => place.host.clone(),
            None => format!("autodiscover.{}", self.domain),
        };
        let email = &self.question.email;
        let url = format!(
            "https://{host}/autodiscover/autodiscover.json?Email={}&Protocol=ActiveSync",
            query_value(&email.to_string())
        );
        let result = match self.asker.ask(Method::GET, &url, None, "").await {
            Err(trouble) => Err(self.explain(&trouble, &url)),
            Ok(Answer { untrusted: Some(untrusted), .. }) => {
                Err(self.distrust(&untrusted, &host_of(&url)))
            }
            Ok(answer) => match told_url(&answer) {
                Some(told) => {
                    if let Some(place) = &mut self.found {
                        place.active_sync.get_or_insert(told.clone());
                    }
                    Ok(format!("tells {told}"))
                }
                None => Err(Failed(
                    State::Missing,
                    format!("answers {}", answer.status.as_u16()),
                    Some("let the name lead to Kontor; some newer phones ask here first".into()),
                )),
            },
        };
        self.note(format!("GET {url}"), result);
    }

    /// The goal.
    async fn active_sync(&mut self) -> bool {
        let told = self.found.as_ref().and_then(|place| place.active_sync.clone());
        let host = self.found.as_ref().map(|place| place.host.clone());
        let host = host.or_else(|| self.question.hostname.clone());
        let Some(url) = told.or_else(|| host.map(|host| format!("https://{host}{ACTIVE_SYNC}")))
        else {
            return false;
        };
        let answer = self.ask_logged_in(Method::OPTIONS, &url, "").await;
        let rsa = answer.as_ref().is_ok_and(|answer| answer.rsa);
        let result = match answer {
            Err(trouble) => Err(self.explain(&trouble, &url)),
            Ok(answer) => self.judge_active_sync(&answer, &url),
        };
        let works = result.is_ok();
        self.note(format!("OPTIONS {url}"), result);
        if let Some(step) = self.steps.last_mut().filter(|_| works && rsa) {
            // All that it has in common with us of TLS 1.2 is ECDSA with AES-GCM.
            step.advice = Some(
                "the certificate has an RSA key: Windows Phone 8.1 needs one with a key of an \
                 elliptic curve (ECDSA)"
                    .into(),
            );
        }
        works
    }

    fn judge_active_sync(&self, answer: &Answer, url: &str) -> Result<String, Failed> {
        if let Some(untrusted) = &answer.untrusted {
            return Err(self.distrust(untrusted, &host_of(url)));
        }
        let versions = answer.headers.get("ms-asprotocolversions");
        match (answer.status, versions.and_then(|value| value.to_str().ok())) {
            (StatusCode::UNAUTHORIZED, _) => self.asked_for_log_in(answer),
            (StatusCode::OK, Some(versions)) => Ok(format!("speaks ActiveSync {versions}")),
            (status, _) => Err(Failed(
                State::Wrong,
                format!("answers {}, which is no ActiveSync", status.as_u16()),
                Some(format!("let port 443 of {} lead to Kontor", host_of(url))),
            )),
        }
    }

    /// Posts what phones post, follows redirects, and notes the place if it is one.
    async fn autodiscover(&mut self, url: &str) -> Result<String, Failed> {
        let mut url = url.to_owned();
        let body = pox::question(&self.question.email.to_string());
        for _ in 0..HOPS {
            let answer = match self.ask_logged_in(Method::POST, &url, &body).await {
                Ok(answer) => answer,
                Err(trouble) => return Err(self.explain(&trouble, &url)),
            };
            if let Some(untrusted) = &answer.untrusted {
                return Err(self.distrust(untrusted, &host_of(&url)));
            }
            if let Some(target) = answer.redirect() {
                url = target;
                continue;
            }
            let (detail, active_sync) = self.judge_autodiscover(&answer, &url)?;
            if self.found.is_none() {
                self.found = Some(Place { host: authority_of(&url), active_sync });
            }
            return Ok(detail);
        }
        let advice = format!("let port 443 of {} lead to Kontor", host_of(&url));
        let detail = "leads from one place to another without end".into();
        Err(Failed(State::Wrong, detail, Some(advice)))
    }

    fn judge_autodiscover(
        &self,
        answer: &Answer,
        asked: &str,
    ) -> Result<(String, Option<String>), Failed> {
        if answer.status == StatusCode::UNAUTHORIZED {
            return Ok((self.asked_for_log_in(answer)?, None));
        }
        let (mut url, mut trouble, mut root) = (None, None, false);
        let read = xml::texts(&answer.body, |path, text| {
            root |= path.first().is_some_and(|name| name == "Autodiscover");
            match path.last().map(String::as_str) {
                Some("Url") => url = Some(text.to_owned()),
                Some("Message" | "ErrorCode") => trouble = Some(text.to_owned()),
                _ => {}
            }
        });
        match (answer.status, read, root, url, trouble) {
            (StatusCode::OK, Ok(()), true, Some(url), _) => Ok((format!("tells {url}"), Some(url))),
            (StatusCode::OK, Ok(()), true, None, trouble) => Err(Failed(
                State::Wrong,
                format!("tells an error: {}", trouble.unwrap_or_else(|| "no URL".into())),
                Some(format!("see whether {} is an account here", self.question.email)),
            )),
            (status, ..) => Err(Failed(
                State::Missing,
                format!("answers {}, which is no Autodiscover", status.as_u16()),
                Some(format!("let the name lead to {}", self.host))
                    .filter(|_| self.is_ours(&host_of(asked))),
            )),
        }
    }

    /// A 401 is a good sign without a password, and a bad one with it.
    fn asked_for_log_in(&self, answer: &Answer) -> Result<String, Failed> {
        let challenges = answer.headers.get_all(header::WWW_AUTHENTICATE).iter();
        let basic = challenges
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic")));
        match (basic, &self.question.password) {
            (true, None) => Ok("asks for the log-in".into()),
            (true, Some(_)) => Err(Failed(
                State::Wrong,
                "does not take the log-in".into(),
                Some(
                    "see whether the password is right, and whether there is such an account and \
                     it is enabled (kontor user list)"
                        .into(),
                ),
            )),
            (false, _) => Err(Failed(
                State::Wrong,
                "asks for a log-in that phones do not have (no Basic)".into(),
                Some("let requests reach Kontor unchanged".into()),
            )),
        }
    }

    /// Asks without a log-in first, as phones do; a password goes only to whom it may.
    async fn ask_logged_in(
        &self,
        method: Method,
        url: &str,
        body: &str,
    ) -> Result<Answer, Trouble> {
        let first = self.asker.ask(method.clone(), url, None, body).await?;
        match &self.question.password {
            Some(password)
                if first.status == StatusCode::UNAUTHORIZED && first.untrusted.is_none() =>
            {
                let log_in = Some((&self.question.email, password));
                self.asker.ask(method, url, log_in, body).await
            }
            _ => Ok(first),
        }
    }

    fn explain(&self, trouble: &Trouble, url: &str) -> Failed {
        let (state, advice) = match trouble {
            Trouble::NoName { host } => (State::Missing, Some(self.wanted_record(host))),
            Trouble::Unreachable { port, .. } => (
                State::Wrong,
                Some(format!("let port {port} through to the server, and see whether it runs")),
            ),
            Trouble::Handshake { host, .. } => {
                (State::Wrong, Some(format!("let port 443 of {host} lead to Kontor")))
            }
            Trouble::Dns(_) => (
                State::Wrong,
                Some("see whether this machine's name servers (/etc/resolv.conf) answer".into()),
            ),
            Trouble::Lost(_) | Trouble::BadUrl(_) => (State::Wrong, None),
        };
        Failed(state, trouble.to_string(), advice.filter(|_| self.is_ours(&host_of(url))))
    }

    /// What to add to the DNS where a name is missing.
    fn wanted_record(&self, host: &str) -> String {
        match host.strip_prefix("autodiscover.") {
            Some(domain) => format!(
                "add the record {host}. CNAME {server}., or where the certificate lacks that \
                 name, _autodiscover._tcp.{domain}. SRV 0 0 443 {server}.",
                server = self.host
            ),
            None => format!("add a record {host}. A with the server's address"),
        }
    }

    /// The domain itself often leads to a web site elsewhere, which may well stay there.
    fn is_ours(&self, host: &str) -> bool {
        host != self.domain || self.question.hostname.as_deref() == Some(host)
    }

    fn distrust(&self, untrusted: &Untrusted, host: &str) -> Failed {
        let advice = match untrusted {
            Untrusted::WrongName(_) if host.starts_with("autodiscover.") => format!(
                "get a certificate that has {host} too (tls.certificate), or take the name out of \
                 the DNS and add _autodiscover._tcp.{}. SRV 0 0 443 {}.",
                self.domain, self.host
            ),
            Untrusted::WrongName(_) => {
                format!("get a certificate that has {host} (tls.certificate, tls.key)")
            }
            Untrusted::UnknownIssuer => "get a certificate from an authority (tls.certificate, \
                                         tls.key); phones refuse others or ask"
                .into(),
            Untrusted::Expired => "renew the certificate".into(),
            Untrusted::Other(_) => "get another certificate (tls.certificate, tls.key)".into(),
        };
        let advice = Some(advice).filter(|_| self.is_ours(host));
        Failed(State::Wrong, untrusted.to_string(), advice)
    }
}

fn told_url(answer: &Answer) -> Option<String> {
    if answer.status != StatusCode::OK || answer.untrusted.is_some() {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    Some(value.get("Url")?.as_str()?.to_owned())
}

fn host_of(url: &str) -> String {
    url.parse::<Uri>().ok().and_then(|uri| Some(uri.host()?.to_owned())).unwrap_or_default()
}

fn authority_of(url: &str) -> String {
    let uri = url.parse::<Uri>().ok();
    uri.and_then(|uri| Some(uri.authority()?.to_string())).unwrap_or_default()
}

/// A text as it may stand in a query.
fn query_value(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    text.bytes().fold(String::new(), |out, byte| match plain(byte) {
        true => out + char::from(byte).encode_utf8(&mut [0; 4]),
        false => out + &format!("%{byte:02X}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_urls() {
        assert_eq!(host_of("https://a.example:8443/x"), "a.example");
        assert_eq!(authority_of("https://a.example:8443/x"), "a.example:8443");
        assert_eq!(query_value("a+b@ä.example"), "a%2Bb@%C3%A4.example");
    }
}
