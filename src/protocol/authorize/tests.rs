use proptest::prelude::*;

use super::*;
use crate::protocol::authorization_request::{self, ServerPolicy};
use crate::protocol::client::testing::client;
use crate::protocol::client::{ApplicationType, ClientAuthMethod, ClientMetadata};
use crate::protocol::params::Params;

const STARTED: Timestamp = Timestamp::from_seconds(1_000_000);
const NOW: Timestamp = Timestamp::from_seconds(1_000_030);

/// One request in one situation; each test changes what it is about.
#[derive(Debug)]
struct Case {
    client: Client,
    pairs: Vec<(&'static str, &'static str)>,
    hint: Option<UserId>,
    user: Option<UserId>,
    auth_time: Timestamp,
    account_selected: bool,
    remembered: Option<ConsentedScope>,
    consented_now: Option<ConsentedScope>,
    available_acrs: Vec<&'static str>,
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn consented(scope: &str, claims: &[&str]) -> ConsentedScope {
    ConsentedScope { scope: Scope::parse(scope).unwrap(), claims: claims.iter().map(|claim| (*claim).to_owned()).collect() }
}

/// Alice logged in an hour ago and agreed to everything before.
fn case(pairs: &[(&'static str, &'static str)]) -> Case {
    Case {
        client: client(|_| {}),
        pairs: pairs.to_vec(),
        hint: None,
        user: Some(user("alice")),
        auth_time: NOW - Seconds::hours(1),
        account_selected: false,
        remembered: Some(consented("openid email", &[])),
        consented_now: None,
        available_acrs: vec![ACR_PASSWORD],
    }
}

impl Case {
    fn with_client(mut self, change: impl FnOnce(&mut ClientMetadata)) -> Self {
        self.client = client(change);
        self
    }

    fn logged_in_now(mut self) -> Self {
        self.auth_time = STARTED + Seconds(20);
        self
    }

    fn decide(&self) -> Decision {
        let mut pairs = vec![
            ("redirect_uri", self.client.metadata.redirect_uris[0].as_str()),
            ("response_type", "code"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ];
        if !self.pairs.iter().any(|(name, _)| *name == "scope") {
            pairs.push(("scope", "openid email"));
        }
        pairs.extend(&self.pairs);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let params = Params::parse(query.as_bytes()).unwrap();
        let policy = ServerPolicy::new(&Scope::default());
        let redirect_uri = authorization_request::redirect_uri(&params, &self.client).unwrap();
        let mut request = AuthorizationRequest::parse(&params, &self.client, &redirect_uri, &policy).unwrap();
        request.id_token_hint_sub.clone_from(&self.hint);
        let session = self.user.as_ref().map(|user_id| SessionFacts { user_id, auth_time: self.auth_time, acr: ACR_PASSWORD });
        decide(
            &request,
            &Situation {
                now: NOW,
                started_at: STARTED,
                session,
                account_selected: self.account_selected,
                remembered: self.remembered.as_ref(),
                consented_now: self.consented_now.as_ref(),
                client: &self.client,
                available_acrs: &self.available_acrs,
            },
        )
    }

    fn refusal(&self) -> ErrorCode {
        match self.decide() {
            Decision::Refuse(error) => error.code,
            other => panic!("{other:?}"),
        }
    }

    fn issued(&self) -> String {
        match self.decide() {
            Decision::Issue { scope, .. } => scope.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn login_reason(&self) -> LoginReason {
        match self.decide() {
            Decision::LogIn { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    fn question(&self) -> ConsentedScope {
        match self.decide() {
            Decision::AskConsent(asked) => asked,
            other => panic!("{other:?}"),
        }
    }
}

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

#[test]
fn without_consent_the_person_is_asked_and_with_prompt_none_it_is_an_error() {
    let never = |pairs: &[_]| Case { remembered: None, ..case(pairs) };
    assert_eq!(never(&[]).question(), consented("openid email", &[]));
    assert_eq!(never(&[("prompt", "none")]).refusal(), ErrorCode::ConsentRequired);
}

#[test]
fn one_more_scope_value_is_asked_for_again() {
    let more = [("scope", "openid email phone")];
    assert_eq!(case(&more).question(), consented("openid email phone", &[]));
    assert_eq!(case(&[more[0], ("prompt", "none")]).refusal(), ErrorCode::ConsentRequired);
    assert_eq!(case(&[("scope", "openid")]).issued(), "openid");
}

#[test]
fn a_single_claim_beyond_the_scope_needs_consent_too() {
    let phone = ("claims", r#"{"userinfo":{"phone_number":null,"email":null},"id_token":{"auth_time":{"essential":true}}}"#);
    assert_eq!(case(&[phone]).question(), consented("openid email", &["phone_number"]));
    assert_eq!(case(&[phone, ("prompt", "none")]).refusal(), ErrorCode::ConsentRequired);
    let agreed = Case { remembered: Some(consented("openid email", &["phone_number"])), ..case(&[phone]) };
    assert_eq!(agreed.issued(), "email openid");
    let agreed_to_the_scope = Case { remembered: Some(consented("openid email phone", &[])), ..case(&[phone]) };
    assert_eq!(agreed_to_the_scope.issued(), "email openid");
}

#[test]
fn prompt_consent_asks_whatever_was_agreed_to_before() {
    assert_eq!(case(&[("prompt", "consent")]).question(), consented("openid email", &[]));
    let first_party = case(&[("prompt", "consent")]).with_client(|metadata| metadata.first_party = true);
    assert_eq!(first_party.question(), consented("openid email", &[]));
}

#[test]
fn what_was_agreed_to_now_is_issued_and_no_more() {
    let claims = ("claims", r#"{"userinfo":{"phone_number":null,"email":null,"name":null}}"#);
    let partly = Case { consented_now: Some(consented("openid phone", &["name"])), ..case(&[claims, ("prompt", "consent")]) };
    match partly.decide() {
        Decision::Issue { scope, claims } => {
            assert_eq!(scope.to_string(), "openid");
            assert_eq!(claims.userinfo.keys().collect::<Vec<_>>(), ["name"]);
        }
        other => panic!("{other:?}"),
    }
    let only_login = Case { consented_now: Some(ConsentedScope::default()), ..case(&[]) };
    assert_eq!(only_login.issued(), "openid");
    let nothing = Case { consented_now: Some(ConsentedScope::default()), ..case(&[("scope", "email")]) };
    assert_eq!(nothing.refusal(), ErrorCode::AccessDenied);
}

#[test]
fn consent_does_not_stand_in_for_the_login() {
    let consented_now = Some(consented("openid email", &[]));
    let stale = Case { consented_now: consented_now.clone(), ..case(&[("prompt", "login")]) };
    assert_eq!(stale.login_reason(), LoginReason::Prompt);
    let anonymous = Case { consented_now, user: None, ..case(&[]) };
    assert_eq!(anonymous.login_reason(), LoginReason::NoSession);
}

#[test]
fn a_first_party_client_skips_the_consent() {
    let first_party = |pairs: &[_]| Case { remembered: None, ..case(pairs) }.with_client(|metadata| metadata.first_party = true);
    assert_eq!(first_party(&[]).issued(), "email openid");
    assert_eq!(first_party(&[("prompt", "none")]).issued(), "email openid");
}

#[test]
fn a_client_that_anybody_can_pose_as_is_never_answered_in_silence() {
    for uri in ["com.example.app:/cb", "http://127.0.0.1/cb", "http://localhost:3000/cb"] {
        for first_party in [false, true] {
            let posed = |pairs: &[_]| {
                case(pairs).with_client(|metadata| {
                    metadata.application_type = ApplicationType::Native;
                    metadata.token_endpoint_auth_method = ClientAuthMethod::None;
                    metadata.redirect_uris = vec![uri.to_owned()];
                    metadata.first_party = first_party;
                })
            };
            assert_eq!(posed(&[("prompt", "none")]).refusal(), ErrorCode::InteractionRequired, "{uri}");
            assert_eq!(posed(&[]).question(), consented("openid email", &[]));
            assert_eq!(posed(&[]).logged_in_now().question(), consented("openid email", &[]));
            let agreed = Case { consented_now: Some(consented("openid email", &[])), ..posed(&[]) };
            assert_eq!(agreed.issued(), "email openid");
            assert_eq!(Case { user: None, ..posed(&[("prompt", "none")]) }.refusal(), ErrorCode::LoginRequired);
        }
    }
}

#[test]
fn a_public_client_on_https_and_a_confidential_one_on_loopback_are_known() {
    let page = case(&[("prompt", "none")]).with_client(|metadata| metadata.token_endpoint_auth_method = ClientAuthMethod::None);
    assert_eq!(page.issued(), "email openid");
    let local =
        case(&[("prompt", "none")]).with_client(|metadata| metadata.redirect_uris = vec!["http://localhost:3000/cb".to_owned()]);
    assert_eq!(local.issued(), "email openid");
}

#[test]
fn an_essential_acr_that_cannot_be_reached_is_refused_at_once() {
    let essential = ("claims", r#"{"id_token":{"acr":{"essential":true,"values":["phr","phrh"]}}}"#);
    assert_eq!(case(&[essential]).refusal(), ErrorCode::UnmetAuthenticationRequirements);
    assert_eq!(Case { user: None, ..case(&[essential]) }.refusal(), ErrorCode::UnmetAuthenticationRequirements);
    let met = ("claims", r#"{"id_token":{"acr":{"essential":true,"values":["phr","1"]}}}"#);
    assert_eq!(case(&[met]).issued(), "email openid");
}

#[test]
fn an_essential_acr_that_can_be_reached_is_one_more_login() {
    let essential = ("claims", r#"{"id_token":{"acr":{"essential":true,"value":"2"}}}"#);
    let reachable = |pairs: &[_]| Case { available_acrs: vec!["1", "2"], ..case(pairs) };
    assert_eq!(reachable(&[essential]).login_reason(), LoginReason::StepUp);
    assert_eq!(reachable(&[essential, ("prompt", "none")]).refusal(), ErrorCode::InteractionRequired);
    assert_eq!(reachable(&[essential]).logged_in_now().refusal(), ErrorCode::UnmetAuthenticationRequirements);
}

#[test]
fn a_voluntary_acr_never_refuses() {
    for wish in [("acr_values", "2 3"), ("claims", r#"{"id_token":{"acr":{"values":["2"]}}}"#)] {
        assert_eq!(case(&[wish]).issued(), "email openid");
        let reachable = |pairs: &[_]| Case { available_acrs: vec!["1", "2"], ..case(pairs) };
        assert_eq!(reachable(&[wish]).login_reason(), LoginReason::StepUp);
        assert_eq!(reachable(&[wish]).logged_in_now().issued(), "email openid");
        assert_eq!(reachable(&[wish, ("prompt", "none")]).issued(), "email openid");
    }
    let any = Case { available_acrs: vec!["1", "2"], ..case(&[("acr_values", "2 1")]) };
    assert_eq!(any.issued(), "email openid");
}

fn any_case() -> impl Strategy<Value = Case> {
    let pick = |values: Vec<&'static str>| prop::sample::select(values);
    let request = (
        pick(vec!["", "none", "login", "consent", "select_account", "login consent select_account"]),
        pick(vec!["", "0", "60", "86400"]),
        pick(vec!["openid", "openid email", "email", "openid phone offline_access"]),
        pick(vec![
            "{}",
            r#"{"userinfo":{"name":null}}"#,
            r#"{"id_token":{"acr":{"essential":true,"value":"2"}}}"#,
            r#"{"id_token":{"sub":{"value":"bob"}}}"#,
        ]),
        pick(vec!["", "2", "1", "9"]),
    );
    let situation = (
        pick(vec!["", "alice", "bob"]),
        -100_i64..100,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(pick(vec!["alice", "bob"])),
    );
    (request, situation).prop_map(
        |((prompt, max_age, scope, claims, acrs), (name, ago, chosen, remembered, two, posing, hint))| {
            let pairs = [("prompt", prompt), ("max_age", max_age), ("scope", scope), ("claims", claims), ("acr_values", acrs)];
            let case = Case {
                hint: hint.map(user),
                user: (!name.is_empty()).then(|| user(name)),
                auth_time: NOW - Seconds(ago),
                account_selected: chosen,
                remembered: remembered.then(|| consented("openid email phone offline_access", &["name"])),
                available_acrs: if two { vec!["1", "2"] } else { vec!["1"] },
                ..case(&pairs)
            };
            if !posing {
                return case;
            }
            case.with_client(|metadata| {
                metadata.token_endpoint_auth_method = ClientAuthMethod::None;
                metadata.redirect_uris = vec!["http://localhost/cb".to_owned()];
            })
        },
    )
}

proptest! {
    #[test]
    fn prompt_none_never_shows_anything(mut case in any_case()) {
        case.pairs[0] = ("prompt", "none");
        let decision = case.decide();
        prop_assert!(matches!(decision, Decision::Issue { .. } | Decision::Refuse(_)), "{:?}", decision);
    }

    #[test]
    fn every_flow_ends_if_the_person_does_what_is_asked(mut case in any_case()) {
        for _ in 0..4 {
            match case.decide() {
                Decision::LogIn { .. } => {
                    case.user.get_or_insert_with(|| user("alice"));
                    case = case.logged_in_now();
                }
                Decision::SelectAccount => case.account_selected = true,
                Decision::AskConsent(asked) => case.consented_now = Some(asked),
                Decision::Issue { .. } | Decision::Refuse(_) => return Ok(()),
            }
        }
        prop_assert!(false, "no end");
    }

    #[test]
    fn nothing_is_issued_about_anybody_but_the_hinted_person(case in any_case()) {
        if let (Decision::Issue { .. }, Some(hint)) = (case.decide(), &case.hint) {
            prop_assert_eq!(case.user.as_ref(), Some(hint));
        }
    }
}
