//! Ports 587 and 465: mail of members.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::dialogue::{Client, Office, PASSWORD, address};
use crate::delivery::queue;

/// The base64 of a PLAIN response.
fn plain(name: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("\0{name}\0{password}"))
}

/// Connected and logged in.
async fn member(office: &Office, name: &str) -> Client<tokio::net::TcpStream> {
    let auth = plain(&format!("{name}@office.example"), PASSWORD);
    office
        .talk(&format!("S: 220 *\nC: EHLO laptop\nS: 250 *\nC: AUTH PLAIN {auth}\nS: 235 *"))
        .await
}

#[tokio::test]
async fn nothing_goes_without_a_login() {
    let office = Office::submission().await;
    office
        .talk(
            "S: 220 *
             C: EHLO x
             S: 250 AUTH PLAIN LOGIN SCRAM-SHA-256
             C: MAIL FROM:<anna@office.example>
             S: 530 5.7.0 *
             C: AUTH DIGEST-MD5
             S: 504 *
             C: AUTH PLAIN !!!
             S: 501 5.5.2 *
             C: AUTH PLAIN
             S: 334 *
             C: *
             S: 501 *
             C: MAIL FROM:<anna@office.example>
             S: 530 *",
        )
        .await;
}

#[tokio::test]
async fn unknown_names_and_wrong_passwords_are_answered_alike() {
    let office = Office::submission().await;
    let mut client = office.talk("S: 220 *\nC: EHLO x\nS: 250 *").await;
    let mut answers = Vec::new();
    for name in ["anna@office.example", "nobody@office.example", "nobody@elsewhere.example"] {
        client.send(format!("AUTH PLAIN {}\r\n", plain(name, "wrong")).as_bytes()).await;
        answers.push(client.reply().await);
    }
    assert!(answers.iter().all(|answer| *answer == "535 5.7.8 Name or password is wrong\r\n"));
    // Still usable, and LOGIN works with the right one.
    let (name, password) = (BASE64_STANDARD.encode("anna"), BASE64_STANDARD.encode(PASSWORD));
    client.talk("C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6").await;
    client
        .talk(&format!("C: {}\nS: 334 UGFzc3dvcmQ6", BASE64_STANDARD.encode("ben@office.example")))
        .await;
    client.talk(&format!("C: {password}\nS: 235 *\nC: AUTH LOGIN {name}\nS: 503 *")).await;
}

#[tokio::test]
async fn a_login_by_proof() {
    use aws_lc_rs::{digest, hmac, pbkdf2};
    let office = Office::submission().await;
    let mut client = office.talk("S: 220 *\nC: EHLO x\nS: 250 *").await;
    let bare = "n=anna@office.example,r=abcdef";
    let first = BASE64_STANDARD.encode(format!("n,,{bare}"));
    client.send(format!("AUTH SCRAM-SHA-256 {first}\r\n").as_bytes()).await;
    let reply = client.reply().await;
    let challenge = BASE64_STANDARD.decode(reply.trim().strip_prefix("334 ").unwrap()).unwrap();
    let challenge = String::from_utf8(challenge).unwrap();
    let mut fields = challenge.split(',');
    let nonce = fields.next().unwrap();
    let salt = BASE64_STANDARD.decode(fields.next().unwrap().strip_prefix("s=").unwrap()).unwrap();
    let rounds = fields.next().unwrap().strip_prefix("i=").unwrap().parse().unwrap();
    let mut salted = [0; 32];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, rounds, &salt, PASSWORD.as_bytes(), &mut salted);
    let sign = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
    };
    let client_key = sign(&salted, "Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let signature = sign(stored_key.as_ref(), &format!("{bare},{challenge},c=biws,{nonce}"));
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, byte)| key ^ byte).collect();
    let last = format!("c=biws,{nonce},p={}", BASE64_STANDARD.encode(proof));
    client.talk(&format!("C: {}\nS: 334 dj*\nC:\nS: 235 *", BASE64_STANDARD.encode(last))).await;
    client.talk("C: MAIL FROM:<anna@office.example>\nS: 250 *").await;
}

#[tokio::test]
async fn mail_for_here_and_elsewhere_is_taken_at_once() {
    let office = Office::submission().await;
    member(&office, "anna")
        .await
        .talk(
            "C: MAIL FROM:<anna@office.example>
             C: RCPT TO:<ben@office.example>
             C: RCPT TO:<friend@elsewhere.example> NOTIFY=SUCCESS,FAILURE
             C: RCPT TO:<hidden@elsewhere.example>
             C: DATA
             S: 250 *
             S: 250 *
             S: 250 *
             S: 250 *
             S: 354 *
             C: From: Anna <anna@office.example>
             C: Bcc: hidden@elsewhere.example,
             C:  other@elsewhere.example
             C: To: ben@office.example
             C:
             C: hello
             C: .
             S: 250 2.0.0 *",
        )
        .await;
    let inbox = office.inbox("ben");
    let [message] = inbox.as_slice() else { panic!("{inbox:?}") };
    assert!(message.contains("with ESMTPA\r\n"), "{message}");
    assert!(message.contains("\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"), "{message}");
    assert!(message.contains("\r\nMessage-ID: <"), "{message}");
    let end = "From: Anna <anna@office.example>\r\nTo: ben@office.example\r\n\r\nhello\r\n";
    assert!(message.ends_with(end) && !message.contains("hidden"), "{message}");

    let queued = queue::list(&office.store.read()).unwrap();
    let [(_, entry)] = queued.as_slice() else { panic!("{queued:?}") };
    let recipients: Vec<&str> = entry.recipients.iter().map(|r| r.address.as_str()).collect();
    assert_eq!(recipients, ["friend@elsewhere.example", "hidden@elsewhere.example"]);
    assert!(entry.recipients[0].notify.unwrap().success);
    let prefix = std::str::from_utf8(&entry.prefix).unwrap();
    assert!(prefix.starts_with("Received: ") && prefix.contains("\r\nDate: "), "{prefix}");
}

#[tokio::test]
async fn members_send_only_as_themselves() {
    let office = Office::submission().await;
    let mut ben = member(&office, "ben").await;
    for (sender, answer) in [
        ("ben@office.example", "250"),
        ("Ben+tag@office.example", "250"),
        ("sales@office.example", "250"),
        ("staff@office.example", "250"),
        ("partners@office.example", "553 5.7.1"),
        ("anna@office.example", "553 5.7.1"),
        ("ben@elsewhere.example", "553 5.7.1"),
        ("", "250"),
    ] {
        ben.talk(&format!("C: MAIL FROM:<{sender}>\nS: {answer}*\nC: RSET\nS: 250 *")).await;
    }
    for (header, answer) in [
        ("From: ben@office.example", "250 *"),
        ("From: \"Anna\" <sales@office.example>", "250 *"),
        ("From: <ben@office.example>, Anna <anna@office.example>", "550 5.7.1 *"),
        ("From: anna@office.example", "550 5.7.1 *"),
        ("From: anna@office.example (ben@office.example)", "550 5.7.1 *"),
        ("From: ben@office.example\nC: Sender: anna@office.example", "550 5.7.1 *"),
        ("From: ben@office.example\nC: From: anna@office.example", "554 5.6.0 *"),
        ("From: nonsense", "550 5.7.1 *"),
        ("From:", "554 5.6.0 *"),
        ("Subject: no From at all", "250 *"),
    ] {
        ben.talk("C: MAIL FROM:<ben@office.example>\nC: RCPT TO:<carl@office.example>\nC: DATA")
            .await;
        ben.talk("S: 250 *\nS: 250 *\nS: 354 *").await;
        ben.talk(&format!("C: {header}\nC:\nC: .\nS: {answer}")).await;
    }
    let inbox = office.inbox("carl");
    assert_eq!(inbox.len(), 3);
    assert!(inbox[2].contains("\r\nFrom: <ben@office.example>\r\n"), "{}", inbox[2]);
}

#[tokio::test]
async fn a_large_message_loses_its_bcc_too() {
    let office = Office::submission().await;
    let mut anna = member(&office, "anna").await;
    anna.talk("C: MAIL FROM:<anna@office.example>\nC: RCPT TO:<ben@office.example>\nC: DATA").await;
    anna.talk("S: 250 *\nS: 250 *\nS: 354 *").await;
    anna.talk("C: From: anna@office.example\nC: Bcc: x@y.example\nC: Subject: large\nC:").await;
    let text = "all work and no play makes a dull mail\r\n".repeat(50_000);
    anna.send(text.as_bytes()).await;
    anna.talk("C: .\nS: 250 *").await;
    let message = &office.inbox("ben")[0];
    assert!(
        !message.contains("Bcc") && message.ends_with(&format!("Subject: large\r\n\r\n{text}"))
    );
}

#[tokio::test]
async fn a_disabled_member_sends_no_more() {
    let office = Office::submission().await;
    let mut anna = member(&office, "anna").await;
    anna.talk("C: MAIL FROM:<anna@office.example>\nC: RCPT TO:<ben@office.example>\nC: DATA").await;
    anna.talk("S: 250 *\nS: 250 *\nS: 354 *").await;
    let disabled = office.store.write(|tx| {
        use crate::domain::account;
        let anna = account::find(tx, &address("anna@office.example"))?;
        account::update(tx, anna.id, |row| row.enabled = false)
    });
    disabled.await.unwrap();
    anna.talk("C: Subject: x\nC:\nC: .\nS: 550 5.7.1 *").await;
}

/// A man in the middle can put commands behind STARTTLS; they are dropped, and so is all that
/// was said before.
#[tokio::test]
async fn what_came_before_tls_is_forgotten() {
    let office = Office::submission().await;
    let mut client = office.talk("S: 220 *\nC: EHLO x\nS: 250 *").await;
    client.talk("C: STARTTLS\nC: NOOP injected\nC: AUTH PLAIN x\nS: 220 *").await;
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let tls = connector().connect(name, client.stream).await.unwrap();
    let mut client = Client::over(tls);
    let auth = plain("anna@office.example", PASSWORD);
    client
        .talk(&format!(
            "C: MAIL FROM:<anna@office.example>
             S: 503 5.5.1 *
             C: EHLO x
             S: 250 AUTH PLAIN LOGIN SCRAM-SHA-256
             C: STARTTLS
             S: 503 *
             C: AUTH PLAIN {auth}
             S: 235 *
             C: MAIL FROM:<anna@office.example>
             C: RCPT TO:<ben@office.example>
             C: DATA
             S: 250 *
             S: 250 *
             S: 354 *
             C: Subject: x
             C:
             C: .
             S: 250 *"
        ))
        .await;
    assert!(office.inbox("ben")[0].contains("with ESMTPSA\r\n\t(TLS1.3 "));
}

/// A client that takes any certificate.
fn connector() -> tokio_rustls::TlsConnector {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

    #[derive(Debug)]
    struct Anyone(rustls::crypto::CryptoProvider);
    impl ServerCertVerifier for Anyone {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    Arc::new(config).into()
}
