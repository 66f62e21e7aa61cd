//! What a client may exchange, or have for what others say.

use crate::protocol::client::GrantType;
use crate::protocol::token_exchange::ExchangePolicy;

#[derive(Debug, clap::Args)]
pub(super) struct Exchange {
    /// It may exchange people's tokens for ones with this audience (RFC 8693); may be given several times.
    #[arg(long = "exchange-audience", id = "exchange_audiences", value_name = "URI", conflicts_with_all = ["public", "native"])]
    audiences: Vec<String>,
    /// The audience of the tokens that it is called with and may exchange; may be given several times.
    #[arg(long = "exchange-accepts", id = "exchange_accepts", value_name = "URI", requires = "exchange_audiences")]
    accepts: Vec<String>,
    /// It brings assertions about people of the issuers in jwt_bearer.issuers (RFC 7523).
    #[arg(long, conflicts_with_all = ["public", "native"])]
    jwt_bearer: bool,
}

impl Exchange {
    /// The grant types that it is about, and whether they are wanted.
    pub(super) fn grant_types(&self) -> [(bool, GrantType); 2] {
        [(!self.audiences.is_empty(), GrantType::TokenExchange), (self.jwt_bearer, GrantType::JwtBearer)]
    }

    pub(super) fn policy(self) -> Option<ExchangePolicy> {
        let Self { audiences, accepts, .. } = self;
        (!audiences.is_empty()).then_some(ExchangePolicy { audiences, accepts, impersonation: false })
    }
}
