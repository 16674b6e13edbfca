//! `/phones`: what people see of their own phones in a browser, and do with them.

use kontor::format::wbxml::tags::{
    air_sync as a, folder_hierarchy as f, ping, provision as p, settings as s,
};

use super::phone::{Phone, el, tx};
use super::{INBOX, held_ping};
use crate::support::http::{Http, Response, basic};
use crate::support::{Account, Server};

/// A browser with somebody's log-in.
struct Browser {
    http: Http,
    authorization: String,
}

impl Browser {
    fn new(server: &Server, account: &Account) -> Self {
        Self { http: Http::plain(server.ports.http), authorization: account.basic() }
    }

    fn get(&mut self, path: &str) -> Response {
        self.http.request("GET", path, &[("Authorization", &self.authorization)], b"")
    }

    /// Sends a form as browsers do, with these headers of theirs.
    fn post(&mut self, path: &str, token: &str, told: &[(&str, &str)]) -> Response {
        let form = "application/x-www-form-urlencoded";
        let mut headers =
            vec![("Authorization", self.authorization.as_str()), ("Content-Type", form)];
        headers.extend(told);
        self.http.request("POST", path, &headers, format!("token={token}").as_bytes())
    }

    fn list(&mut self) -> String {
        let page = self.get("/phones");
        assert_eq!(page.status, 200);
        page.text().to_owned()
    }

    /// The address of a button, as the list has it.
    #[track_caller]
    fn button(&mut self, act: &str) -> String {
        let list = self.list();
        let end = list.find(&format!("/{act}\"")).unwrap_or_else(|| panic!("no {act}: {list}"));
        let start = list[..end].rfind("/phones/").expect("an address");
        format!("{}/{act}", &list[start..end])
    }

    /// Presses a button of the list and answers the question behind it.
    #[track_caller]
    fn does(&mut self, act: &str) {
        let path = self.button(act);
        let token = token(&self.get(&path));
        let told = [("Sec-Fetch-Site", "same-origin"), ("Origin", "http://mail.test.example")];
        let done = self.post(&path, &token, &told);
        assert_eq!(done.status, 303, "{}", done.text());
        assert!(done.header("location").is_some_and(|to| to.starts_with("/phones#")), "{done:?}");
    }
}

#[track_caller]
fn token(page: &Response) -> String {
    let rest = page.text().split_once("name=\"token\" value=\"").expect("a form").1;
    rest.split_once('"').expect("a value").0.to_owned()
}

#[test]
fn a_person_sees_erases_and_removes_phones() {
    let server = Server::shared();
    let account = server.account();
    let mut browser = Browser::new(server, &account);
    assert!(browser.list().contains("No phone connected"));

    let mut phone = Phone::new(server, &account, "OWN1", "14.1");
    let inbox = Phone::folder(&phone.folder_sync("0"), INBOX);
    phone.ask("Settings", Some(&el(s::SETTINGS, vec![Phone::information()])));
    let list = browser.list();
    for told in [
        "Ben&#39;s Lumia",
        "RM-1045",
        "Windows Phone 8.10",
        "+49123456",
        "Connected",
        "a few minutes ago",
    ] {
        assert!(list.contains(told), "{told}: {list}");
    }
    assert!(!list.contains("erase-account"), "a phone of 14.1 cannot");

    // Erased, cancelled, and erased after all: the phone hears each at once.
    let key = phone.sync(&inbox, "0").text(a::SYNC_KEY);
    phone.sync(&inbox, &key);
    held_ping(&mut phone, &inbox);
    browser.does("erase");
    assert_eq!(phone.receive().outer(ping::STATUS), 140);
    assert!(browser.list().contains("To be erased"));
    browser.does("cancel-erasing");
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);
    browser.does("erase");
    let ordered = phone.ask("Provision", Some(&el(p::PROVISION, Vec::new())));
    assert!(ordered.has(p::REMOTE_WIPE), "{ordered:?}");
    assert!(browser.list().contains("Being erased"));
    let done = el(p::PROVISION, vec![el(p::REMOTE_WIPE, vec![tx(p::STATUS, 1)])]);
    phone.ask("Provision", Some(&done));
    assert!(browser.list().contains("has erased everything on it"));
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 129);

    browser.does("remove");
    assert!(browser.list().contains(">Removed<"));
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 129);
    server.cli(&["device", "approve", "OWN1", "--user", &account.email]);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);
}

#[test]
fn an_administrators_wipe_is_the_administrators_to_cancel() {
    let server = Server::shared();
    let account = server.account();
    let mut phone = Phone::new(server, &account, "OWN3", "14.1");
    phone.folder_sync("0");
    let mut browser = Browser::new(server, &account);
    // The person asked first, and could have cancelled.
    browser.does("erase");
    assert!(browser.list().contains("You can still cancel it."));
    let cancel = browser.button("cancel-erasing");
    server.cli(&["device", "wipe", "OWN3", "--user", &account.email]);
    let list = browser.list();
    assert!(list.contains("only an administrator can cancel it"), "{list}");
    assert!(!list.contains("cancel-erasing"), "{list}");
    assert!(!list.contains("class=\"acts\""), "no empty row where its buttons were: {list}");
    // Nor by the address of a button that is not there any more.
    browser.get(&cancel);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 140);
    server.cli(&["device", "cancel-wipe", "OWN3", "--user", &account.email]);
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);
    assert!(browser.list().contains("Connected"));
    // Removing it takes a wipe back as well, and says so.
    server.cli(&["device", "wipe", "OWN3", "--user", &account.email]);
    let removed = server.cli(&["device", "remove", "OWN3", "--user", &account.email]);
    assert!(removed.contains("kontor device wipe OWN3 asks for it again"), "{removed}");
}

#[test]
fn a_phone_of_16_1_erases_one_account() {
    let server = Server::shared();
    let account = server.account();
    let mut phone = Phone::new(server, &account, "OWN2", "16.1");
    phone.folder_sync("0");
    Browser::new(server, &account).does("erase-account");
    let ordered = phone.ask("Provision", Some(&el(p::PROVISION, Vec::new())));
    assert!(ordered.has(p::ACCOUNT_ONLY_REMOTE_WIPE) && !ordered.has(p::REMOTE_WIPE));
}

#[test]
fn a_form_that_another_site_sends_does_nothing() {
    let server = Server::shared();
    let (account, other) = (server.account(), server.account());
    let mut phone = Phone::new(server, &account, "CSRF1", "14.1");
    phone.folder_sync("0");
    let mut browser = Browser::new(server, &account);
    let path = browser.button("remove");
    let right = token(&browser.get(&path));
    for (token, told) in [
        // The log-in goes along by itself; the token does not.
        ("", ("Sec-Fetch-Site", "same-origin")),
        ("AAAA", ("Sec-Fetch-Site", "same-origin")),
        (&right, ("Sec-Fetch-Site", "cross-site")),
        (&right, ("Sec-Fetch-Site", "same-site")),
        (&right, ("Origin", "https://evil.example")),
        (&right, ("Origin", "null")),
    ] {
        assert_eq!(browser.post(&path, token, &[told]).status, 403, "{token} {told:?}");
    }
    // One form's token is no other's.
    let erase = browser.button("erase");
    let again = browser.post(&erase, &right, &[]);
    assert_eq!(again.status, 403);
    assert!(again.text().contains("too old"), "a page from before a restart can be sent again");
    assert!(browser.list().contains("Connected"));

    // Another person, even with the right address, finds nothing there.
    let mut stranger = Browser::new(server, &other);
    assert_eq!(stranger.get(&path).status, 404);
    assert_eq!(stranger.post(&path, &right, &[]).status, 404);
    for path in ["/phones/0/remove", "/phones/x/remove", "/phones/1/approve"] {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
    assert_eq!(phone.folder_sync("0").outer(f::STATUS), 1);

    // A new password ends what was open in a browser.
    let fresh = Account { password: "another-horse-8".into(), ..account.clone() };
    server.cli_with_input(&["user", "passwd", &account.email, "--password-stdin"], &fresh.password);
    assert_eq!(browser.post(&path, &right, &[]).status, 401);
    assert_eq!(Browser::new(server, &fresh).post(&path, &right, &[]).status, 403);
}

#[test]
fn what_a_phone_says_of_itself_is_no_markup() {
    let server = Server::shared();
    let account = server.account();
    let mut phone = Phone::new(server, &account, "%3Cu%3EID", "14.1");
    phone.folder_sync("0");
    let hostile = "<script>alert(1)</script>\"><img src=x onerror='x'>";
    let facts = [s::MODEL, s::FRIENDLY_NAME, s::OS, s::PHONE_NUMBER];
    let facts = facts.into_iter().map(|tag| tx(tag, hostile)).collect();
    let told = el(s::DEVICE_INFORMATION, vec![el(s::SET, facts)]);
    phone.ask("Settings", Some(&el(s::SETTINGS, vec![told])));
    let mut browser = Browser::new(server, &account);
    let question = browser.button("remove");
    for path in ["/phones", &question] {
        let page = browser.get(path);
        let text = page.text();
        assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&gt;&lt;img"), "{text}");
        for markup in ["<script", "<img", "<u>", "onerror='", "style="] {
            assert!(!text.contains(markup), "{markup}: {text}");
        }
        let policy = page.header("content-security-policy").expect("a policy");
        for part in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        assert_eq!(page.header("cache-control"), Some("no-store"));
        // "no-referrer" would have browsers send `Origin: null` with our own forms.
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    }
}

#[test]
fn only_the_right_password_over_a_safe_way_opens_the_page() {
    let server = Server::setup().everywhere().start();
    let account = server.account();
    let mut http = Http::plain(server.ports.http);
    let asked = http.get("/phones");
    assert_eq!(asked.status, 401);
    assert!(asked.header("www-authenticate").is_some_and(|how| how.starts_with("Basic ")));
    let wrong = basic(&account.email, "wrong");
    assert_eq!(http.request("GET", "/phones", &[("Authorization", &wrong)], b"").status, 401);
    let right = account.basic();
    let right = [("Authorization", right.as_str())];
    assert_eq!(http.request("GET", "/phones", &right, b"").status, 200);
    assert_eq!(Http::tls(server.ports.https).request("GET", "/phones", &right, b"").status, 200);

    let Some(address) = crate::support::net::other_address() else {
        eprintln!("skipped in part: this machine has no address but loopback");
        return;
    };
    let mut http = Http::plain((address, server.ports.http.port()).into());
    for method in ["GET", "POST"] {
        let path = if method == "GET" { "/phones" } else { "/phones/1/remove" };
        let refused = http.request(method, path, &right, b"");
        assert_eq!(refused.status, 403);
        assert!(refused.text().contains("https://"));
    }
    let mut https = Http::tls((address, server.ports.https.port()).into());
    assert_eq!(https.request("GET", "/phones", &right, b"").status, 200);
}

#[test]
fn an_administrator_sees_own_phones_only() {
    let server = Server::start_new();
    server.cli(&["policy", "access", "default", "quarantine"]);
    let account = server.account();
    let mut phone = Phone::new(&server, &account, "OTHERS1", "14.1");
    phone.folder_sync("0");
    let mut browser = Browser::new(&server, &account);
    assert!(browser.list().contains("Waiting for approval"));
    let path = browser.button("remove");
    let admin = Account { email: "admin@test.example".into(), ..account };
    let mut admin = Browser::new(&server, &admin);
    assert!(admin.list().contains("No phone connected"));
    assert_eq!(admin.get(&path).status, 404);
    // The page at / leads there.
    assert!(admin.get("/").text().contains("href=\"/phones\""));
}
