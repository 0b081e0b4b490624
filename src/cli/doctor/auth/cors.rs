//! Whether a browser shows the endpoint's answer to the page.

use hyper::{
    HeaderMap,
    header::{
        ACCEPT, ACCEPT_LANGUAGE, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        CONTENT_LANGUAGE, COOKIE, HeaderName, HeaderValue, ORIGIN,
    },
};

/// A request of a page to another origin.
pub struct CorsQuestion<'a> {
    origin: &'a HeaderValue,
    /// Those that need a permission, in lower case.
    asked: Vec<&'a str>,
    with_cookies: bool,
}

impl<'a> CorsQuestion<'a> {
    pub fn new(origin: &'a HeaderValue, headers: &'a [(HeaderName, HeaderValue)]) -> Self {
        // A browser adds cookies by itself.
        const FREE: [HeaderName; 4] = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_LANGUAGE, COOKIE];
        let asked = headers.iter().map(|(name, _)| name).filter(|name| !FREE.contains(name));
        let with_cookies = headers.iter().any(|(name, _)| name == COOKIE);
        Self { origin, asked: asked.map(HeaderName::as_str).collect(), with_cookies }
    }

    pub fn needs_preflight(&self) -> bool {
        !self.asked.is_empty()
    }

    pub fn preflight_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = vec![
            (ORIGIN, self.origin.clone()),
            (ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST")),
        ];
        let asked = HeaderValue::from_str(&self.asked.join(",")).ok();
        headers.extend(asked.map(|asked| (ACCESS_CONTROL_REQUEST_HEADERS, asked)));
        headers
    }

    /// The missing line of the answer, as the endpoint must send it.
    pub fn missing(&self, answer: &HeaderMap) -> Option<String> {
        let allowed = text(answer, &ACCESS_CONTROL_ALLOW_ORIGIN);
        let origin = self.origin.to_str().unwrap_or_default();
        if allowed != Some(origin) && (allowed != Some("*") || self.with_cookies) {
            return Some(format!("Access-Control-Allow-Origin: {origin}"));
        }
        let credentials = text(answer, &ACCESS_CONTROL_ALLOW_CREDENTIALS);
        if self.with_cookies && credentials != Some("true") {
            return Some("Access-Control-Allow-Credentials: true".to_owned());
        }
        None
    }

    /// The same of the answer to a preflight.
    pub fn missing_in_preflight(&self, status: u16, answer: &HeaderMap) -> Option<String> {
        if !(200..300).contains(&status) {
            return Some(format!("a status of 200 or 204 to OPTIONS, not {status}"));
        }
        let allowed = text(answer, &ACCESS_CONTROL_ALLOW_HEADERS).unwrap_or_default();
        let allowed: Vec<String> =
            allowed.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
        let is_allowed = |name: &&str| {
            // The star stands for no token.
            let star = *name != "authorization" && !self.with_cookies;
            allowed.iter().any(|one| one == name || star && one == "*")
        };
        let missing: Vec<&str> =
            self.asked.iter().filter(|name| !is_allowed(name)).copied().collect();
        match missing.is_empty() {
            true => self.missing(answer),
            false => Some(format!("Access-Control-Allow-Headers: {}", missing.join(", "))),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use hyper::header::AUTHORIZATION;

    use super::*;

    const ORIGIN_OF_PAGE: HeaderValue = HeaderValue::from_static("https://shop.example.com");

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn answers_are_read_as_browsers_do() {
        let value = || HeaderValue::from_static("x");
        let cookies = [(COOKIE, value())];
        let origin = ORIGIN_OF_PAGE;
        let plain = CorsQuestion::new(&origin, &[]);
        let with_cookies = CorsQuestion::new(&origin, &cookies);
        let own = (ACCESS_CONTROL_ALLOW_ORIGIN, "https://shop.example.com");
        let star = (ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        let credentials = (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        let wanted = Some("Access-Control-Allow-Origin: https://shop.example.com".to_owned());
        assert_eq!(plain.missing(&headers(&[])), wanted);
        assert_eq!(plain.missing(&headers(std::slice::from_ref(&star))), None);
        assert_eq!(with_cookies.missing(&headers(&[star, credentials.clone()])), wanted);
        assert_eq!(
            with_cookies.missing(&headers(std::slice::from_ref(&own))).as_deref(),
            Some("Access-Control-Allow-Credentials: true")
        );
        assert_eq!(with_cookies.missing(&headers(&[own, credentials])), None);
        assert!(!with_cookies.needs_preflight());
    }

    #[test]
    fn headers_of_the_page_need_a_permission() {
        let given = [(AUTHORIZATION, HeaderValue::from_static("Bearer t"))];
        let origin = ORIGIN_OF_PAGE;
        let question = CorsQuestion::new(&origin, &given);
        assert!(question.needs_preflight());
        assert_eq!(question.preflight_headers()[2].1, "authorization");
        let own = (ACCESS_CONTROL_ALLOW_ORIGIN, "https://shop.example.com");
        let allow = |names| headers(&[own.clone(), (ACCESS_CONTROL_ALLOW_HEADERS, names)]);
        assert_eq!(question.missing_in_preflight(204, &allow("Content-Type, Authorization")), None);
        for names in ["content-type", "*"] {
            let missing = question.missing_in_preflight(204, &allow(names));
            assert_eq!(missing.as_deref(), Some("Access-Control-Allow-Headers: authorization"));
        }
        let missing = question.missing_in_preflight(405, &allow("authorization"));
        assert_eq!(missing.as_deref(), Some("a status of 200 or 204 to OPTIONS, not 405"));
    }
}
