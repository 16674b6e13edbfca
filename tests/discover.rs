//! How clients find the server: Autodiscover as phones and Outlook play it, autoconfig, and
//! `kontor check autodiscover`.

use crate::support::http::{Http, basic};
use crate::support::server::{HOSTNAME, PASSWORD};
use crate::support::{Account, Server};

const MOBILE_SYNC: &str = "mobilesync/responseschema/2006";
const OUTLOOK: &str = "outlook/responseschema/2006a";

/// A request for an answer of this schema.
fn question(email: &str, schema: &str) -> String {
    let kind = schema.split('/').next().unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover \
         xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/{kind}/requestschema/2006\">\
         <Request><EMailAddress>{email}</EMailAddress><AcceptableResponseSchema>\
         http://schemas.microsoft.com/exchange/autodiscover/{schema}</AcceptableResponseSchema>\
         </Request></Autodiscover>"
    )
}

/// What a phone posts, with a log-in. The answer's body.
fn ask(server: &Server, login: &str, body: &str) -> String {
    let mut http = Http::tls(server.ports.https);
    let authorization = basic(login, PASSWORD);
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "text/xml")];
    let answer = http.request("POST", "/autodiscover/autodiscover.xml", &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/xml; charset=utf-8"));
    check_schema(answer.text());
    answer.text().to_owned()
}

/// Against Microsoft's schemas, where they and xmllint are there; Outlook's has none.
fn check_schema(answer: &str) {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/eas-xsd");
    if !dir.is_dir() || answer.contains(OUTLOOK) || !crate::support::program::installed("xmllint") {
        return;
    }
    let own = tempfile::tempdir().expect("a directory");
    let (schema, document) = (own.path().join("all.xsd"), own.path().join("answer.xml"));
    // The outer schema names the inner one without saying where it is.
    let outer = std::fs::read_to_string(dir.join("AutodiscoverResponse.xsd")).expect("a schema");
    let import = format!(
        "<xs:import namespace=\"http://schemas.microsoft.com/exchange/autodiscover/{MOBILE_SYNC}\" \
         schemaLocation=\"{}\"/><xs:element name=\"Autodiscover\">",
        dir.join("AutodiscoverMobileSync.xsd").display()
    );
    let outer = outer.replacen("<xs:element name=\"Autodiscover\">", &import, 1);
    std::fs::write(&schema, outer).expect("our directory");
    std::fs::write(&document, answer).expect("our directory");
    let mut command = std::process::Command::new("xmllint");
    command.arg("--noout").arg("--schema").arg(schema).arg(document);
    crate::support::program::succeed(&mut command, crate::support::PATIENCE);
}

#[test]
fn a_phone_is_sent_to_activesync() {
    let server = Server::shared();
    let anna = server.account();
    let answer = ask(server, &anna.email, &question(&anna.email, MOBILE_SYNC));
    let url = format!("https://{HOSTNAME}/Microsoft-Server-ActiveSync");
    let wanted = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"http://schemas.microsoft\
         .com/exchange/autodiscover/responseschema/2006\"><Response xmlns=\"http://schemas.microsoft\
         .com/exchange/autodiscover/{MOBILE_SYNC}\"><Culture>en:en</Culture><User><DisplayName>Test \
         Person</DisplayName><EMailAddress>{}</EMailAddress></User><Action><Settings><Server>\
         <Type>MobileSync</Type><Url>{url}</Url><Name>{url}</Name></Server></Settings></Action>\
         </Response></Autodiscover>",
        anna.email
    );
    assert_eq!(answer, wanted);
}

#[test]
fn a_log_in_is_an_address_a_bare_name_or_one_behind_a_windows_domain() {
    let server = Server::shared();
    let anna = server.account();
    let bare = anna.email.split('@').next().unwrap_or_default();
    let logins =
        [bare.to_owned(), format!("TEST\\{bare}"), format!("\\{bare}"), anna.email.to_uppercase()];
    for login in logins {
        let answer = ask(server, &login, &question(&anna.email, MOBILE_SYNC));
        assert!(answer.contains("<Type>MobileSync</Type>"), "{login}: {answer}");
    }
}

#[test]
fn the_log_in_is_asked_for_and_the_connection_stays() {
    let server = Server::shared();
    let anna = server.account();
    let body = question(&anna.email, MOBILE_SYNC);
    let mut http = Http::tls(server.ports.https);
    let path = "/AutoDiscover/AutoDiscover.xml";
    let first = http.request("POST", path, &[("Content-Type", "text/xml")], body.as_bytes());
    assert_eq!(first.status, 401);
    assert_eq!(first.header("www-authenticate"), Some("Basic realm=\"Kontor\", charset=\"UTF-8\""));
    let wrong = basic(&anna.email, "something else");
    let wrong = http.request("POST", path, &[("Authorization", &wrong)], body.as_bytes());
    assert_eq!(wrong.status, 401);
    let right = http.request("POST", path, &[("Authorization", &anna.basic())], body.as_bytes());
    assert_eq!(right.status, 200);
}

#[test]
fn outlook_is_told_of_imap_and_smtp() {
    let server = Server::shared();
    let anna = server.account();
    let answer = ask(server, &anna.email, &question(&anna.email, OUTLOOK));
    for (kind, port) in [("IMAP", server.ports.imaps), ("SMTP", server.ports.submissions)] {
        let wanted = format!(
            "<Protocol><Type>{kind}</Type><Server>{HOSTNAME}</Server><Port>{}</Port><LoginName>{}\
             </LoginName><DomainRequired>off</DomainRequired><SPA>off</SPA><SSL>on</SSL>\
             <Encryption>SSL</Encryption><AuthRequired>on</AuthRequired>",
            port.port(),
            anna.email
        );
        assert!(answer.contains(&wanted), "{answer}");
    }
    assert!(answer.contains("<AccountType>email</AccountType><Action>settings</Action>"));
}

#[test]
fn errors_come_as_answers_of_the_schema_that_was_asked_for() {
    let server = Server::shared();
    let (anna, ben) = (server.account(), server.account());
    // Nobody learns about others, whether they exist or not.
    for email in [&ben.email, "nobody@test.example", "anna@elsewhere.example"] {
        let answer = ask(server, &anna.email, &question(email, MOBILE_SYNC));
        assert!(answer.contains("<Action><Error><Status>2</Status>"), "{answer}");
        let answer = ask(server, &anna.email, &question(email, OUTLOOK));
        assert!(answer.contains("<ErrorCode>500</ErrorCode>"), "{answer}");
    }
    let other = ask(server, &anna.email, &question(&anna.email, "calendar/responseschema/2030"));
    assert!(other.contains("<ErrorCode>601</ErrorCode>"), "{other}");
    for nonsense in ["", "<Autodiscover/>", "<Autodiscover>", "hello"] {
        let answer = ask(server, &anna.email, nonsense);
        assert!(answer.contains("<ErrorCode>600</ErrorCode>"), "{answer}");
    }
    let mut http = Http::tls(server.ports.https);
    let headers = [("Authorization", anna.basic())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let get = http.request("GET", "/autodiscover/autodiscover.xml", &headers, b"");
    assert!(get.text().contains("<ErrorCode>600</ErrorCode>"), "{get:?}");
}

#[test]
fn hostile_requests_are_refused() {
    let server = Server::shared();
    let anna = server.account();
    let mut http = Http::tls(server.ports.https);
    let path = "/autodiscover/autodiscover.xml";
    let login = anna.basic();
    let bomb = "<!DOCTYPE a [<!ENTITY b \"cccc\">]><Autodiscover>&b;</Autodiscover>";
    for body in [bomb.to_owned(), "<a>".repeat(100), "<a>&b;</a>".to_owned()] {
        let answer = http.request("POST", path, &[("Authorization", &login)], body.as_bytes());
        assert_eq!(answer.status, 400, "{body}");
    }
    let long = vec![b' '; 65 * 1024];
    assert_eq!(http.request("POST", path, &[("Authorization", &login)], &long).status, 413);
    let mut http = Http::tls(server.ports.https);
    assert_eq!(http.request("DELETE", path, &[], b"").status, 405);
}

#[test]
fn without_tls_there_is_only_the_way_to_the_right_place() {
    let server = Server::setup().everywhere().start();
    let mut http = Http::plain(server.ports.http).host("autodiscover.test.example");
    let answer = http.get("/AutoDiscover/autodiscover.xml");
    assert_eq!(answer.status, 302);
    let right = format!("https://{HOSTNAME}/autodiscover/autodiscover.xml");
    assert_eq!(answer.header("location"), Some(right.as_str()));
    // A proxy on the same machine that ended TLS is no reason to go round in circles.
    let proxied = [("X-Forwarded-Proto", "https")];
    let answer = http.request("GET", "/autodiscover/autodiscover.xml", &proxied, b"");
    assert_eq!(answer.status, 401);
}

/// A phone that was set up without "uses SSL" must not send its password round and round.
#[test]
fn no_password_is_taken_without_tls_off_loopback() {
    let Some(address) = crate::support::net::other_address() else {
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    let server = Server::setup().everywhere().start();
    let anna = server.account();
    let body = question(&anna.email, MOBILE_SYNC);
    let path = "/autodiscover/autodiscover.xml";
    let login = anna.basic();
    let headers = [("Authorization", login.as_str())];
    let mut http = Http::plain((address, server.ports.http.port()).into());
    assert_eq!(http.request("POST", path, &headers, body.as_bytes()).status, 403);
    assert_eq!(http.request("GET", path, &headers, b"").status, 302);
    // What only a proxy on the same machine may say.
    let claimed = [headers[0], ("X-Forwarded-Proto", "https")];
    assert_eq!(http.request("GET", path, &claimed, b"").status, 302);
    let mut http = Http::tls((address, server.ports.https.port()).into());
    assert_eq!(http.request("POST", path, &headers, body.as_bytes()).status, 200);
}

#[test]
fn the_json_form_needs_no_log_in() {
    let server = Server::shared();
    let mut http = Http::tls(server.ports.https);
    let url = format!("https://{HOSTNAME}/Microsoft-Server-ActiveSync");
    let phone = format!("{{\"Protocol\":\"ActiveSync\",\"Url\":\"{url}\"}}");
    let old = format!(
        "{{\"Protocol\":\"AutodiscoverV1\",\"Url\":\"https://{HOSTNAME}/autodiscover/autodiscover.xml\"}}"
    );
    let start = "/autodiscover/autodiscover.json";
    for (path, wanted) in [
        (format!("{start}?Email=anybody@test.example&Protocol=ActiveSync"), &phone),
        (
            format!("{start}?Email=anybody%40test.example&Protocol=activesync&RedirectCount=1"),
            &phone,
        ),
        (format!("{start}/v1.0/anybody%40test.example?Protocol=ActiveSync"), &phone),
        ("/Autodiscover/Autodiscover.JSON/V1.0/x@test.example?protocol=ActiveSync".into(), &phone),
        (format!("{start}?Email=anybody@test.example&Protocol=AutodiscoverV1"), &old),
    ] {
        let answer = http.get(&path);
        assert_eq!((answer.status, answer.text()), (200, wanted.as_str()), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    for (query, status, code) in [
        ("Email=a@test.example&Protocol=Ews", 400, "InvalidProtocol"),
        ("Email=a@test.example", 400, "MandatoryParameterMissing"),
        ("Protocol=ActiveSync", 400, "MandatoryParameterMissing"),
        ("Email=a&Protocol=ActiveSync", 400, "MandatoryParameterMissing"),
        ("Email=a@elsewhere.example&Protocol=ActiveSync", 404, "UserNotFound"),
    ] {
        let answer = http.get(&format!("{start}?{query}"));
        assert_eq!(answer.status, status, "{query}");
        let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(json["ErrorCode"], code, "{query}");
        assert!(json["ErrorMessage"].is_string());
    }
}

#[test]
fn mail_programs_find_their_ports() {
    let server = Server::shared();
    let (imap, smtp) = (server.ports.imaps.port(), server.ports.submissions.port());
    let wanted = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<clientConfig version=\"1.1\"><emailProvider \
         id=\"test.example\"><domain>test.example</domain><displayName>test.example</displayName>\
         <displayShortName>test.example</displayShortName><incomingServer type=\"imap\"><hostname>\
         {HOSTNAME}</hostname><port>{imap}</port><socketType>SSL</socketType><authentication>\
         password-cleartext</authentication><username>%EMAILADDRESS%</username></incomingServer>\
         <outgoingServer type=\"smtp\"><hostname>{HOSTNAME}</hostname><port>{smtp}</port>\
         <socketType>SSL</socketType><authentication>password-cleartext</authentication><username>\
         %EMAILADDRESS%</username></outgoingServer></emailProvider></clientConfig>\n"
    );
    for (host, path) in [
        (HOSTNAME, "/mail/config-v1.1.xml?emailaddress=anna%40test.example"),
        (HOSTNAME, "/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=anna@test.example"),
        ("autoconfig.test.example", "/mail/config-v1.1.xml"),
        ("test.example:80", "/.well-known/autoconfig/mail/config-v1.1.xml"),
    ] {
        for mut http in [Http::plain(server.ports.http), Http::tls(server.ports.https)] {
            http = http.host(host);
            let answer = http.get(path);
            assert_eq!((answer.status, answer.text()), (200, wanted.as_str()), "{host} {path}");
        }
    }
    let mut http = Http::plain(server.ports.http);
    assert_eq!(http.get("/mail/config-v1.1.xml?emailaddress=a@elsewhere.example").status, 404);
    assert_eq!(http.get("/mail/config-v1.1.xml").status, 404);
}

#[test]
fn an_account_that_cannot_log_in_is_told_nothing() {
    let server = Server::shared();
    let anna: Account = server.account();
    server.cli(&["user", "disable", &anna.email]);
    let mut http = Http::tls(server.ports.https);
    let body = question(&anna.email, MOBILE_SYNC);
    let path = "/autodiscover/autodiscover.xml";
    let answer = http.request("POST", path, &[("Authorization", &anna.basic())], body.as_bytes());
    assert_eq!(answer.status, 401);
}

/// A certificate for these names, as an authority would give one; the phones trust it.
fn certificate(dir: &std::path::Path, names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let (certificate, key) = (dir.join("office.pem"), dir.join("office.key"));
    std::fs::write(&certificate, made.cert.pem()).expect("our directory");
    std::fs::write(&key, made.key_pair.serialize_pem()).expect("our directory");
    (certificate.display().to_string(), key.display().to_string())
}

/// `kontor check autodiscover` with names that lead to this server; what it says.
fn check(server: &Server, email: &str, names: &[&str], more: &[&str], ok: bool) -> String {
    let (http, https) = (server.ports.http, server.ports.https);
    let mut words = vec!["check", "autodiscover", email];
    let connect: Vec<String> = names
        .iter()
        .flat_map(|name| match name.starts_with('_') {
            true => vec![format!("{name}={HOSTNAME}:443")],
            false => vec![format!("{name}:443={https}"), format!("{name}:80={http}")],
        })
        .collect();
    connect.iter().for_each(|one| words.extend(["--connect", one.as_str()]));
    words.extend(more);
    let output = server.try_cli(&words, PASSWORD);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.success(), ok, "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn the_check_plays_a_phones_steps() {
    let dir = tempfile::tempdir().expect("a directory");
    let auto = "autodiscover.test.example";
    let (certificate, key) = certificate(dir.path(), &[HOSTNAME, auto]);
    let server = Server::setup()
        .env("KONTOR_TLS_CERTIFICATE", &certificate)
        .env("KONTOR_TLS_KEY", &key)
        .start();
    let anna = server.account();
    let trust = ["--trust", certificate.as_str()];
    let path = "/autodiscover/autodiscover.xml";
    let eas = format!("https://{HOSTNAME}/Microsoft-Server-ActiveSync");

    // All is well: the usual records.
    let told = check(&server, &anna.email, &[auto, HOSTNAME], &trust, true);
    let wanted = format!(
        "-       POST https://test.example{path}: there is no test.example in the DNS\n\
         ok      POST https://{auto}{path}: asks for the log-in\n\
         ok      GET http://{auto}{path}: leads to https://{HOSTNAME}{path}; asks for the log-in\n\
         -       SRV _autodiscover._tcp.test.example: no such record\n\
         ok      GET https://{auto}/autodiscover/autodiscover.json?Email={email}&Protocol=ActiveSync: \
         tells {eas}\n\
         ok      OPTIONS {eas}: asks for the log-in\n\
         A phone finds the server for {email}.\n",
        email = anna.email
    );
    assert_eq!(told, wanted);

    // With the password it goes to the end.
    let more = [&trust[..], &["--password-stdin", "--json"]].concat();
    let told = check(&server, &anna.email, &[auto, HOSTNAME], &more, true);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["works"], true);
    assert_eq!(told["steps"][1]["detail"], format!("tells {eas}"));
    assert_eq!(told["steps"][5]["state"], "ok");
    let detail = told["steps"][5]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("16.1"), "{told}");

    // Nothing in the DNS.
    let told = check(&server, &anna.email, &["unrelated.example"], &trust, false);
    for line in [
        format!("-       POST https://test.example{path}: there is no test.example in the DNS\n"),
        format!(
            "missing POST https://{auto}{path}: there is no {auto} in the DNS; add the record \
                 {auto}. CNAME {HOSTNAME}., or where the certificate lacks that name, \
                 _autodiscover._tcp.test.example. SRV 0 0 443 {HOSTNAME}.\n"
        ),
        format!("missing GET http://{auto}{path}: there is no {auto} in the DNS\n"),
        "missing SRV _autodiscover._tcp.test.example: no such record\n".into(),
        format!(
            "missing OPTIONS {eas}: there is no {HOSTNAME} in the DNS; add a record {HOSTNAME}. A \
                 with the server's address\n"
        ),
        format!("A phone does not find the server for {}.\n", anna.email),
    ] {
        assert!(told.contains(&line), "{told}");
    }

    // The service record alone is enough.
    let names = ["_autodiscover._tcp.test.example", HOSTNAME];
    let told = check(&server, &anna.email, &names, &trust, true);
    assert!(
        told.contains(&format!(
            "ok      SRV _autodiscover._tcp.test.example: leads to {HOSTNAME}; asks for the log-in\n"
        )),
        "{told}"
    );

    // A certificate that nobody knows, one for another name, a closed port.
    let told = check(&server, &anna.email, &[auto, HOSTNAME], &[], false);
    assert_eq!(told.matches("is not signed by an authority that phones know").count(), 4, "{told}");
    assert_eq!(told.matches("get a certificate from an authority").count(), 1, "{told}");
    assert!(!told.contains("add the record") && !told.contains("lead to Kontor"), "{told}");
    let told = check(&server, &anna.email, &["test.example"], &trust, false);
    let wrong = format!("the certificate is for {HOSTNAME}, {auto} only\n");
    assert!(told.contains(&wrong), "{told}");
    let closed = format!("{auto}=127.0.0.1:1");
    let told = server.try_cli(&["check", "autodiscover", &anna.email, "--connect", &closed], "");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("127.0.0.1:1 refuses connections; let port 443 through"), "{told}");
}

/// Windows Phone 8.1 shares no cipher of TLS 1.2 with us but those for ECDSA.
#[test]
fn the_check_says_that_windows_phone_wants_another_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let auto = "autodiscover.test.example";
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rsa.key");
    let text = std::fs::read_to_string(key).expect("our test data");
    let pair = rcgen::KeyPair::from_pem(&text).expect("a key");
    let names = [HOSTNAME, auto].map(str::to_owned).to_vec();
    let made = rcgen::CertificateParams::new(names).and_then(|params| params.self_signed(&pair));
    let certificate = dir.path().join("rsa.pem").display().to_string();
    std::fs::write(&certificate, made.expect("a certificate").pem()).expect("our directory");
    let server = Server::setup()
        .env("KONTOR_TLS_CERTIFICATE", &certificate)
        .env("KONTOR_TLS_KEY", key)
        .start();
    let told = check(
        &server,
        "anna@test.example",
        &[auto, HOSTNAME],
        &["--trust", certificate.as_str()],
        true,
    );
    let advice = "asks for the log-in; the certificate has an RSA key: Windows Phone 8.1 needs one";
    assert!(told.contains(advice), "{told}");
}

#[test]
fn the_check_says_when_the_log_in_is_the_trouble() {
    let dir = tempfile::tempdir().expect("a directory");
    let (certificate, key) = certificate(dir.path(), &[HOSTNAME, "test.example"]);
    let server = Server::setup()
        .env("KONTOR_TLS_CERTIFICATE", &certificate)
        .env("KONTOR_TLS_KEY", &key)
        .start();
    let names = ["test.example", HOSTNAME];
    let more = ["--trust", certificate.as_str(), "--password-stdin"];
    let told = check(&server, "nobody@test.example", &names, &more, false);
    assert!(told.contains("does not take the log-in; see whether the password is right"), "{told}");
    // The domain itself is enough of a name.
    let anna = server.account();
    check(&server, &anna.email, &names, &more, true);
}
