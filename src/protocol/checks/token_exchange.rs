//! Checks of token exchange (RFC 8693).

use super::target::{DETAILS_ASKED, DETAILS_GRANTED};
use super::{Group, check};

pub const TOKEN_EXCHANGE: Group = Group {
    name: "Token exchange",
    checks: &[
        check("confidential", &["exchange_by_public_client"], "Can the client authenticate?", "A confidential client."),
        check(
            "exchange_policy",
            &["exchange_without_policy"],
            "May it exchange anything?",
            "Registering the client with a token_exchange member.",
        ),
        check(
            "requested_token_type",
            &["requested_token_type_unsupported"],
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token, or none.",
        ),
        check(
            "subject_token_given",
            &["parameter_missing"],
            "subject_token and subject_token_type",
            "A subject_token with its subject_token_type.",
        ),
        check(
            "subject_token_type",
            &["subject_token_type_unsupported"],
            "Is it a type that is exchanged?",
            "The type of an access token or an ID token.",
        ),
        check(
            "subject_token",
            &["subject_token_invalid"],
            "Does it count?",
            "An access token of this server's, or an ID token whose login still stands, that has neither expired nor been revoked.",
        ),
        check(
            "subject_token_key",
            &["subject_token_key_not_proved"],
            "Is it bound to a key that the request proves?",
            "A proof with the key that the token is bound to.",
        ),
        check(
            "subject_token_owner",
            &["subject_token_of_others"],
            "Was it given to the client, or was the client called with it?",
            "A token of the client's own, or one whose audience is in the client's token_exchange.accepts.",
        ),
        check(
            "subject_token_factors",
            &["subject_token_too_weak"],
            "Was the login as strong as the client and the roles of the person ask for?",
            "A login with the factors that the client's required_acr and the person's roles ask for.",
        ),
        check("actor_token_given", &["actor_token_incomplete"], "actor_token and actor_token_type", "Both of them, or neither."),
        check(
            "actor_token_type",
            &["actor_token_type_unsupported"],
            "Is it a type that names an actor?",
            "urn:ietf:params:oauth:token-type:access_token.",
        ),
        check(
            "actor_token",
            &["actor_token_invalid"],
            "Does it count, and is it the client's?",
            "An access token that was given to the client.",
        ),
        check(
            "actor_token_key",
            &["actor_token_key_not_proved"],
            "Is it bound to a key that the request proves?",
            "A proof with the key that the token is bound to.",
        ),
        check(
            "may_act",
            &["actor_not_named_by_may_act"],
            "Does the subject's token name another actor?",
            "The actor that its `may_act` names, which is that of the client that it was given to.",
        ),
        check(
            "impersonation",
            &["impersonation_without_may_act"],
            "May the client act without being named?",
            "A subject_token whose `may_act` names the client; or an actor_token.",
        ),
        check("actors", &["actor_chain_too_long"], "How many acted before?", "At most eight that follow one another."),
        check(
            "administrator",
            &["impersonation_of_an_administrator"],
            "Is it about somebody who administers?",
            "Anybody else; or an actor_token.",
        ),
        check(
            "target",
            &["exchange_target_not_allowed", "exchange_target_missing"],
            "audience and resource",
            "Audiences that are in the client's token_exchange.audiences.",
        ),
        check("scope_form", &["scope_malformed"], "The form of scope.", "Scope values, separated by single spaces; or none."),
        check(
            "scope",
            &["scope_wider_than_subject"],
            "Is it within what the subject's token and the client have?",
            "Asking for values only that both have.",
        ),
        DETAILS_ASKED,
        DETAILS_GRANTED,
    ],
};
