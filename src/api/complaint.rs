//! What is wrong with what a person sent, as an error of the API that names the member.

use super::error::{ApiError, Detail};
use crate::account::Complaint;
use crate::protocol::time::Seconds;
use crate::web::error::Problem;

/// The error for all of it. `limited` says how long to wait, where it is that too much was tried.
pub(super) fn refused(complaints: &[Complaint], limited: impl FnOnce() -> Seconds) -> ApiError {
    let error = told(complaints, limited);
    match complaints.first() {
        Some(first) => error.because(first.reason()),
        None => error,
    }
}

fn told(complaints: &[Complaint], limited: impl FnOnce() -> Seconds) -> ApiError {
    if complaints.contains(&Complaint::TooMany) {
        return ApiError::too_many(limited());
    }
    if complaints.iter().any(|complaint| complaint.is_passing()) {
        return Problem::overloaded().into();
    }
    if complaints.contains(&Complaint::Code) {
        return ApiError::invalid_email_code();
    }
    ApiError::invalid(complaints.iter().map(|complaint| detail(*complaint)).collect())
}

fn detail(complaint: Complaint) -> Detail {
    match complaint {
        Complaint::Name => Detail::new("username", "malformed"),
        Complaint::NameTaken => Detail::new("username", "taken"),
        Complaint::Address => Detail::new("email", "malformed"),
        Complaint::AddressDomain => Detail::new("email", "not_allowed"),
        Complaint::Password(problem) => Detail { message: Some(problem.to_string()), ..Detail::new("password", problem.code()) },
        Complaint::Repetition => Detail::new("password", "not_repeated"),
        Complaint::CurrentPassword => Detail::new("current_password", "wrong"),
        // The others are errors of their own.
        Complaint::Challenge => Detail::new("solution", "missing"),
        Complaint::Code => Detail::new("code", "wrong"),
        Complaint::TooMany | Complaint::Overloaded => Detail::new("", "later"),
    }
}
