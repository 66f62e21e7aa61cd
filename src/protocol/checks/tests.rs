use std::collections::BTreeSet;

use super::*;

fn of(procedure: &str, reason: &str) -> Vec<(&'static str, Outcome)> {
    let found = named(procedure).unwrap().outcomes(Some(reason), |_| false);
    found.into_iter().map(|(check, outcome)| (check.name, outcome)).collect()
}

#[test]
fn what_stands_before_the_failed_check_passed_and_nothing_after_it_was_reached() {
    let outcomes = of("authorize", "redirect_uri_mismatch");
    let failed = outcomes.iter().position(|(_, outcome)| *outcome == Outcome::Failed).unwrap();
    assert_eq!(outcomes[failed].0, "redirect_uri");
    // But for what only some go through: a pushed one, or one with a request object.
    // Or one of a client that is known by its document.
    let groups = [&super::authorize::PUSHED, &super::request_object::REQUEST_OBJECT];
    let of_group = |name: &str| groups.iter().any(|group| group.checks.iter().any(|check| check.name == name));
    let rare = |name: &str| of_group(name) || name.starts_with("client_document");
    for (name, outcome) in &outcomes[..failed] {
        assert_eq!(*outcome, if rare(name) { Outcome::Unknown } else { Outcome::Passed }, "{name}");
    }
    assert!(outcomes[failed + 1..].iter().all(|(_, outcome)| *outcome == Outcome::NotReached));
}

#[test]
fn what_not_every_request_goes_through_is_not_said_to_have_passed() {
    for (procedure, reason) in
        [("recover", "password_too_short"), ("api/auth/password", "code_unknown"), ("account", "passkey_taken")]
    {
        let outcomes = of(procedure, reason);
        let failed = outcomes.iter().position(|(_, outcome)| *outcome == Outcome::Failed).unwrap();
        let head = super::request::HEAD.checks.len();
        assert!(head < failed && outcomes[..head].iter().all(|(_, outcome)| *outcome == Outcome::Passed), "{procedure}");
        assert!(outcomes[head..failed].iter().all(|(_, outcome)| *outcome == Outcome::Unknown), "{procedure}");
    }
    let account = named("account").unwrap().outcomes(Some("passkey_taken"), |check| check.name == "code_known");
    assert!(account.iter().any(|(check, outcome)| check.name == "code_known" && *outcome == Outcome::Passed), "it saw something");
}

#[test]
fn nothing_is_said_of_how_a_client_may_have_authenticated_and_did_not() {
    let outcomes = of("token/authorization_code", "code_unknown");
    let of_check = |name: &str| outcomes.iter().find(|(check, _)| *check == name).unwrap().1;
    for passed in ["one_method", "client", "authentication_method", "client_status", "client_limit", "grant_type", "code_given"] {
        assert_eq!(of_check(passed), Outcome::Passed, "{passed}");
    }
    for unknown in ["basic", "secret", "client_keys", "assertion_signature", "assertion_use"] {
        assert_eq!(of_check(unknown), Outcome::Unknown, "{unknown}");
    }
    // A form that there may have been none of.
    let outcomes = of("userinfo/post", "token_inactive");
    assert!(outcomes.contains(&("media_type", Outcome::Unknown)));
    assert!(of("userinfo", "token_inactive").iter().all(|(check, _)| *check != "media_type"));
}

#[test]
fn of_two_checks_with_one_reason_the_one_that_saw_something_failed() {
    let token = named("token").unwrap();
    let failed = |seen: &str| {
        let outcomes = token.outcomes(Some("rate_limited"), |check| check.name == seen);
        outcomes.iter().find(|(_, outcome)| *outcome == Outcome::Failed).unwrap().0.name
    };
    assert_eq!(failed(""), "failed_authentications");
    assert_eq!(failed("client_limit"), "client_limit");
}

#[test]
fn after_a_fault_nothing_is_said_of_the_checks() {
    let outcomes = of("token", "storage_unavailable");
    assert_eq!(outcomes.last(), Some(&("database", Outcome::Failed)));
    assert!(outcomes[..outcomes.len() - 1].iter().all(|(_, outcome)| *outcome == Outcome::Unknown));
}

#[test]
fn a_request_is_found_by_method_and_path() {
    for (method, path, name) in [
        ("GET", "/authorize", "authorize"),
        ("HEAD", "/authorize", "authorize"),
        ("POST", "/authorize", "authorize/post"),
        ("GET", "/authorize/resume", "authorize/resume"),
        ("POST", "/token", "token"),
        ("GET", "/userinfo", "userinfo"),
        ("POST", "/userinfo", "userinfo/post"),
        ("GET", "/token", "other"),
        ("POST", "/recover/code", "recover"),
        ("POST", "/account/security/totp", "account"),
        ("POST", "/account/reauthenticate", "reauthenticate"),
        ("POST", "/api/v1/auth/login", "api/auth"),
        ("POST", "/api/v1/auth/email/verify", "api/auth/register"),
        ("POST", "/api/v1/auth/password/reset", "api/auth/password"),
        ("POST", "/api/v1/auth/passkey", "api/auth/passkey"),
        ("GET", "/api/v1/auth/reauthenticate", "api/auth/reauthenticate"),
        ("POST", "/api/v1/users/me/factors/totp", "api/users/me"),
        ("DELETE", "/api/v1/admin/users/x", "api"),
        ("GET", "/nothing", "other"),
        ("GET", "", "other"),
    ] {
        assert_eq!(of_request(method, path).name, name, "{method} {path}");
    }
}

#[test]
fn names_are_unique_and_everything_is_said() {
    let names: BTreeSet<_> = PROCEDURES.iter().map(|procedure| procedure.name).collect();
    assert_eq!(names.len(), PROCEDURES.len());
    for group in groups() {
        let mut seen = BTreeSet::new();
        for Check { name, reasons, about, needs, .. } in group.checks {
            assert!(seen.insert(name), "{name} twice in {}", group.name);
            assert!(!reasons.is_empty() && !about.is_empty() && needs.ends_with('.'), "{name}");
        }
    }
}
