//! The table of security events.

macro_rules! kinds {
    ($($variant:ident = $name:literal, $doc:literal;)*) => {
        /// What happened: the `type` of a row in the audit log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $doc] $variant,)*
        }

        impl Kind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the audit log: stable, `thing.what_happened`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, for the documentation.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

kinds! {
    // People
    UserLogin = "user.login", "Somebody proved who they are, or failed to.";
    SecondFactor = "user.second_factor", "A wrong code of an authenticator app, or a wrong recovery code, or too many of them.";
    UserReauthenticated = "user.reauthenticated", "Somebody who is logged in proved once more, or more strongly, who they are.";
    UserLogout = "user.logout", "Somebody logged out of their browser, or of an application.";
    UserCreated = "user.created", "A person was registered.";
    UserUpdated = "user.updated", "A person's sign-in name or profile was changed.";
    UserRolesChanged = "user.roles_changed", "A person was given or lost roles.";
    UserDisabled = "user.disabled", "A person was disabled: sessions and grants ended.";
    UserEnabled = "user.enabled", "A disabled person was enabled again.";
    UserDeleted = "user.deleted", "A person was deleted, with everything that was theirs.";
    UserPasswordChanged = "user.password_changed", "A password was set: sessions and grants ended.";
    UserPasswordRemoved = "user.password_removed", "A person did away with their password: their other sessions ended.";
    PasskeyAdded = "passkey.added", "A person set up a passkey, or failed to.";
    PasskeyRenamed = "passkey.renamed", "A person gave a passkey another name.";
    PasskeyRemoved = "passkey.removed", "A passkey was taken away, by its owner or by an administrator.";
    PasskeySuspicious = "passkey.suspicious", "A passkey's counter did not rise: there may be a copy of it. The login went on.";
    FactorAdded = "factor.added", "A person set up a second factor: their other sessions ended.";
    FactorRemoved = "factor.removed", "A person removed a second factor.";
    FactorsReset = "factors.reset", "An administrator took a person's second factors away: sessions ended.";
    RecoveryCodesCreated = "recovery_codes.created", "A person was given new recovery codes; the older ones count no longer.";
    UserPasswordLocked = "user.password_locked", "So many logins failed that the password opens nothing on devices that are not known.";
    AddressBlocked = "address.blocked", "An address failed at so many accounts that nobody logs in from there for a while.";
    LockoutReleased = "lockout.released", "An administrator let a locked account or a blocked address in again.";
    LockoutKept = "lockout.kept", "An administrator looked at a locked account or a blocked address, and left it so.";
    RegistrationRequested = "user.registration_requested", "Somebody wants to register: a code was mailed, or a notice to who has an account.";
    UserRegistered = "user.registered", "Somebody proved their address and has an account now, or showed a wrong code.";
    RecoveryRequested = "user.recovery_requested", "Somebody forgot a password: a code was mailed, if there is such a person.";
    EmailCodeRequested = "user.email_code_requested", "A person was mailed a code to prove an address.";
    UserEmailChanged = "user.email_changed", "A person proved an address, or showed a wrong code.";
    UserReauthentication = "user.reauthentication", "A person failed to show that it is still them.";
    InvitationCreated = "invitation.created", "Somebody was invited to register.";
    InvitationDeleted = "invitation.deleted", "An invitation was taken back.";
    UserDeletionScheduled = "user.deletion_scheduled", "A person wants to be deleted: sessions and grants ended; until the day a login takes it back.";
    UserDeletionTakenBack = "user.deletion_taken_back", "A person who was to be deleted logged in: the account stays.";
    UserExported = "user.exported", "A person took a copy of everything that is held about them.";
    SessionRenamed = "session.renamed", "A person gave one of their sessions another name.";
    SessionEnded = "session.ended", "A browser session was ended by somebody else, or from another session.";
    SetupLinkCreated = "setup.link_created", "A link was printed that lets its finder become the first administrator.";
    SetupCompleted = "setup.completed", "The first administrator was created with a set-up link, or somebody failed to.";
    // Authorization
    AuthorizationGranted = "authorization.granted", "A code was given to a client on a person's behalf.";
    AuthorizationRefused = "authorization.refused", "An authorization request was refused.";
    PushedRequestRefused = "pushed_request.refused", "A client pushed an authorization request, which was refused.";
    DeviceRefused = "device.refused", "A device asked to be connected, or somebody typed a device's code, which was refused.";
    BackchannelAsked = "backchannel.asked", "A client asked a person who is elsewhere.";
    BackchannelRefused = "backchannel.refused", "A client wanted to ask a person who is elsewhere, which was refused.";
    BackchannelUndelivered = "backchannel.undelivered", "A client could not be told that a person has answered, or refused to be told.";
    ConsentGiven = "consent.given", "A person agreed to what a client asks for.";
    ConsentDenied = "consent.denied", "A person denied a client what it asks for.";
    ConsentRevoked = "consent.revoked", "A consent was taken back, and the client's tokens with it.";
    CodeReplayed = "code.replayed", "An authorization code, or that of a device or of a request to a person, came a second time: what its first use gave out was revoked.";
    // Tokens
    TokenIssued = "token.issued", "Tokens were given out.";
    TokenRefused = "token.refused", "A request to the token endpoint was refused.";
    TokenRevoked = "token.revoked", "A client took back a token.";
    RefreshTokenReplayed = "refresh_token.replayed", "A refresh token came again after its successor was used: its family was revoked.";
    // Clients
    ClientAuthentication = "client.authentication", "A client failed to prove who it is.";
    ClientCreated = "client.created", "A client was registered.";
    ClientRegistrationTokenCreated = "client.registration_token_created", "A token was made that lets its holder register clients.";
    ClientRegistrationTokenRevoked = "client.registration_token_revoked", "Such a token was taken back.";
    ClientRegistrationRead = "client.registration_read", "A client that registered itself was refused its registration.";
    ClientUpdated = "client.updated", "A client's registration was changed.";
    ClientDisabled = "client.disabled", "A client was disabled: its tokens count no longer.";
    ClientEnabled = "client.enabled", "A disabled client was enabled again.";
    ClientDeleted = "client.deleted", "A client was deleted, with its tokens and consents.";
    ClientSecretReset = "client.secret_reset", "A client was given a new secret; the older one expires.";
    // Resources
    ResourceCreated = "resource.created", "An API was registered that clients may ask for tokens for.";
    ResourceUpdated = "resource.updated", "What is registered for an API was changed.";
    ResourceDeleted = "resource.deleted", "An API was deleted: nothing is given out for it any more.";
    // Keys
    KeyCreated = "key.created", "A signing key was generated and published.";
    KeyRotated = "key.rotated", "A signing key began to sign in place of another.";
    KeyRetired = "key.retired", "A signing key was taken out of the published set.";
    MasterKeyAdded = "master_key.added", "Another master key opens the database from now on.";
    MasterKeyDropped = "master_key.dropped", "A master key opens the database no longer.";
    // Mail
    MailRefused = "mail.refused", "The mail server refused a mail for good: it was not sent.";
    MailExpired = "mail.expired", "A mail was of no use any more before it could be sent.";
    // Logout
    LogoutUndelivered = "logout.undelivered", "An application could not be told that a session ended, or refused to be told.";
    // The server
    ApiRefused = "api.refused", "The management API refused a caller.";
    RequestForged = "request.forged", "A form or request came from a foreign page.";
    AuditExported = "audit.exported", "Somebody took a copy of the audit log, or of a part of it.";
    AuditPruned = "audit.pruned", "Entries that were older than the audit log is kept were deleted.";
    BackupCreated = "backup.created", "Somebody at the machine took a copy of everything.";
    BackupRestored = "backup.restored", "The installation was made of a backup: what came after that was undone.";
    AuditDropped = "audit.dropped", "More refusals came than could be recorded; the count says how many are missing.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words.len(), Kind::ALL.len());
        assert!(
            words
                .iter()
                .all(|word| word.split('.').count() == 2 && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_' | b'.')))
        );
    }
}
