//! The credentials of a request.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName},
};

use super::page::ClientPage;
use crate::{
    app::App,
    auth::Credentials,
    domain::refusal::RefusalCode,
    web::http::{error::ApiError, headers::single},
};

/// A header set by the page takes precedence over a cookie added by the browser.
///
/// `claimed`: the client's own claims. `takes_cookies`: see `AuthBody`; a request without a body takes
/// them.
pub fn credentials(
    request: &HttpRequest,
    app: &App,
    page: &ClientPage,
    claimed: Credentials,
    takes_cookies: bool,
) -> Result<Credentials, ApiError> {
    let bearer = single(request.headers(), header::AUTHORIZATION)?.and_then(bearer);
    let reads = app.authorizer.reads();
    let token = match (&bearer, reads.cookie) {
        (None, Some(name)) => cookie(request, name)?,
        _ => None,
    };
    let mut passed = passed_headers(request, reads.headers)?;
    let cookies = passed_cookies(request, reads.cookies)?;
    if token.is_some() || cookies.is_some() {
        if !takes_cookies {
            return Err(ApiError::new(
                RefusalCode::CookieNotAccepted,
                "a cookie counts only in a request of type application/x-www-form-urlencoded or application/json",
            ));
        }
        page.check_cookies(&app.origins)?;
    }
    passed.extend(cookies.map(|cookies| ("cookie".to_owned(), cookies)));
    Ok(Credentials { bearer, cookie: token, origin: page.origin(), passed, ..claimed })
}

/// The headers that the forward authorizer passes on.
fn passed_headers(
    request: &HttpRequest,
    names: &[String],
) -> Result<Vec<(String, String)>, ApiError> {
    let mut passed = Vec::new();
    for name in names {
        // Invalid names were refused with the configuration.
        let Ok(header) = HeaderName::try_from(name.as_str()) else { continue };
        let value = single(request.headers(), header)?.filter(|value| !value.is_empty());
        passed.extend(value.map(|value| (name.clone(), value.to_owned())));
    }
    Ok(passed)
}

fn passed_cookies(request: &HttpRequest, names: &[String]) -> Result<Option<String>, ApiError> {
    let mut pairs = Vec::new();
    for name in names {
        pairs.extend(cookie(request, name)?.map(|value| format!("{name}={value}")));
    }
    Ok((!pairs.is_empty()).then(|| pairs.join("; ")))
}

fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The cookie as it was sent. Duplicates are refused: a page of a neighbouring domain may have
/// added one.
fn cookie(request: &HttpRequest, name: &str) -> Result<Option<String>, ApiError> {
    let headers = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let pairs = headers.flat_map(|value| value.split(';'));
    let mut values = pairs.filter_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    });
    let value = values.next().map(|value| value.trim_matches('"').to_owned());
    match values.next() {
        None => Ok(value),
        Some(_) => Err(ApiError::new(
            RefusalCode::CookieNotAccepted,
            format!("there are two cookies {name}, of which one may be a stranger's"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn duplicate_cookies_are_refused() {
        let of = |header: &str| {
            cookie(&TestRequest::default().insert_header(("Cookie", header)).to_http_request(), "t")
        };
        for (header, expected) in [
            ("a=1; t=2; xt=3", Some("2")),
            ("t=\"q\"", Some("q")),
            ("t=1=2", Some("1=2")),
            ("", None),
            ("t", None),
            ("a=t", None),
            ("T=1", None),
        ] {
            assert_eq!(of(header).expect("at most one").as_deref(), expected, "{header}");
        }
        for header in ["t=1; t=2", "t=1; a=2;t=1"] {
            assert_eq!(of(header).expect_err(header).code().name(), "cookie_not_accepted");
        }
    }

    #[test]
    fn bearer_tokens_are_parsed() {
        assert_eq!(bearer("Bearer x").as_deref(), Some("x"));
        assert_eq!(bearer("bearer  x ").as_deref(), Some("x"));
        assert_eq!((bearer("Bearer"), bearer("Basic x")), (None, None));
    }
}
