//! Form and query parameters: UTF-8, limited, none twice (RFC 6749 §3.1, §3.2).
//!
//! Each extractor comes twice, because the one who is told of a bad request differs: [`Form`] and [`Query`] answer a client
//! in JSON, [`PageForm`] and [`PageQuery`] answer a person with a page.

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, FromRequestParts};
use http::request::Parts;
use http::{Request, StatusCode, header};

use super::body;
use super::error::{Error, PageError, Problem};
use crate::protocol::client_auth::refuse_credentials_in_query;
use crate::protocol::params::{Params, ParamsError};

/// A client's `application/x-www-form-urlencoded` body. No parameter may be given twice (RFC 6749 §3.2), and no secret may
/// stand in the URL (§2.3.1).
#[derive(Clone, Debug)]
pub struct Form(pub Params);

impl<S: Sync> FromRequest<S> for Form {
    type Rejection = Error;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Error> {
        refuse_credentials_in_query(request.uri().query().unwrap_or_default().as_bytes())?;
        Ok(Self(unrepeated(parse(&body::form(request).await?)?)?))
    }
}

/// A body that may be left out; if there is one, it is a [`Form`].
#[derive(Clone, Debug)]
pub struct OptionalForm(pub Option<Params>);

impl<S: Sync> FromRequest<S> for OptionalForm {
    type Rejection = Error;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Error> {
        let is_absent = !request.headers().contains_key(header::CONTENT_TYPE) && request.body().is_end_stream();
        if is_absent {
            return Ok(Self(None));
        }
        let Form(params) = Form::from_request(request, state).await?;
        Ok(Self(Some(params)))
    }
}

/// A client's query. No parameter may be given twice.
#[derive(Clone, Debug)]
pub struct Query(pub Params);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Ok(Self(unrepeated(parse(parts.uri.query().unwrap_or_default().as_bytes())?)?))
    }
}

/// The body of a form that a person sent. Whoever reads it looks for repeated parameters: check boxes share a name.
#[derive(Clone, Debug)]
pub struct PageForm(pub Params);

impl<S: Sync> FromRequest<S> for PageForm {
    type Rejection = PageError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, PageError> {
        Ok(Self(parse(&body::form(request).await?)?))
    }
}

/// The query of a page, or of an authorization request, which has an order of its own for what is refused first.
#[derive(Clone, Debug)]
pub struct PageQuery(pub Params);

impl<S: Sync> FromRequestParts<S> for PageQuery {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        Ok(Self(parse(parts.uri.query().unwrap_or_default().as_bytes())?))
    }
}

impl From<ParamsError> for Problem {
    fn from(error: ParamsError) -> Self {
        let (reason, description) = match error {
            ParamsError::TooMany => ("parameters_too_many", "The request has too many parameters"),
            ParamsError::Encoding => ("parameters_encoding", "The parameters are not UTF-8 in form encoding"),
            ParamsError::Null => ("parameters_null", "A parameter holds a null character"),
        };
        Self::request(StatusCode::BAD_REQUEST, reason, description)
    }
}

fn parse(encoded: &[u8]) -> Result<Params, Problem> {
    Ok(Params::parse(encoded)?)
}

fn unrepeated(params: Params) -> Result<Params, Problem> {
    if params.first_duplicate().is_none() {
        return Ok(params);
    }
    let description = "A parameter was given more than once";
    Err(Problem::request(StatusCode::BAD_REQUEST, "parameter_duplicated", description))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn request(body: &'static [u8]) -> Request<Body> {
        let request =
            Request::builder().uri("/?a=1&a=2").header("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
        request.body(Body::from(body)).unwrap()
    }

    async fn refused(body: &'static [u8]) -> String {
        let refusal = Form::from_request(request(body), &()).await.unwrap_err();
        assert_eq!(refusal.0.status, StatusCode::BAD_REQUEST);
        assert_eq!(refusal.0.code, "invalid_request");
        refusal.0.reason.to_owned()
    }

    #[tokio::test]
    async fn a_form_is_read_whatever_charset_it_names() {
        let Form(params) = Form::from_request(request(b"a=%C3%A4&b=1+2"), &()).await.unwrap();
        assert_eq!((params.get("a"), params.get("b")), (Some("ä"), Some("1 2")));
    }

    #[tokio::test]
    async fn a_client_may_give_no_parameter_twice() {
        assert_eq!(refused(b"code=a&code=b").await, "parameter_duplicated");
        let (mut parts, _) = request(b"").into_parts();
        assert!(Query::from_request_parts(&mut parts, &()).await.is_err());
        assert!(PageQuery::from_request_parts(&mut parts, &()).await.is_ok_and(|query| query.0.duplicated("a")));
        assert!(PageForm::from_request(request(b"scope=a&scope=b"), &()).await.is_ok_and(|form| form.0.duplicated("scope")));
    }

    #[tokio::test]
    async fn a_secret_in_the_url_is_refused() {
        let mut request = request(b"client_id=a");
        *request.uri_mut() = "/token?client_secret=s".parse().unwrap();
        assert_eq!(Form::from_request(request, &()).await.unwrap_err().0.reason, "credentials_in_query");
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_are_refused() {
        assert_eq!(refused(b"a=%FF").await, "parameters_encoding");
        assert_eq!(refused(b"a=%C0%AF").await, "parameters_encoding");
        assert_eq!(refused(b"a=%ED%A0%80").await, "parameters_encoding");
        assert_eq!(refused(b"a=%00").await, "parameters_null");
        let answer = PageForm::from_request(request(b"a=%FF"), &()).await.unwrap_err().into_response();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
}
