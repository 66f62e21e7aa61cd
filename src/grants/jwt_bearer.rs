//! The JWT bearer grant (RFC 7523 §2.1): an issuer that the operator trusts says whom the client acts for.
//!
//! There was no login here, so there is neither an ID token nor a refresh token, and nothing that asks for one is given out. What is
//! given hangs on a grant of its own that ends with the token: whatever ends the person's other grants ends it too.

use super::access_token;
use super::{Failure, TokenRequest, TokenResponse};
use crate::audit;
use crate::config::SubjectIs;
use crate::keys::foreign;
use crate::keys::hash::TokenKind;
use crate::keys::ring::Untrusted;
use crate::protocol::access_token::{AccessTokenClaims, TokenId};
use crate::protocol::assertion::Once;
use crate::protocol::audience::Audience;
use crate::protocol::email_address::EmailAddress;
use crate::protocol::error::OAuthError;
use crate::protocol::id::{GrantId, SessionId, UserId};
use crate::protocol::jwt_bearer::{
    self, ACR, CLIENT_NOT_ALLOWED, ISSUER_UNKNOWN, KEYS_UNAVAILABLE, MALFORMED, PERSON_DISABLED, PERSON_LEAVING, PERSON_UNKNOWN,
    PUBLIC_CLIENT, REPLAYED, TARGET, UNKNOWN_KEY, WITHOUT_FACTORS, WRONG_ALGORITHM, WRONG_SIGNATURE, WRONG_TYPE,
};
use crate::protocol::resource::{Reach, Target};
use crate::protocol::scope::Scope;
use crate::protocol::sign_in_name::SignInName;
use crate::random;
use crate::storage::grants::{self, Grant};
use crate::storage::users::{self, User};
use crate::storage::{self, email_addresses, spent};
use crate::telemetry::findings::note;
use crate::web::error::Problem;
use crate::web::trusted_issuers::Trusted;

/// What became of it in the transaction.
enum Redeemed {
    Given,
    Refused(OAuthError),
}

pub(super) async fn redeem(request: TokenRequest<'_>) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, client, confirmation, .. } = request;
    if client.is_public() {
        return Err(PUBLIC_CLIENT.into());
    }
    let (issuer, subject, once) = verified(&request).await?;
    let user = person(&request, issuer, &subject).await?;
    let resources = state.resources.current().await?;
    let asked = request.scope()?.map(|asked| asked.filter(|value| state.knows_scope(value, client, &resources)));
    let scope = jwt_bearer::scope(client, &issuer.scope, asked).inspect_err(|_| {
        note("scope", "of_the_issuer", &issuer.scope);
        note("scope", "of_the_client", &client.metadata.scope);
    })?;
    let target = target(&request, issuer, &scope).await?;

    let grant = grant(&request, &user, &target)?;
    let claims = AccessTokenClaims {
        iss: state.config.server.issuer.clone(),
        sub: state.subjects.of(client, &user.id),
        aud: Audience(target.audience),
        exp: grant.expires_at,
        iat: context.now,
        nbf: None,
        jti: TokenId::of_grant(&grant.id, &random::identifier()),
        client_id: client.id.clone(),
        scope: target.scope.clone(),
        auth_time: None,
        acr: Some(grant.acr.clone()),
        amr: Vec::new(),
        sid: None,
        authorization_details: Vec::new(),
        cnf: confirmation,
        act: None,
        may_act: access_token::may_act(client),
    };
    let mut event = audit::token_issued(context, client, Some(&grant), &claims, "jwt_bearer");
    event.details.insert("assertion_issuer".to_owned(), issuer.config.issuer.as_str().into());
    let owner = (Some(grant.id.clone()), Some(user.id.clone()));
    let token = access_token::prepare_claims(state, (target.format, target.algorithm), claims, owner);
    let hash = state.tokens.hash(TokenKind::BearerAssertion, &format!("{} {}", issuer.config.issuer, once.jti));
    let redeemed = state.db.write(async |tx| {
        if !users::stands(tx, &user).await? {
            return Ok(Redeemed::Refused(PERSON_DISABLED));
        }
        // Who is about to leave comes back by logging in, and not by what somebody else says.
        if users::deletion_due_at(tx, &user.id).await?.is_some() {
            return Ok(Redeemed::Refused(PERSON_LEAVING));
        }
        if !spent::spend(tx, &hash, once.ends_at, context.now).await? {
            return Ok(Redeemed::Refused(REPLAYED));
        }
        grants::insert(tx, &grant).await?;
        token.store(tx).await?;
        storage::audit::insert(tx, &event).await?;
        Ok(Redeemed::Given)
    });
    if let Redeemed::Refused(error) = redeemed.await? {
        return Err(error.into());
    }
    let (expires_in, token_type) = (token.lifetime(), token.token_type());
    Ok(TokenResponse {
        access_token: token.finish(state).map_err(Problem::internal)?,
        issued_token_type: None,
        token_type,
        expires_in,
        refresh_token: None,
        id_token: None,
        scope: target.scope,
        authorization_details: Vec::new(),
    })
}

/// Who made the assertion, whom it is about, and what makes it good once.
async fn verified<'a>(request: &TokenRequest<'a>) -> Result<(&'a Trusted, String, Once), Failure> {
    let TokenRequest { state, context, client, .. } = *request;
    let token = request.required("assertion")?;
    let named = jwt_bearer::unverified_issuer(token)?;
    let Some(issuer) = state.trusted_issuers.named(&named) else {
        note("bearer_issuer", "iss", &named);
        return Err(ISSUER_UNKNOWN.into());
    };
    if !issuer.takes(client) {
        note("bearer_client", "allowed", issuer.config.clients.join(" "));
        return Err(CLIENT_NOT_ALLOWED.into());
    }
    let verified = issuer.verify(&state.client_keys, token, context.now).await.map_err(|cause| {
        note("bearer_keys", "failure", cause);
        KEYS_UNAVAILABLE
    })?;
    let claims = verified.map_err(|untrusted| {
        foreign::note_header(token, HEADER);
        refusal(untrusted)
    })?;
    let own_name = &state.config.server.issuer;
    let (subject, once) = jwt_bearer::check(&claims, own_name, context.now).inspect_err(|_| {
        let claim = |name: &str| claims.get(name).map_or_else(|| "none".to_owned(), ToString::to_string);
        note("bearer_audience", "presented", claim("aud"));
        note("bearer_audience", "expected", own_name);
        for (check, name) in [("bearer_expiry", "exp"), ("bearer_begin", "iat"), ("bearer_begin", "nbf")] {
            note(check, name, claim(name));
        }
        note("bearer_expiry", "now", context.now.as_seconds());
    })?;
    Ok((issuer, subject.to_owned(), once))
}

fn refusal(untrusted: Untrusted) -> OAuthError {
    match untrusted {
        Untrusted::Malformed | Untrusted::Claims | Untrusted::Unacceptable(_) => MALFORMED,
        Untrusted::UnknownKey => UNKNOWN_KEY,
        Untrusted::Algorithm => WRONG_ALGORITHM,
        Untrusted::Type => WRONG_TYPE,
        Untrusted::Signature => WRONG_SIGNATURE,
    }
}

/// The checks of the header.
const HEADER: [&str; 3] = ["bearer_algorithm", "bearer_type", "bearer_key"];

/// Whom the issuer means, if a token may be given for them though they did not log in.
async fn person(request: &TokenRequest<'_>, issuer: &Trusted, subject: &str) -> Result<User, Failure> {
    let TokenRequest { state, client, .. } = *request;
    let mut conn = state.db.read().await?;
    let found = match issuer.config.subject {
        SubjectIs::UserId => match UserId::parse(subject) {
            Ok(id) => users::by_id(&mut conn, &id).await?,
            Err(_) => None,
        },
        SubjectIs::SignInName => match SignInName::parse(subject) {
            Ok(name) => users::by_canonical_name(&mut conn, name.canonical()).await?,
            Err(_) => None,
        },
        SubjectIs::Email => match EmailAddress::parse(subject) {
            Ok(address) => email_addresses::reader(&mut conn, &address).await?,
            Err(_) => None,
        },
    };
    drop(conn);
    let user = found.ok_or(PERSON_UNKNOWN)?;
    if !user.is_active() {
        return Err(PERSON_DISABLED.into());
    }
    let of_roles = state.config.authentication.required_of(&user.roles);
    if let Some(acr) = client.metadata.required_acr.into_iter().chain(of_roles).max() {
        note("factors", "acr_asked_for", acr);
        return Err(WITHOUT_FACTORS.into());
    }
    Ok(user)
}

/// What the token is for: what the request names, else the client's usual audience, as far as the issuer is trusted.
async fn target(request: &TokenRequest<'_>, issuer: &Trusted, scope: &Scope) -> Result<Target, Failure> {
    let TokenRequest { state, client, params, .. } = *request;
    let (resources, own_name) = (state.resources.current().await?, &state.config.server.issuer);
    let asked = resources
        .asked_by_service(params, client, own_name)
        .inspect_err(|_| params.values("resource").for_each(|value| note("resource", "presented", value)))?;
    let target = resources.target(client, &asked, scope, own_name);
    let allowed = &issuer.config.audiences;
    if !allowed.is_empty() && !target.audience.iter().all(|audience| allowed.contains(audience)) {
        note("bearer_target", "asked_for", target.audience.join(" "));
        note("bearer_target", "allowed", allowed.join(" "));
        return Err(TARGET.into());
    }
    Ok(target)
}

/// It has no session: nobody logged in, and there is nothing that its person could log out of.
fn grant(request: &TokenRequest<'_>, user: &User, target: &Target) -> Result<Grant, Problem> {
    let TokenRequest { state, context, client, .. } = *request;
    Ok(Grant {
        id: GrantId::parse(random::neighbouring_uuid()).map_err(Problem::internal)?,
        client_id: client.id.clone(),
        user_id: user.id.clone(),
        session_id: SessionId::parse(random::neighbouring_uuid()).map_err(Problem::internal)?,
        own_session: false,
        scope: target.scope.clone(),
        claims: None,
        reach: Reach::default(),
        auth_time: context.now,
        amr: Vec::new(),
        acr: ACR.to_owned(),
        confirmation: None,
        created_at: context.now,
        expires_at: context.now + access_token::lifetime(state, target),
        revoked_at: None,
    })
}
