//! When a person has to log in, and as whom.

use super::*;

#[test]
fn a_second_request_is_answered_in_silence() {
    assert_eq!(case(&[]).issued(), "email openid");
    assert_eq!(case(&[("prompt", "none")]).issued(), "email openid");
}

#[test]
fn without_a_session_there_is_a_login_and_with_prompt_none_an_error() {
    let anonymous = |pairs: &[_]| Case { user: None, ..case(pairs) };
    assert_eq!(anonymous(&[]).login_reason(), LoginReason::NoSession);
    assert_eq!(anonymous(&[("prompt", "none")]).refusal(), ErrorCode::LoginRequired);
}

#[test]
fn prompt_login_wants_a_login_that_began_after_the_request() {
    assert_eq!(case(&[("prompt", "login")]).login_reason(), LoginReason::Prompt);
    assert_eq!(case(&[("prompt", "login")]).logged_in_now().issued(), "email openid");
    let at_the_very_start = Case { auth_time: STARTED, ..case(&[("prompt", "login")]) };
    assert_eq!(at_the_very_start.issued(), "email openid");
    let just_before = Case { auth_time: Timestamp::from_micros(STARTED.as_micros() - 1), ..case(&[("prompt", "login")]) };
    assert_eq!(just_before.login_reason(), LoginReason::Prompt);
}

#[test]
fn a_login_of_the_future_is_not_a_fresh_one() {
    let future = Case { auth_time: NOW + Seconds::hours(1), ..case(&[("prompt", "login")]) };
    assert_eq!(future.login_reason(), LoginReason::Prompt);
    let future = Case { auth_time: NOW + Seconds::hours(1), ..case(&[("max_age", "60")]) };
    assert_eq!(future.login_reason(), LoginReason::MaxAge);
    let other_nodes_clock = Case { auth_time: NOW + Seconds(5), ..case(&[("prompt", "login")]) };
    assert_eq!(other_nodes_clock.issued(), "email openid");
}

#[test]
fn a_login_older_than_max_age_is_repeated() {
    assert_eq!(case(&[("max_age", "3600")]).issued(), "email openid");
    assert_eq!(case(&[("max_age", "3599")]).login_reason(), LoginReason::MaxAge);
    assert_eq!(case(&[("max_age", "3599"), ("prompt", "none")]).refusal(), ErrorCode::LoginRequired);
    assert_eq!(case(&[("max_age", "9223372036854775807")]).issued(), "email openid");
}

#[test]
fn max_age_0_is_a_real_login_and_only_one() {
    assert_eq!(case(&[("max_age", "0")]).login_reason(), LoginReason::MaxAge);
    assert_eq!(case(&[("max_age", "0")]).logged_in_now().issued(), "email openid");
}

#[test]
fn the_person_may_choose_the_account_once() {
    assert_eq!(case(&[("prompt", "select_account")]).decide(), Decision::SelectAccount);
    let chosen = Case { account_selected: true, ..case(&[("prompt", "select_account")]) };
    assert_eq!(chosen.issued(), "email openid");
    assert_eq!(case(&[("prompt", "select_account")]).logged_in_now().issued(), "email openid");
    assert_eq!(case(&[("prompt", "select_account login")]).login_reason(), LoginReason::Prompt);
}

#[test]
fn prompt_create_leads_to_an_account_made_or_logged_in_to_after_the_request() {
    let create = [("prompt", "create")];
    assert_eq!(Case { user: None, ..case(&create) }.login_reason(), LoginReason::Create);
    assert_eq!(case(&create).login_reason(), LoginReason::Create);
    assert_eq!(case(&[("prompt", "login create")]).login_reason(), LoginReason::Create);
    assert_eq!(case(&create).logged_in_now().issued(), "email openid");
}

#[test]
fn a_hint_of_somebody_else_leads_to_their_login() {
    let hinted = |pairs: &[_], hint| Case { hint: Some(user(hint)), ..case(pairs) };
    assert_eq!(hinted(&[("prompt", "none")], "alice").issued(), "email openid");
    assert_eq!(hinted(&[("prompt", "none")], "bob").refusal(), ErrorCode::LoginRequired);
    assert_eq!(hinted(&[], "bob").login_reason(), LoginReason::OtherUser);
    // Alice logged in all the same: never answered as if she were Bob.
    assert_eq!(hinted(&[], "bob").logged_in_now().refusal(), ErrorCode::LoginRequired);
}

#[test]
fn the_value_of_the_sub_claim_counts_like_a_hint() {
    let bob = ("claims", r#"{"id_token":{"sub":{"value":"bob"}}}"#);
    assert_eq!(case(&[bob]).login_reason(), LoginReason::OtherUser);
    assert_eq!(case(&[bob, ("prompt", "none")]).refusal(), ErrorCode::LoginRequired);
    assert_eq!(Case { hint: Some(user("alice")), ..case(&[bob]) }.refusal(), ErrorCode::InvalidRequest);
    assert_eq!(case(&[("claims", r#"{"id_token":{"sub":{"value":"alice"}}}"#)]).issued(), "email openid");
    assert_eq!(case(&[("claims", r#"{"id_token":{"sub":{"value":1}},"userinfo":{}}"#)]).login_reason(), LoginReason::OtherUser);
}
