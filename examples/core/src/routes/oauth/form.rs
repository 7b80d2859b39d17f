//! The form of a request, and the app that proves by it who it is.

use std::collections::BTreeMap;

use axum::extract::Request;
use data_encoding::BASE64;
use http::{HeaderMap, StatusCode, header};
use url::form_urlencoded;

use super::error::OauthError;
use crate::routes::body;
use crate::routes::request::{Caller, parse_id};
use crate::secret::hash_of_presented;
use crate::service::Core;
use crate::store::App;
use dailey_http::body::{BodyError, is_content_type};

/// Most parameters in a form.
const MAX_PARAMETERS: usize = 16;

/// The form, and the app that sent it: by `Authorization: Basic` or by its parameters, never both (RFC 6749 2.3).
pub(super) async fn authenticated_form(
    core: &Core,
    caller: &Caller,
    request: Request,
) -> Result<(App, BTreeMap<String, String>), OauthError> {
    if !is_content_type(request.headers(), "application/x-www-form-urlencoded") {
        return Err(OauthError::invalid_request(
            "send a form, with Content-Type: application/x-www-form-urlencoded",
        ));
    }
    let basic = basic_credentials(request.headers())?;
    let bytes = body::read(request).await.map_err(|error| match error {
        BodyError::TooLarge(_) => OauthError {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..OauthError::invalid_request("the form is larger than 16 KiB")
        },
        BodyError::TooSlow | BodyError::Broken => {
            OauthError::invalid_request("the form did not arrive completely")
        }
    })?;
    let form = parse_form(&bytes)?;
    let posted = (form.get("client_id"), form.get("client_secret"));
    let (client_id, secret) = match (basic, posted) {
        (Some(_), (_, Some(_))) => {
            return Err(OauthError::invalid_request(
                "authenticate the client in one way, not in two",
            ));
        }
        // RFC 6749 3.2.1: client_id may be repeated in the form, and then must be the same.
        (Some((client_id, _)), (Some(other), None)) if client_id != *other => {
            return Err(OauthError::invalid_request(
                "client_id differs from the authenticated client",
            ));
        }
        (Some(credentials), _) => credentials,
        (None, (Some(client_id), Some(secret))) => (client_id.clone(), secret.clone()),
        (None, _) => return Err(OauthError::invalid_client()),
    };
    let app_id = parse_id(&client_id).ok_or_else(OauthError::invalid_client)?;
    let app = match hash_of_presented(&secret) {
        Some(secret) => core.store.authenticate_app(app_id, secret).await?,
        // What was never a secret is nobody's.
        None => None,
    };
    let Some(app) = app else {
        tracing::warn!(%app_id, "an app did not prove who it is");
        let (network, context) = (caller.network.clone(), caller.context.clone());
        core.store.client_failed(app_id, network, context).await?;
        return Err(OauthError::invalid_client());
    };
    Ok((app, form))
}

/// RFC 6749 2.3.1: both halves are form-encoded before they are joined and put into Basic (RFC 7617).
fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, String)>, OauthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        (Some(_), Some(_)) => {
            return Err(OauthError::invalid_request("send one Authorization header"));
        }
    };
    let read = || {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let decoded = BASE64
            .decode(encoded.as_bytes())
            .ok()
            .filter(|_| scheme.eq_ignore_ascii_case("Basic"))?;
        let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some((form_decoded(id)?, form_decoded(secret)?))
    };
    read().map(Some).ok_or_else(OauthError::invalid_client)
}

fn form_decoded(text: &str) -> Option<String> {
    // `=` and `&` stand encoded in a well-formed half, so this is one name without a value.
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    let (name, value) = pairs.next()?;
    (value.is_empty() && pairs.next().is_none()).then(|| name.into_owned())
}

/// RFC 6749 3.2: no parameter twice; one without a value counts as not sent.
fn parse_form(bytes: &[u8]) -> Result<BTreeMap<String, String>, OauthError> {
    let mut form = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        if form.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(OauthError::invalid_request("a parameter is given twice"));
        }
        if form.len() > MAX_PARAMETERS {
            return Err(OauthError::invalid_request("too many parameters"));
        }
    }
    form.retain(|_, value| !value.is_empty());
    Ok(form)
}
