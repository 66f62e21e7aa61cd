//! Which entries: the options of `ostiary audit list` and `ostiary audit export`.

use crate::cli::failure::Failure;
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::time::Timestamp;
use crate::storage::audit::{AuditFilter, Outcome};

#[derive(Debug, clap::Args)]
pub struct Filter {
    /// What happened: `user.login`.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// `success`, `refused` or `failed`.
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Why it was refused: `wrong_password`.
    #[arg(long)]
    reason: Option<String>,
    /// Who did it: the id of a person or a client.
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// The person that it was done to, by id.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// The address that it came from.
    #[arg(long)]
    address: Option<String>,
    /// The request that it happened in.
    #[arg(long, value_name = "TRACE_ID")]
    trace_id: Option<String>,
    /// Not before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

fn outcome(text: &str) -> Result<Outcome, String> {
    let all = [Outcome::Success, Outcome::Refused, Outcome::Failed];
    all.into_iter().find(|outcome| outcome.as_str() == text).ok_or_else(|| "not 'success', 'refused' or 'failed'".to_owned())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| "not a time such as 2026-11-22T09:30:00Z".to_owned())
}

impl Filter {
    pub(super) fn read(self) -> Result<AuditFilter, Failure> {
        Ok(AuditFilter {
            kind: self.kind,
            outcome: self.outcome,
            reason: self.reason,
            actor_id: self.actor,
            user_id: self.user.map(UserId::parse).transpose().map_err(|_| Failure::usage("--user: not the id of a person"))?,
            client_id: self.client.map(ClientId::parse).transpose().map_err(|_| Failure::usage("--client: not a client_id"))?,
            address: self.address,
            trace_id: self.trace_id,
            from: self.from,
            until: self.until,
        })
    }
}
