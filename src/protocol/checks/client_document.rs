//! Checks of the document at a `client_id`.

use super::{Check, sometimes};

pub const HOST: Check = sometimes(
    "client_document_host",
    &["client_document_host"],
    "If the client_id is the URL of a document: are those of its host taken?",
    "A host that `client_id_metadata_documents.allowed_hosts` names, if that names any, and `client_id_metadata_documents.denied_hosts` does not.",
);

pub const LIMIT: Check = sometimes(
    "client_document_limit",
    &["rate_limited"],
    "If it has to be asked for: has the sender's address made this server ask too often?",
    "Waiting as long as Retry-After says; `rates.client_document` is the rate.",
);

pub const DOCUMENT: Check = sometimes(
    "client_document",
    &["client_document_unavailable", "client_document_refused"],
    "Is there a document, and is it a registration?",
    "A JSON object, served with status 200 and within five seconds, whose client_id is its URL, with redirect_uris, without secrets, and with what an administrator would be allowed to register. It is asked for anew after ten seconds at the earliest.",
);
