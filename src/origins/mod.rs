//! From where pages and apps may connect and ask: origins, with `*` for parts of the host and for the
//! port of web pages.

mod app;
#[cfg(test)]
mod tests;
mod web;

use std::str::FromStr;

use app::AppOrigin;
use web::WebOrigin;

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
            Self::Loopback => web::is_loopback(origin),
        }
    }

    /// Whether it is a web page's and listed without any `*`: only such a page is trusted with the
    /// cookies that its browser adds.
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

/// One entry of a list.
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

    /// An app shares its origin with every other one that is made with the same tool.
    fn is_exact_page(&self) -> bool {
        matches!(self, Self::Web(pattern) if pattern.is_exact())
    }

    /// Whether TLS is spoken there, host and port of an entry that stands for one web address.
    pub fn place(&self) -> Option<(bool, &str, Option<u16>)> {
        match self {
            Self::Web(pattern) => pattern.place(),
            Self::App(_) => None,
        }
    }

    /// Whether it stands for one origin alone.
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
        schemes = app::TAKEN
    )]
    Opaque,
    #[error("has a scheme that cannot be listed; taken are {schemes}", schemes = app::TAKEN)]
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

/// What to do so that an origin that was refused is admitted, if that is meant. The text comes from a
/// stranger: it is quoted, escaped and clipped, and never suggested where it would admit others.
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
