//! The pages on which people register, recover, and change their password or address.

use askama::Template;

use super::{Challenge, ClientView, Form, Frame};

/// Somebody registers.
#[derive(Clone, Debug, Template)]
#[template(path = "register.html")]
pub struct Register {
    pub frame: Frame,
    pub form: Form,
    /// The client that the person comes from.
    pub client: Option<ClientView>,
    pub with_name: bool,
    pub with_address: bool,
    /// It was invited.
    pub address_is_fixed: bool,
    pub sign_in_name: String,
    pub address: String,
    /// The token of the invitation's link.
    pub invitation: Option<String>,
    /// A proof of work that is asked for.
    pub challenge: Option<Challenge>,
    /// Where those go who have an account.
    pub login: String,
}

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    Register,
    Recover,
    VerifyEmail,
    ChangeEmail,
}

/// The six digits that were mailed.
#[derive(Clone, Debug, Template)]
#[template(path = "code.html")]
pub struct Code {
    pub frame: Frame,
    pub form: Form,
    pub kind: CodeKind,
    /// Where it was sent, as far as the reader may know.
    pub address: Option<String>,
    pub id: String,
}

impl Code {
    fn title(&self) -> String {
        let id = match self.kind {
            CodeKind::Register => "code-register-title",
            CodeKind::Recover => "code-recover-title",
            CodeKind::VerifyEmail | CodeKind::ChangeEmail => "code-email-title",
        };
        self.frame.text.of(id)
    }

    /// Of the address that stands in the account: told apart from a change by the form.
    fn is_verification(&self) -> bool {
        self.kind == CodeKind::VerifyEmail
    }

    /// A code can be sent once more from here.
    fn may_ask_again(&self) -> bool {
        self.kind == CodeKind::Register
    }
}

/// Which account?
#[derive(Clone, Debug, Template)]
#[template(path = "recover.html")]
pub struct Recover {
    pub frame: Frame,
    pub form: Form,
    pub sign_in_name: String,
    pub challenge: Option<Challenge>,
}

/// The new password of somebody who showed the code.
#[derive(Clone, Debug, Template)]
#[template(path = "recover_password.html")]
pub struct RecoverPassword {
    pub frame: Frame,
    pub form: Form,
    pub id: String,
}

/// The new password of somebody who is logged in.
#[derive(Clone, Debug, Template)]
#[template(path = "change_password.html")]
pub struct ChangePassword {
    pub frame: Frame,
    pub form: Form,
    /// For the browser's store of passwords.
    pub sign_in_name: String,
    pub asks_current: bool,
}

/// The new address of somebody who is logged in.
#[derive(Clone, Debug, Template)]
#[template(path = "change_email.html")]
pub struct ChangeEmail {
    pub frame: Frame,
    pub form: Form,
    /// For the browser's store of passwords.
    pub sign_in_name: String,
    pub present: Option<String>,
    pub address: String,
    pub asks_current: bool,
}
