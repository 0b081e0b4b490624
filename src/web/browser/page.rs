//! The page that sends a request, as far as its browser says.
//!
//! A browser names the page's origin in `Origin`, except with a GET to the page's own origin. So a
//! missing header is either such a page or no browser. A page whose name was made to point at this
//! server (DNS rebinding) is such a page as well: scheme and host of the request tell it from a page
//! of the app.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName},
};

use crate::{
    app::App,
    domain::{
        origins::{Origins, advice},
        refusal::RefusalCode,
    },
    web::http::{
        error::ApiError,
        headers::{DuplicateHeader, single},
        remote::is_over_tls,
    },
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

pub struct ClientPage {
    from: PageOrigin,
    site: Option<FetchSite>,
}

enum PageOrigin {
    /// By the header. An unreadable one is empty, which is on no list.
    Named(String),
    /// No header: the host of the request, and its scheme if the connection tells it. In front of a
    /// connection without TLS a proxy may speak TLS.
    Unnamed { host: String, over_tls: bool },
}

/// `Sec-Fetch-Site`. Browsers leave it out where neither TLS nor this machine's own address protects
/// the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FetchSite {
    SameOrigin,
    SameSite,
    /// The user asked for the address.
    None,
    CrossSite,
}

impl ClientPage {
    /// For requests with a method other than GET and HEAD: browsers send the header with them.
    pub fn named(request: &HttpRequest) -> Result<Self, DuplicateHeader> {
        let unnamed = || PageOrigin::Unnamed { host: String::new(), over_tls: true };
        let named = single(request.headers(), header::ORIGIN)?;
        let from = named.map_or_else(unnamed, |origin| PageOrigin::Named(origin.to_owned()));
        Ok(Self { from, site: fetch_site(request)? })
    }

    pub fn of(request: &HttpRequest) -> Result<Self, DuplicateHeader> {
        let mut page = Self::named(request)?;
        if let PageOrigin::Unnamed { host, over_tls } = &mut page.from {
            *host = requested_host(request)?;
            *over_tls = is_over_tls(request);
        }
        Ok(page)
    }

    /// The page's origin: by the header, or its own if the browser says that the page is of this
    /// origin. `None` is a page that only the host of the request speaks for, or no page.
    pub fn origin(&self) -> Option<String> {
        match &self.from {
            PageOrigin::Named(origin) => Some(origin.clone()),
            PageOrigin::Unnamed { host, over_tls }
                if self.site == Some(FetchSite::SameOrigin) && !host.is_empty() =>
            {
                // The browser has said so, and it says nothing to pages on other hosts without TLS.
                let scheme = if *over_tls || !is_this_machine(host) { "https" } else { "http" };
                Some(format!("{scheme}://{host}"))
            }
            PageOrigin::Unnamed { .. } => None,
        }
    }

    /// The origin rule of connections: `Origin`, if it is there, has to be on the list. Hiding the
    /// response is not enough: a site whose name points at this server has the same origin to the
    /// browser.
    pub fn check_named(&self, app: &App) -> Result<(), ApiError> {
        match &self.from {
            PageOrigin::Named(origin) if !app.origins.admits(Some(origin)) => {
                Err(not_allowed(origin, app))
            }
            PageOrigin::Named(_) | PageOrigin::Unnamed { .. } => Ok(()),
        }
    }

    /// False for a request without the header whose scheme and host are on no list either: it may
    /// come from a rebound name, unless its credentials show where it comes from.
    pub fn is_listed(&self, origins: &Origins) -> bool {
        let (host, over_tls) = match (&self.from, origins) {
            (_, Origins::Any) => return true,
            (PageOrigin::Named(origin), _) => return origins.lists(origin),
            (PageOrigin::Unnamed { host, over_tls }, _) => (host, over_tls),
        };
        let is_own_page = !matches!(self.site, Some(FetchSite::SameSite | FetchSite::CrossSite));
        let schemes = if *over_tls { &["https"][..] } else { &["http", "https"] };
        is_own_page && schemes.iter().any(|scheme| origins.lists(&format!("{scheme}://{host}")))
    }

    /// The refusal of a request that is not listed and shows no credentials.
    pub fn unproven(&self, app: &App) -> ApiError {
        match &self.from {
            PageOrigin::Named(origin) => not_allowed(origin, app),
            PageOrigin::Unnamed { .. } => ApiError::new(
                RefusalCode::OriginNotAllowed,
                "The request has no Origin and no token, and the app's origins (apps.ID.origins) do not list the host it was sent to: send a token in the header Authorization, or list the host's origin",
            ),
        }
    }

    /// Browsers add cookies to every request, even to one caused by a foreign page. So cookies count
    /// only if the request names a page of this site that the app lists exactly.
    pub fn check_cookies(&self, origins: &Origins) -> Result<(), ApiError> {
        let refused = |message: &str| Err(ApiError::new(RefusalCode::CookieNotAccepted, message));
        if !self.origin().is_some_and(|origin| origins.lists_exactly(&origin)) {
            return refused(
                "a cookie counts only from a page whose origin is listed exactly, without *",
            );
        }
        // Browsers omit the header on connections without TLS; the origin has to do then.
        match self.site {
            None | Some(FetchSite::SameOrigin | FetchSite::SameSite) => Ok(()),
            Some(FetchSite::None | FetchSite::CrossSite) => {
                refused("a cookie does not count from a page of another site")
            }
        }
    }
}

fn not_allowed(origin: &str, app: &App) -> ApiError {
    ApiError::new(
        RefusalCode::OriginNotAllowed,
        format!(
            "The page's origin is not among the app's origins (apps.ID.origins): {}",
            advice(origin, &app.id)
        ),
    )
}

/// An unknown value counts as the least trusted one.
fn fetch_site(request: &HttpRequest) -> Result<Option<FetchSite>, DuplicateHeader> {
    Ok(single(request.headers(), SEC_FETCH_SITE)?.map(|site| match site {
        "same-origin" => FetchSite::SameOrigin,
        "same-site" => FetchSite::SameSite,
        "none" => FetchSite::None,
        _ => FetchSite::CrossSite,
    }))
}

/// Host and port as the client has named them: HTTP/2 has them in the URI. Never of a header of a
/// proxy: the page's own origin is what its browser asked for.
fn requested_host(request: &HttpRequest) -> Result<String, DuplicateHeader> {
    let named = single(request.headers(), header::HOST)?;
    let authority = request.uri().authority().map(|authority| authority.as_str());
    Ok(authority.or(named).unwrap_or_default().to_ascii_lowercase())
}

/// Browsers treat pages of this machine like pages over TLS.
fn is_this_machine(host: &str) -> bool {
    Origins::Loopback.lists(&format!("http://{host}"))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn page(headers: &[(&'static str, &str)]) -> ClientPage {
        let request =
            headers.iter().fold(TestRequest::get().uri("/app/k/sse"), |request, header| {
                request.insert_header(*header)
            });
        ClientPage::of(&request.to_http_request()).expect("no header twice")
    }

    fn listed(origins: &[&str]) -> Origins {
        Origins::Listed(origins.iter().map(|origin| origin.parse().expect("an origin")).collect())
    }

    #[test]
    fn own_origin_is_believed_if_the_browser_says_so() {
        for (host, site, expected) in [
            ("a.example", "same-origin", Some("https://a.example")),
            ("A.Example:8443", "same-origin", Some("https://a.example:8443")),
            ("localhost:3000", "same-origin", Some("http://localhost:3000")),
            ("a.example", "same-site", None),
            ("a.example", "cross-site", None),
            ("a.example", "none", None),
            ("a.example", "", None),
        ] {
            let page = page(&[("host", host), ("sec-fetch-site", site)]);
            assert_eq!(page.origin().as_deref(), expected, "{host} {site}");
        }
        let named = page(&[("host", "a.example"), ("origin", "https://b.example")]);
        assert_eq!(named.origin().as_deref(), Some("https://b.example"));
    }

    #[test]
    fn rebound_names_are_not_listed() {
        let origins = listed(&["https://a.example", "http://*.b.example"]);
        for (host, site, expected) in [
            ("a.example", None, true),
            ("a.example", Some("same-origin"), true),
            ("a.example", Some("none"), true),
            ("x.b.example", None, true),
            ("a.example", Some("cross-site"), false),
            ("a.example", Some("same-site"), false),
            ("a.example", Some("nonsense"), false),
            ("evil.test", None, false),
            ("evil.test", Some("same-origin"), false),
            ("127.0.0.1:8080", None, false),
            ("a.example.evil.test", None, false),
            ("", None, false),
        ] {
            let mut headers = vec![("host", host)];
            headers.extend(site.map(|site| ("sec-fetch-site", site)));
            let page = page(&headers);
            assert_eq!(page.is_listed(&origins), expected, "{host} {site:?}");
            assert!(page.is_listed(&Origins::Any));
        }
        assert!(page(&[("host", "localhost:80")]).is_listed(&Origins::Loopback));
        assert!(!page(&[("host", "evil.test")]).is_listed(&Origins::Loopback));
    }

    #[test]
    fn cookies_need_an_exactly_listed_page_of_this_site() {
        let origins = listed(&["https://a.example", "https://*.b.example", "http://localhost:1"]);
        for (headers, expected) in [
            (&[("origin", "https://a.example")][..], true),
            (&[("origin", "https://a.example"), ("sec-fetch-site", "same-site")], true),
            (&[("origin", "https://a.example"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "https://x.b.example")], false),
            (&[("host", "a.example"), ("sec-fetch-site", "same-origin")], true),
            (&[("host", "localhost:1"), ("sec-fetch-site", "same-origin")], true),
            (&[("host", "a.example"), ("sec-fetch-site", "none")], false),
            (&[("host", "a.example")], false),
            (&[("host", "x.b.example"), ("sec-fetch-site", "same-origin")], false),
            (&[("host", "evil.test"), ("sec-fetch-site", "same-origin")], false),
        ] {
            assert_eq!(page(headers).check_cookies(&origins).is_ok(), expected, "{headers:?}");
        }
    }

    #[test]
    fn methods_with_the_header_have_no_page_without_it() {
        let request = TestRequest::post()
            .insert_header(("host", "a.example"))
            .insert_header(("sec-fetch-site", "same-origin"))
            .to_http_request();
        assert_eq!(ClientPage::named(&request).expect("one header").origin(), None);
        assert_eq!(
            ClientPage::of(&request).expect("one header").origin().as_deref(),
            Some("https://a.example")
        );
    }
}
