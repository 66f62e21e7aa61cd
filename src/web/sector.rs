//! The document that says which clients form one sector (OpenID Connect Core §8.1), looked at when a client is registered.

use http::StatusCode;
use url::Url;

use crate::outbound::http::Outbound;
use crate::protocol::client::ClientMetadata;
use crate::protocol::client_registration::Problem;
use crate::protocol::subject_type::check_document;

/// The code of the problem that there is no document.
pub const UNREACHABLE: &str = "unreachable";

/// Asks for the document of the client's sector, if it names one, and looks whether the client is in it.
pub async fn check(outbound: &Outbound, metadata: &ClientMetadata) -> Result<(), Problem> {
    let problem = |code, message: &str| Problem { field: "sector_identifier_uri".to_owned(), code, message: message.to_owned() };
    let Some(uri) = &metadata.sector_identifier_uri else { return Ok(()) };
    let unreachable = || problem(UNREACHABLE, "does not answer with 200");
    let url = Url::parse(uri).map_err(|_| unreachable())?;
    let answer = outbound.get(&url, "application/json").await.map_err(|_| unreachable())?;
    if answer.status != StatusCode::OK {
        return Err(unreachable());
    }
    check_document(&answer.body, metadata).map_err(|invalid| problem(invalid.code(), &invalid.to_string()))
}
