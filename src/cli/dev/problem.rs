//! What goes wrong in the demonstration, and the page that says so.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::relying_party::{CallError, Exchange};
use super::verify::Invalid;
use super::view;

#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("There is no such page.")]
    NoSuchPage,
    #[error("This form comes from another site.")]
    ForeignForm,
    #[error("Nobody is logged in here any more.")]
    NotLoggedIn,
    #[error(
        "This answer doesn't belong to a login that this browser has begun: `state` is not known here, or was used already. \
         It is not looked at any further."
    )]
    ForeignAnswer,
    #[error("This answer comes from another provider than the one that was asked: `iss` is not its issuer.")]
    OtherIssuer,
    #[error("The provider answered, and not with a code.")]
    Refused { error: String, description: String },
    #[error("The token endpoint gave no tokens.")]
    NoTokens(Exchange),
    #[error("The ID token did not withstand the checks: {0}.")]
    BadIdToken(Invalid),
    #[error("There is no refresh token to use.")]
    NoRefreshToken,
    #[error("{0}.")]
    Call(#[from] CallError),
}

impl Problem {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::ForeignForm => StatusCode::FORBIDDEN,
            Self::NotLoggedIn | Self::ForeignAnswer | Self::OtherIssuer | Self::NoRefreshToken => StatusCode::BAD_REQUEST,
            // A refused login is an answer like any other.
            Self::Refused { .. } => StatusCode::OK,
            Self::NoTokens(_) | Self::BadIdToken(_) | Self::Call(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The page's heading.
    pub const fn heading(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "No login this time",
            Self::NoSuchPage => "Not found",
            _ => "That did not work",
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status(), view::problem(&self)).into_response()
    }
}
