//! What a request shows of its client, as far as the authorizer wants to see it.

use actix_web::{HttpRequest, http::header};

use crate::{app::App, auth::Credentials};

/// Cookies come with every request that a browser makes, whoever made it make one: they count only if
/// the page is one of the application's, which the browser says.
pub fn credentials(request: &HttpRequest, app: &App) -> Credentials {
    let reads = app.authorizer.reads();
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let origin = text("origin");
    let of_page = origin.is_some_and(|origin| app.origins.lists(origin))
        && text("sec-fetch-site").is_none_or(|site| ["same-origin", "same-site"].contains(&site));
    let cookie = |name: &str| of_page.then(|| cookie(request, name)).flatten();
    let mut passed: Vec<(String, String)> = reads
        .headers
        .iter()
        .filter_map(|name| Some((name.clone(), text(name)?.to_owned())))
        .collect();
    let cookies: Vec<String> =
        reads.cookies.iter().filter_map(|name| Some(format!("{name}={}", cookie(name)?))).collect();
    if !cookies.is_empty() {
        passed.push(("cookie".to_owned(), cookies.join("; ")));
    }
    Credentials {
        bearer: text("authorization").and_then(bearer),
        cookie: reads.cookie.and_then(cookie),
        origin: origin.map(str::to_owned),
        passed,
        ..Credentials::default()
    }
}

fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// As it was sent. `None` if there are two of the name: a page of a neighbouring domain can add one.
fn cookie(request: &HttpRequest, name: &str) -> Option<String> {
    let headers = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let pairs = headers.flat_map(|value| value.split(';'));
    let mut values = pairs.filter_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    });
    let value = values.next()?;
    values.next().is_none().then(|| value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn one_cookie_of_a_name() {
        let of = |header: &str| {
            cookie(&TestRequest::default().insert_header(("Cookie", header)).to_http_request(), "t")
        };
        assert_eq!(of("a=1; t=2; xt=3").as_deref(), Some("2"));
        assert_eq!(of("t=\"q\"").as_deref(), Some("q"));
        assert_eq!(of("t=1=2").as_deref(), Some("1=2"));
        for header in ["", "t", "a=t", "T=1", "t=1; t=2", "t=1; a=2;t=1"] {
            assert_eq!(of(header), None, "{header}");
        }
    }

    #[test]
    fn bearers() {
        assert_eq!(bearer("Bearer x").as_deref(), Some("x"));
        assert_eq!(bearer("bearer  x ").as_deref(), Some("x"));
        assert_eq!((bearer("Bearer"), bearer("Basic x")), (None, None));
    }
}
