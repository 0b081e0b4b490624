//! Origins of pages and apps, with `*` for labels of the host and for the port of web pages.

mod app;
#[cfg(test)]
mod tests;
mod web;

use std::str::FromStr;

use app::AppOrigin;
use web::WebOrigin;

pub enum Origins {
    /// Any origin may connect; no page may call the auth endpoints across origins.
    Any,
    /// Only these, for connections and calls.
    Listed(Vec<OriginPattern>),
    /// Pages of this machine on any port: for development.
    Loopback,
}

impl Origins {
    /// True if a client with this origin may connect, or call the auth endpoints.
    pub fn admits(&self, origin: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            // A request without the header comes from no browser, and only browsers are held to the
            // list.
            Self::Listed(_) | Self::Loopback => origin.is_none_or(|o| self.lists(o)),
        }
    }

    /// True if a page of this origin may read responses across origins.
    pub fn lists(&self, origin: &str) -> bool {
        match self {
            Self::Any => false,
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(origin)),
            Self::Loopback => web::is_loopback(origin),
        }
    }

    /// True for a web page listed without any `*`: only such a page is trusted with the cookies
    /// that its browser adds.
    pub fn lists_exactly(&self, origin: &str) -> bool {
        match self {
            Self::Any | Self::Loopback => false,
            Self::Listed(patterns) => {
                patterns.iter().any(|pattern| pattern.is_exact_page() && pattern.matches(origin))
            }
        }
    }

    pub fn has_exact(&self) -> bool {
        matches!(self, Self::Listed(patterns) if patterns.iter().any(OriginPattern::is_exact_page))
    }
}

/// One entry of the list.
#[derive(Debug, PartialEq, Eq)]
pub enum OriginPattern {
    Web(WebOrigin),
    App(AppOrigin),
}

impl OriginPattern {
    pub fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Web(pattern) => pattern.matches(origin),
            Self::App(app) => app.matches(origin),
        }
    }

    /// Not for apps: all apps made with the same tool share their origin.
    fn is_exact_page(&self) -> bool {
        matches!(self, Self::Web(pattern) if pattern.is_exact())
    }

    /// TLS, host and port of a pattern for a single web address.
    pub fn tls_host_port(&self) -> Option<(bool, &str, Option<u16>)> {
        match self {
            Self::Web(pattern) => pattern.tls_host_port(),
            Self::App(_) => None,
        }
    }

    /// True if the entry matches exactly one origin.
    pub fn is_exact(&self) -> bool {
        match self {
            Self::Web(pattern) => pattern.is_exact(),
            Self::App(_) => true,
        }
    }
}

impl FromStr for OriginPattern {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        if !text.is_ascii() {
            return Err(InvalidOrigin::NotAscii);
        }
        let text = text.to_ascii_lowercase();
        let Some((scheme, host)) = text.split_once("://") else {
            return Err(if text == "null" { InvalidOrigin::Opaque } else { InvalidOrigin::Shape });
        };
        match scheme {
            "http" | "https" => text.parse().map(Self::Web),
            "file" => Err(InvalidOrigin::Opaque),
            scheme => AppOrigin::parse(scheme, host).map(Self::App),
        }
    }
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
    #[error(
        "cannot be listed: files on disk and sandboxed frames of any site send it; taken are {schemes}",
        schemes = app::ALLOWED_SCHEMES
    )]
    Opaque,
    #[error("has a scheme that cannot be listed; taken are {schemes}", schemes = app::ALLOWED_SCHEMES)]
    Scheme,
    #[error(
        "has a *, which stands for no part of an app's origin: list each exactly, such as \"capacitor://localhost\""
    )]
    AppStar,
    #[error(
        "is no app's origin: behind the scheme comes the app's host and nothing else, such as \"capacitor://localhost\" or \"app://bundle\""
    )]
    App,
    #[error(
        "names no extension: behind the scheme comes its id, 32 letters from a to p (Chrome) or a UUID (Firefox, Safari)"
    )]
    Extension,
}

/// The setting that would admit a refused origin. The text comes from a stranger: it is quoted,
/// escaped and clipped, and never suggested if it would admit others as well.
pub fn advice(origin: &str, app: &str) -> String {
    let shown: String = origin.chars().take(SHOWN_CHARS).collect();
    match origin.parse::<OriginPattern>() {
        Ok(pattern) if pattern.is_exact() && shown == origin => {
            format!("if it is yours, add {shown:?} to origins in [apps.{app}]")
        }
        Ok(_) => "it is no origin that a browser sends".into(),
        Err(reason) => format!("{shown:?} {reason}"),
    }
}

const SHOWN_CHARS: usize = 200;
