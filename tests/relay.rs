//! Phones that come through a proxy in front of the web's port: whose word on them is taken.

use std::time::Duration;

use crate::support::http::{Http, basic};
use crate::support::{PATIENCE, Server};

const PATH: &str = "/Microsoft-Server-ActiveSync";

/// As long as a throttled log-in is at least silent, and an admitted one never.
const SHORT: Duration = Duration::from_millis(700);

/// One guess at a time from an address, and the next ten seconds later.
fn strict(proxies: &str) -> Server {
    Server::setup()
        .env("KONTOR_LIMITS_LOGIN_ATTEMPTS", 3)
        .env("KONTOR_TRUSTED_PROXIES", proxies)
        .start()
}

/// Asks with this log-in in the name of `clients`; what is answered, if anything soon.
fn ask(server: &Server, login: &str, clients: &[&str], within: Duration) -> Option<u16> {
    let mut headers = vec![("Authorization", login), ("X-Forwarded-Proto", "https")];
    headers.extend(clients.iter().map(|client| ("X-Forwarded-For", *client)));
    let mut http = Http::plain(server.ports.http);
    http.send("OPTIONS", PATH, &headers, b"");
    Some(http.try_answer("OPTIONS", within).ok()?.status)
}

/// Guesses for a name of its own.
fn guess(server: &Server, name: &str, clients: &[&str], within: Duration) -> Option<u16> {
    ask(server, &basic(&format!("{name}@test.example"), "guess"), clients, within)
}

/// Who guesses behind the relay slows only himself, whatever he claims to be.
#[test]
fn guesses_through_a_proxy_count_for_the_client_that_made_them() {
    let server = strict("127.0.0.1, 10.7.0.0/16");
    assert_eq!(guess(&server, "a", &["203.0.113.1"], PATIENCE), Some(401));
    assert_eq!(guess(&server, "b", &["203.0.113.1"], SHORT), None);
    // What he sends himself stands to the left of what the proxy adds, or in a field before it.
    assert_eq!(guess(&server, "c", &["192.0.2.77, 203.0.113.1"], SHORT), None);
    assert_eq!(guess(&server, "d", &["192.0.2.78", "203.0.113.1"], SHORT), None);
    assert_eq!(guess(&server, "e", &["127.0.0.1, 203.0.113.1, 10.7.1.2"], SHORT), None);
    // Everybody else behind the same proxy is let in at once.
    let anna = server.account();
    assert_eq!(ask(&server, &anna.basic(), &["203.0.113.2"], PATIENCE), Some(200));
    assert_eq!(ask(&server, &anna.basic(), &["203.0.113.3, 10.7.1.2"], PATIENCE), Some(200));
}

/// Without the setting the field is what a stranger writes into it.
#[test]
fn nobody_names_clients_unless_the_office_says_so() {
    for proxies in ["", "192.0.2.1"] {
        let server = strict(proxies);
        assert_eq!(guess(&server, "a", &["203.0.113.1"], PATIENCE), Some(401));
        assert_eq!(guess(&server, "b", &["203.0.113.2"], SHORT), None, "{proxies:?}");
    }
}

/// A proxy's client is judged as if it had come itself: a password needs TLS, at least at the
/// proxy, and the figures are for this machine.
#[test]
fn a_client_behind_a_proxy_is_not_on_this_machine() {
    let server = Server::setup().env("KONTOR_TRUSTED_PROXIES", "127.0.0.1").start();
    let login = server.account().basic();
    let mut http = Http::plain(server.ports.http);
    let mut status = |path: &str, more: &[(&str, &str)]| {
        let headers = [&[("Authorization", login.as_str())], more].concat();
        http.request("GET", path, &headers, b"").status
    };
    let client = ("X-Forwarded-For", "203.0.113.1");
    assert_eq!(status(PATH, &[client]), 403);
    assert_eq!(status(PATH, &[client, ("X-Forwarded-Proto", "http")]), 403);
    assert_eq!(status(PATH, &[client, ("X-Forwarded-Proto", "https")]), 200);
    assert_eq!(status("/metrics", &[client]), 404);
    // The proxy's own machine, without a proxy.
    assert_eq!(status(PATH, &[]), 200);
    assert_eq!(status("/metrics", &[]), 200);
}
