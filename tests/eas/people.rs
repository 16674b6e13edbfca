//! The address list as phones see it, while an administrator changes it.

use kontor::format::wbxml::Element;
use kontor::format::wbxml::tags::{find, gal, resolve_recipients as r, search};

use crate::support::eas::model::IPHONE;
use crate::support::eas::{Phone, text, tree};
use crate::support::server::PASSWORD;
use crate::support::{Account, Server};

/// Names that a search in the address list finds.
fn names(phone: &mut Phone, typed: &str) -> Vec<String> {
    let store = [text(search::NAME, "GAL"), text(search::QUERY, typed)];
    let reply = phone.call("Search", &tree(search::SEARCH, [tree(search::STORE, store)]));
    let store = reply.root().child(search::RESPONSE).and_then(|all| all.child(search::STORE));
    let results = store.expect("an answer").all(search::RESULT);
    results.filter_map(|each| each.child(search::PROPERTIES)).filter_map(name).collect()
}

fn name(properties: &Element) -> Option<String> {
    properties.text_of(gal::DISPLAY_NAME).map(str::to_owned)
}

/// The address that a text resolves to, if it is one.
fn resolved(phone: &mut Phone, typed: &str) -> Option<String> {
    let reply = phone.call("ResolveRecipients", &tree(r::RESOLVE_RECIPIENTS, [text(r::TO, typed)]));
    let response = reply.root().child(r::RESPONSE).expect("an answer");
    let one = response.child(r::RECIPIENT).filter(|_| response.text_of(r::STATUS) == Some("1"));
    one.and_then(|one| one.text_of(r::EMAIL_ADDRESS)).map(str::to_owned)
}

/// How many the newest phones are told of.
fn counted(phone: &mut Phone, typed: &str) -> Option<String> {
    let query = tree(find::QUERY, [text(find::FREE_TEXT, typed)]);
    let criterion = tree(find::GAL_SEARCH_CRITERION, [query]);
    let execute = tree(find::EXECUTE_SEARCH, [criterion]);
    let reply = phone.call("Find", &tree(find::FIND, [text(find::SEARCH_ID, "1"), execute]));
    reply.at(&[find::RESPONSE, find::TOTAL]).map(str::to_owned)
}

fn person(server: &Server, local: &str, name: &str) -> Account {
    let account = Account { email: format!("{local}@test.example"), password: PASSWORD.to_owned() };
    let words = ["user", "add", &account.email, "--name", name, "--password-stdin"];
    server.cli_with_input(&words, PASSWORD);
    account
}

#[test]
fn a_new_name_is_seen_at_once_and_who_is_hidden_is_not() {
    let server = Server::shared();
    let asking = server.account();
    let vera = person(server, "vera", "Vera Tausendschön");
    let mut phone = Phone::quick(server, &IPHONE, &asking);
    for typed in ["vera taus", "Tausendschoen", "Tausendschön"] {
        assert_eq!(names(&mut phone, typed), ["Vera Tausendschön"], "{typed}");
    }
    server.cli(&["user", "set", &vera.email, "--name", "Vera Mueller-Zwirn"]);
    assert!(names(&mut phone, "tausendsch").is_empty());
    for typed in ["vera zwirn", "zwirn muller", "Zwirn Müller", "Mueller-Zwirn"] {
        assert_eq!(names(&mut phone, typed), ["Vera Mueller-Zwirn"], "{typed}");
    }

    let group = "zwirnerei@test.example";
    server.cli(&["group", "add", group, &asking.email, &vera.email]);
    server.cli(&["group", "set", group, "--name", "Alle Zwirner"]);
    assert_eq!(names(&mut phone, "zwirn").len(), 2);
    assert_eq!(resolved(&mut phone, "alle zwirner").as_deref(), Some(group));
    server.cli(&["group", "set", group, "--hidden", "yes"]);
    assert_eq!(names(&mut phone, "zwirn"), ["Vera Mueller-Zwirn"]);
    assert_eq!(counted(&mut phone, "zwirn").as_deref(), Some("1"));
    server.cli(&["user", "set", &vera.email, "--hidden", "yes"]);
    for typed in ["zwirn", "vera", &vera.email] {
        assert!(names(&mut phone, typed).is_empty(), "{typed}");
        assert_eq!(counted(&mut phone, typed).as_deref(), Some("0"), "{typed}");
    }
    assert_eq!(resolved(&mut phone, "vera muller"), None);
    assert_eq!(resolved(&mut phone, &vera.email), Some(vera.email.clone()));
    assert_eq!(resolved(&mut phone, group).as_deref(), Some(group));
    server.cli(&["user", "set", &vera.email, "--hidden", "no"]);
    assert_eq!(names(&mut phone, "zwirn"), ["Vera Mueller-Zwirn"]);
}
