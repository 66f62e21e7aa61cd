//! Cursor paging: `?limit=&after=`, and a list that names the cursor of its next page.

use axum::extract::{FromRequestParts, Query};
use http::Uri;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use crate::storage::page::{Listed, MAX_LIMIT, Page};

/// Items on a page when nothing else is asked for.
const DEFAULT_LIMIT: i64 = 50;

/// The query of a request. A name that the route does not know is refused: a filter that is misspelt must not return everything.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parse(text(parts)?).map(Self)
    }
}

/// The query of a list that has filters: the page that is asked for, and what is left for them.
#[derive(Debug)]
pub struct ListQuery<F> {
    pub page: Page,
    pub filter: F,
}

impl<S: Send + Sync, F: DeserializeOwned> FromRequestParts<S> for ListQuery<F> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let (paging, filter) = split::<Paging, F>(parts, &["limit", "after"])?;
        Ok(Self { page: paging.page()?, filter })
    }
}

/// Reads the query as two things: the parameters of these names, and what is left.
pub(super) fn split<A: DeserializeOwned, B: DeserializeOwned>(parts: &Parts, names: &[&str]) -> Result<(A, B), ApiError> {
    let is_named = |pair: &&str| pair.split('=').next().is_some_and(|name| names.contains(&name));
    let (first, rest): (Vec<&str>, Vec<&str>) = text(parts)?.split('&').partition(is_named);
    Ok((parse(&first.join("&"))?, parse(&rest.join("&"))?))
}

fn text(parts: &Parts) -> Result<&str, ApiError> {
    let query = parts.uri.query().unwrap_or_default();
    if is_text(query) { Ok(query) } else { Err(ApiError::invalid_parameter("query", "not_text")) }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    let malformed = || ApiError::invalid_parameter("query", "unknown_or_malformed");
    let uri = Uri::try_from(format!("/?{query}")).map_err(|_| malformed())?;
    Query::try_from_uri(&uri).map(|Query(parsed)| parsed).map_err(|_| malformed())
}

/// UTF-8 without NUL once decoded. (The form decoder would silently replace bytes that are not.)
fn is_text(query: &str) -> bool {
    percent_encoding::percent_decode_str(query).decode_utf8().is_ok_and(|text| !text.contains('\0'))
}

/// Which part of a list to answer with.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Items on the page: 50 if not given, 200 at most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
}

impl Paging {
    pub fn page(self) -> Result<Page, ApiError> {
        let limit = match self.limit {
            None => DEFAULT_LIMIT,
            Some(text) => match text.parse::<i64>() {
                Ok(limit @ 1..) => limit.min(MAX_LIMIT),
                _ => return Err(ApiError::invalid_parameter("limit", "not_a_positive_number")),
            },
        };
        if self.after.as_ref().is_some_and(|after| after.is_empty() || after.len() > 255) {
            return Err(ApiError::invalid_parameter("after", "not_a_cursor"));
        }
        Ok(Page { after: self.after, limit })
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    pub items: Vec<T>,
    /// `after` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> List<T> {
    pub fn of<Row>(rows: Listed<Row>, view: impl FnMut(Row) -> T) -> Self {
        Self { items: rows.items.into_iter().map(view).collect(), next: rows.next }
    }
}
