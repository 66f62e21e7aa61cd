//! What an application keeps in the place of a browser's cookie while its person looks into the mailbox.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::entry::At;
use crate::account::{CODE_LIFETIME, Holder};
use crate::api::body::SecretText;
use crate::api::error::ApiError;
use crate::audit::Kind;
use crate::guard::Subject;
use crate::guard::limit::Action;
use crate::protocol::time::Seconds;
use crate::random;
use crate::text::Text;

/// The code's id, and a secret that whoever asked for it alone knows.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) id: String,
    secret: String,
}

/// A code is on its way to the mailbox, or a notice to its owner: which of them is not told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CodeSent {
    /// To be sent with the code. Keep it secret.
    handle: String,
    /// Seconds.
    expires_in: i64,
}

impl Handle {
    pub(super) fn new() -> Self {
        Self { id: String::new(), secret: random::secret() }
    }

    fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_once('.')?;
        Some(Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// Codes belong to the client that asked for them, and to the secret.
    pub(super) fn holder(&self, at: At<'_>) -> Holder {
        Holder::new(at.state, &at.holder(&format!("code {}", self.secret)))
    }

    /// The answer to whoever asked for the code `id`.
    pub(super) fn sent(&self, id: &str) -> Response {
        let sent = CodeSent { handle: format!("{id}.{}", self.secret), expires_in: CODE_LIFETIME.0 };
        (StatusCode::ACCEPTED, Json(sent)).into_response()
    }
}

impl At<'_> {
    /// The handle that came with a code. One that is none is recorded as the refusal of what was asked for.
    pub(super) fn handle(self, sent: &SecretText, asked: Kind) -> Result<Handle, ApiError> {
        Handle::parse(sent.expose()).ok_or_else(|| {
            self.refused_as(asked, None, "code_unknown");
            ApiError::invalid_email_code()
        })
    }

    /// How long to wait before the same is tried again.
    pub(super) fn wait(self, action: Action, subject: Subject<'_>) -> Seconds {
        self.state.guard.wait(action, &subject, self.context.now)
    }

    pub(super) fn wait_for_mail(self) -> Seconds {
        self.wait(Action::RequestMail, Subject::new(self.context.address))
    }

    pub(super) fn wait_for_code(self, id: &str) -> Seconds {
        self.wait(Action::Code, Subject::new(self.context.address).session(id).account(id))
    }

    /// The language that mails are written in: the one that is asked for, or the nearest.
    pub(super) fn language(self, wanted: Option<&str>) -> String {
        Text::wanted(wanted, &self.state.config.server.default_locale).language()
    }
}
