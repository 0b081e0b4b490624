//! Origins of applications: what the web view of a phone, a desktop or an extension sends.

use super::InvalidOrigin;

/// For errors; the schemes of `Kind::of`.
pub const TAKEN: &str = "http and https, and of apps capacitor, ionic, tauri, app, chrome-extension, moz-extension and safari-web-extension";

/// One origin, exactly: no part of it can be any.
#[derive(Debug, PartialEq, Eq)]
pub struct AppOrigin {
    scheme: String,
    host: String,
}

#[derive(Clone, Copy)]
enum Kind {
    /// The host is the tool's choice, or the app's.
    App,
    Chromium,
    Uuid,
}

impl Kind {
    /// A closed list: a scheme that is not on it might be one that any page can have.
    fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "capacitor" | "ionic" | "tauri" | "app" => Some(Self::App),
            "chrome-extension" => Some(Self::Chromium),
            "moz-extension" | "safari-web-extension" => Some(Self::Uuid),
            _ => None,
        }
    }

    fn takes(self, host: &str) -> bool {
        let all = |good: fn(&u8) -> bool| host.bytes().all(|b| good(&b));
        match self {
            Self::App => {
                let length = (1..=253).contains(&host.len());
                length && all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
            }
            Self::Chromium => host.len() == 32 && all(|b| (b'a'..=b'p').contains(b)),
            Self::Uuid => {
                let lengths = host.split('-').map(str::len);
                lengths.eq([8, 4, 4, 4, 12]) && all(|b| b.is_ascii_hexdigit() || *b == b'-')
            }
        }
    }
}

impl AppOrigin {
    /// Both in lower case.
    pub fn parse(scheme: &str, host: &str) -> Result<Self, InvalidOrigin> {
        let kind = Kind::of(scheme).ok_or(InvalidOrigin::Scheme)?;
        match kind {
            _ if host.contains('*') => Err(InvalidOrigin::AppStar),
            kind if kind.takes(host) => Ok(Self { scheme: scheme.into(), host: host.into() }),
            Kind::App => Err(InvalidOrigin::App),
            Kind::Chromium | Kind::Uuid => Err(InvalidOrigin::Extension),
        }
    }

    /// Whatever its capitals: systems write an id as they like.
    pub fn matches(&self, origin: &str) -> bool {
        origin.split_once("://").is_some_and(|(scheme, host)| {
            scheme.eq_ignore_ascii_case(&self.scheme) && host.eq_ignore_ascii_case(&self.host)
        })
    }
}
