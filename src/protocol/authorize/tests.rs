//! The rows of an authorization decision, one case each.

use super::*;
use crate::protocol::authentication::Method;
use crate::protocol::authorization_request::{self, ServerPolicy};
use crate::protocol::client::testing::client;
use crate::protocol::client::{ApplicationType, ClientAuthMethod, ClientMetadata};
use crate::protocol::params::Params;

mod consent;
mod factors;
mod login;
mod properties;

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
    factors: Vec<Method>,
    enrolled: Enrolled,
    required: Vec<Acr>,
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn consented(scope: &str, claims: &[&str]) -> ConsentedScope {
    ConsentedScope {
        scope: Scope::parse(scope).unwrap(),
        claims: claims.iter().map(|claim| (*claim).to_owned()).collect(),
        reach: Reach::default(),
    }
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
        factors: vec![Method::Password],
        enrolled: Enrolled { password: true, ..Enrolled::default() },
        required: Vec::new(),
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
        let policy = ServerPolicy::new(&Scope::default(), true, "https://id.example");
        let redirect_uri = authorization_request::redirect_uri(&params, &self.client).unwrap();
        let mut request = AuthorizationRequest::parse(&params, &self.client, &redirect_uri, &policy).unwrap();
        request.id_token_hint_sub = self.hint.as_ref().map(ToString::to_string);
        let factors = self.factors.iter().fold(Factors::default(), |factors, method| factors.and(*method, self.auth_time));
        let required: Vec<Acr> = self.required.iter().copied().chain(self.enrolled.own_requirement()).collect();
        let session = self.user.as_ref().map(|user_id| SessionFacts {
            user_id,
            subject: user_id.as_str(),
            auth_time: self.auth_time,
            factors: &factors,
            enrolled: self.enrolled,
            required: &required,
        });
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
