//! From where pages may connect and ask: origins, with `*` for parts of the host and for the port.

use std::str::FromStr;

pub enum Origins {
    /// WebSocket connections from anywhere, no page may call the auth endpoints across origins.
    Any,
    /// Exactly these, for both.
    Listed(Vec<OriginPattern>),
    /// Pages on this machine, whatever their port: for development.
    Loopback,
}

impl Origins {
    /// Whether somebody who says to come from there may connect or ask.
    pub fn admits(&self, origin: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            // Without the header it is no browser, which alone the list protects.
            Self::Listed(_) | Self::Loopback => origin.is_none_or(|o| self.lists(o)),
        }
    }

    /// Whether a page from there may read answers across origins.
    pub fn lists(&self, origin: &str) -> bool {
        match self {
            Self::Any => false,
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(origin)),
            Self::Loopback => is_loopback(origin),
        }
    }

    /// Whether it is listed without any `*`: only such a page is trusted with the cookies that its
    /// browser adds.
    pub fn lists_exactly(&self, origin: &str) -> bool {
        match self {
            Self::Any | Self::Loopback => false,
            Self::Listed(patterns) => {
                patterns.iter().any(|pattern| pattern.is_exact() && pattern.matches(origin))
            }
        }
    }

    pub fn has_exact(&self) -> bool {
        matches!(self, Self::Listed(patterns) if patterns.iter().any(OriginPattern::is_exact))
    }
}

/// One origin, or those that differ from it in the leftmost labels of the host and in the port.
#[derive(Debug, PartialEq, Eq)]
pub struct OriginPattern {
    scheme: &'static str,
    /// How many labels stand in front of the host, each of which may be any.
    stars: usize,
    /// Literal; in lower case, as browsers send it.
    host: String,
    port: Port,
}

#[derive(Debug, PartialEq, Eq)]
enum Port {
    /// That of the scheme, which browsers leave out.
    Usual,
    Number(u16),
    Any,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidOrigin {
    #[error(
        "is no origin: write scheme, host and, where it is not the usual one, port, such as \"https://app.example.com\""
    )]
    Shape,
    #[error("is not in ASCII: write the host as browsers send it, in punycode (xn--...)")]
    NotAscii,
    #[error(
        "has its * where none can be: it stands for a whole label at the left of the host, such as \"https://*.example.com\", or for the port"
    )]
    Star,
    #[error(
        "is too wide: at least two labels must follow the *, such as \"https://*.example.com\""
    )]
    TooWide,
}

/// Below which nobody can register names.
const PRIVATE_SUFFIXES: [&str; 4] = ["localhost", "test", "local", "internal"];

impl OriginPattern {
    pub fn matches(&self, origin: &str) -> bool {
        let Some((scheme, host, port)) = parts(origin) else { return false };
        scheme == self.scheme && self.matches_host(host) && self.port.matches(port)
    }

    fn matches_host(&self, host: &str) -> bool {
        let mut rest = host;
        for _ in 0..self.stars {
            match rest.split_once('.') {
                Some((label, after)) if is_label(label) => rest = after,
                _ => return false,
            }
        }
        rest == self.host
    }

    fn is_exact(&self) -> bool {
        self.stars == 0 && self.port != Port::Any
    }
}

impl Port {
    fn matches(&self, port: Option<&str>) -> bool {
        match (self, port) {
            (Self::Any, None) | (Self::Usual, None) => true,
            (Self::Any, Some(port)) => number(port).is_some(),
            (Self::Number(wanted), Some(port)) => number(port) == Some(*wanted),
            (Self::Usual, Some(_)) | (Self::Number(_), None) => false,
        }
    }
}

/// As a browser writes it: no sign, no zero in front.
fn number(port: &str) -> Option<u16> {
    let plain = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    port.parse().ok().filter(|_| plain)
}

/// Scheme, host and port of an origin. The port only splits off behind the bracket of an IPv6
/// address.
fn parts(origin: &str) -> Option<(&'static str, &str, Option<&str>)> {
    let (scheme, rest) = ["https://", "http://"]
        .into_iter()
        .find_map(|scheme| Some((scheme, origin.strip_prefix(scheme)?)))?;
    let end_of_address = rest.find(']').map_or(0, |at| at + 1);
    match rest[end_of_address..].find(':') {
        Some(at) => {
            let (host, port) = rest.split_at(end_of_address + at);
            Some((scheme, host, Some(&port[1..])))
        }
        None => Some((scheme, rest, None)),
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

fn is_address(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok())
}

impl FromStr for OriginPattern {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        if !text.is_ascii() {
            return Err(InvalidOrigin::NotAscii);
        }
        let text = text.to_ascii_lowercase();
        let (scheme, host, port) = parts(&text).ok_or(InvalidOrigin::Shape)?;
        let port = match port {
            None => Port::Usual,
            Some("*") => Port::Any,
            Some("443") if scheme == "https://" => Port::Usual,
            Some("80") if scheme == "http://" => Port::Usual,
            Some(port) => Port::Number(number(port).ok_or(InvalidOrigin::Shape)?),
        };
        let mut stars = 0;
        let mut literal = host;
        while let Some(rest) = literal.strip_prefix("*.") {
            (stars, literal) = (stars + 1, rest);
        }
        if literal.contains('*') {
            let anywhere = literal == "*" && stars == 0;
            return Err(if anywhere { InvalidOrigin::TooWide } else { InvalidOrigin::Star });
        }
        if !(is_address(literal) && stars == 0 || literal.split('.').all(is_label)) {
            return Err(InvalidOrigin::Shape);
        }
        if stars > 0 {
            refuse_wide(literal)?;
        }
        Ok(Self { scheme, stars, host: literal.to_owned(), port })
    }
}

fn refuse_wide(literal: &str) -> Result<(), InvalidOrigin> {
    let last = literal.rsplit('.').next().unwrap_or_default();
    // Numbers are an IPv4 address, whose parts are nobody's.
    let numeric = last.bytes().all(|b| b.is_ascii_digit());
    let single = last == literal && !PRIVATE_SUFFIXES.contains(&literal);
    if numeric || single { Err(InvalidOrigin::TooWide) } else { Ok(()) }
}

fn is_loopback(origin: &str) -> bool {
    parts(origin).is_some_and(|(_, host, port)| {
        ["localhost", "127.0.0.1", "[::1]"].contains(&host)
            && port.is_none_or(|port| number(port).is_some())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> OriginPattern {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn loopback_origins() {
        for origin in
            ["http://localhost", "http://localhost:8080", "https://127.0.0.1:1", "http://[::1]:5"]
        {
            assert!(Origins::Loopback.lists(origin), "{origin}");
        }
        for origin in [
            "http://localhost.evil",
            "http://127.0.0.1.evil:80",
            "null",
            "",
            "http://localhost:80.evil",
            "http://[::1].evil",
            "file://localhost",
        ] {
            assert!(!Origins::Loopback.lists(origin), "{origin}");
        }
    }

    #[test]
    fn what_each_pattern_matches() {
        for (text, matching, foreign) in [
            (
                "https://a.example",
                &["https://a.example"][..],
                &[
                    "http://a.example",
                    "https://a.example:444",
                    "https://b.a.example",
                    "https://a.example.evil",
                    "https://a.example.",
                    "https://A.example@evil",
                    "null",
                    "",
                ][..],
            ),
            ("https://a.example:443", &["https://a.example"], &["https://a.example:443"]),
            ("HTTPS://A.Example:8443", &["https://a.example:8443"], &["https://a.example"]),
            (
                "https://*.example.com",
                &["https://a.example.com", "https://xn--bcher-kva.example.com"],
                &[
                    "https://example.com",
                    "https://.example.com",
                    "https://a.b.example.com",
                    "https://a.example.com:8443",
                    "http://a.example.com",
                    "https://evilexample.com",
                    "https://a.example.com.evil",
                    "https://evil/.example.com",
                    "https://evil:80.example.com",
                    "https://x@a.example.com",
                    "https://*.example.com",
                ],
            ),
            (
                "https://*.*.example.com:*",
                &["https://a.b.example.com", "https://a.b.example.com:1"],
                &[
                    "https://a.example.com:1",
                    "https://a.b.example.com:",
                    "https://a.b.example.com:x",
                    "https://a.b.example.com:1:1",
                    "https://a.b.example.com:65536",
                    "https://a.b.example.com:+1",
                    "https://a.b.example.com:01",
                ],
            ),
            (
                "http://localhost:*",
                &["http://localhost", "http://localhost:3000"],
                &["http://localhost:3000.evil", "https://localhost:3000", "http://a.localhost"],
            ),
            (
                "http://*.localhost:3000",
                &["http://shop.localhost:3000"],
                &["http://localhost:3000"],
            ),
            ("http://[::1]:3000", &["http://[::1]:3000"], &["http://[::1]", "http://[::2]:3000"]),
        ] {
            let pattern = pattern(text);
            matching.iter().for_each(|origin| assert!(pattern.matches(origin), "{text}: {origin}"));
            foreign.iter().for_each(|origin| assert!(!pattern.matches(origin), "{text}: {origin}"));
        }
    }

    #[test]
    fn patterns_that_cannot_be_meant() {
        use InvalidOrigin::*;
        for (text, expected) in [
            ("*", Shape),
            ("a.example", Shape),
            ("https://", Shape),
            ("https://a.example/", Shape),
            ("https://a..example", Shape),
            ("https://a.example:x", Shape),
            ("https://u@a.example", Shape),
            ("ws://a.example", Shape),
            ("https://[::1", Shape),
            ("https://bücher.example", NotAscii),
            ("https://a.*.example", Star),
            ("https://a*.example.com", Star),
            ("https://*", TooWide),
            ("https://*.com", TooWide),
            ("https://*.0.1", TooWide),
        ] {
            assert_eq!(text.parse::<OriginPattern>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn who_may_connect_and_who_may_bring_cookies() {
        let listed = ["https://a.example", "https://*.b.example", "http://c.example:*"];
        let origins = Origins::Listed(listed.map(pattern).into());
        assert!(origins.admits(None) && origins.admits(Some("https://x.b.example")));
        assert!(!origins.admits(Some("https://x.example")));
        assert!(origins.lists_exactly("https://a.example"));
        assert!(!origins.lists_exactly("https://x.b.example"));
        assert!(!origins.lists_exactly("http://c.example:80"));
        assert!(Origins::Any.admits(Some("https://x.example")));
        assert!(!Origins::Any.lists("https://x.example"));
    }

    proptest! {
        /// Whatever stands in front of or behind what is listed, the page is a stranger's.
        #[test]
        fn a_foreign_origin_never_matches(
            text in prop::sample::select(vec![
                "https://a.example", "https://*.example.com", "https://*.example.com:*",
                "https://*.*.example.com", "http://localhost:*", "https://a.example:8443",
            ]),
            scheme in prop::sample::select(vec!["https://", "http://", "ws://", "file://", ""]),
            head in "[a-z0-9.*:@/?#%_-]{0,12}",
            tail in "[a-z.:@/?#%]{0,3}[a-z]",
        ) {
            let pattern = pattern(text);
            let host = text.split("://").nth(1).unwrap().replace("*.", "").replace(":*", "");
            let own = host.rsplit_once(':').map_or(host.as_str(), |(host, _)| host);
            // Ends in another name: somebody else's.
            let foreign = format!("{scheme}{head}{own}.{tail}");
            prop_assert!(!pattern.matches(&foreign), "{}", foreign);
            let foreign = format!("{scheme}{head}{own}@{tail}.example.org");
            prop_assert!(!pattern.matches(&foreign), "{}", foreign);
            // Glued to another label: another name as well.
            let glued = format!("{scheme}x{own}");
            prop_assert!(!pattern.matches(&glued), "{}", glued);
        }

        /// What matches is the pattern with labels and a port put in for its stars.
        #[test]
        fn a_match_is_made_of_the_pattern(origin in "https?://[a-c.:@]{0,8}(\\.?example\\.com)?(:[0-9]{0,6})?") {
            if pattern("https://*.example.com:*").matches(&origin) {
                let rest = origin.strip_prefix("https://").expect("the scheme");
                let (label, port) = rest.split_once(".example.com").expect("the host");
                prop_assert!(!label.is_empty() && !label.contains(['.', ':', '@']), "{}", origin);
                prop_assert!(port.is_empty() || port[1..].parse::<u16>().is_ok(), "{}", origin);
            }
        }

        #[test]
        fn the_bare_domain_and_deeper_ones_never_match(labels in prop::collection::vec("[a-z0-9-]{1,5}", 0..4)) {
            let host: String = labels.iter().map(|label| format!("{label}.")).collect();
            let matched = pattern("https://*.example.com").matches(&format!("https://{host}example.com"));
            prop_assert_eq!(matched, labels.len() == 1);
        }
    }
}
