//! Origins of apps: the web views of phones and desktops, and browser extensions.

use super::InvalidOrigin;

/// For error messages; the schemes of `AppScheme::of`.
pub const ALLOWED_SCHEMES: &str = "http and https, and of apps capacitor, ionic, tauri, app, chrome-extension, moz-extension and safari-web-extension";

/// One exact origin without wildcards.
#[derive(Debug, PartialEq, Eq)]
pub struct AppOrigin {
    scheme: String,
    host: String,
}

#[derive(Clone, Copy)]
enum AppScheme {
    /// The app or its tool chooses the host.
    App,
    Chromium,
    Uuid,
}

impl AppScheme {
    /// A closed list: any page could have an unlisted scheme.
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
    /// Takes both in lower case.
    pub fn parse(scheme: &str, host: &str) -> Result<Self, InvalidOrigin> {
        let kind = AppScheme::of(scheme).ok_or(InvalidOrigin::Scheme)?;
        match kind {
            _ if host.contains('*') => Err(InvalidOrigin::AppStar),
            kind if kind.takes(host) => Ok(Self { scheme: scheme.into(), host: host.into() }),
            AppScheme::App => Err(InvalidOrigin::App),
            AppScheme::Chromium | AppScheme::Uuid => Err(InvalidOrigin::Extension),
        }
    }

    /// Ignores case: systems differ in the capitals of an id.
    pub fn matches(&self, origin: &str) -> bool {
        origin.split_once("://").is_some_and(|(scheme, host)| {
            scheme.eq_ignore_ascii_case(&self.scheme) && host.eq_ignore_ascii_case(&self.host)
        })
    }
}
