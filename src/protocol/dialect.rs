//! The two spellings of one protocol: Pusher's and Jetsocket's prefixes (protocol.md 12).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Names with `pusher:`.
    #[default]
    Pusher,
    /// Names with `jetsocket:`.
    Jetsocket,
}

impl Dialect {
    pub const ALL: [Self; 2] = [Self::Pusher, Self::Jetsocket];

    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Pusher => "pusher",
            Self::Jetsocket => "jetsocket",
        }
    }

    /// `pusher:ping` gives `ping`.
    pub fn strip(self, event: &str) -> Option<&str> {
        event.strip_prefix(self.prefix())?.strip_prefix(':')
    }

    /// Selects the dialect from the handshake request, because the first frame is the server's: the
    /// query first, then the client's name, then the app's setting.
    pub fn choose(query: Option<&str>, client: Option<&str>, app: Self) -> Self {
        match query {
            Some("jetsocket") => Self::Jetsocket,
            Some("pusher") => Self::Pusher,
            _ if client.is_some_and(|c| c.to_ascii_lowercase().contains("jetsocket")) => {
                Self::Jetsocket
            }
            _ => app,
        }
    }
}

/// The prefix of this server's own events, such as `sealcast:gap`.
const OWN_PREFIX: &str = "sealcast";

/// True if the name is reserved for the protocol, or for this server: nobody else may forge its
/// events.
pub fn is_reserved(event: &str) -> bool {
    let prefixes = Dialect::ALL.into_iter().map(Dialect::prefix).chain([OWN_PREFIX]);
    prefixes
        .filter_map(|prefix| event.strip_prefix(prefix))
        .any(|rest| rest.starts_with(':') || rest.starts_with("_internal:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_wins_over_client_and_client_over_app() {
        use Dialect::*;
        for (query, client, app, expected) in [
            (None, Some("js"), Pusher, Pusher),
            (None, Some("Jetsocket-js"), Pusher, Jetsocket),
            (None, Some("js"), Jetsocket, Jetsocket),
            (Some("pusher"), Some("jetsocket-js"), Jetsocket, Pusher),
            (Some("jetsocket"), None, Pusher, Jetsocket),
            (Some("other"), None, Pusher, Pusher),
        ] {
            assert_eq!(
                Dialect::choose(query, client, app),
                expected,
                "{query:?} {client:?} {app:?}"
            );
        }
    }

    #[test]
    fn reserved_names() {
        for prefix in ["pusher", "jetsocket", "sealcast"] {
            for name in [":x", "_internal:x", "_internal:", ":"] {
                assert!(is_reserved(&format!("{prefix}{name}")), "{prefix}{name}");
            }
            for name in ["", "s:x", "_x:y", "-x", "_internal"] {
                assert!(!is_reserved(&format!("{prefix}{name}")), "{prefix}{name}");
            }
            assert!(!is_reserved(&format!("client-{prefix}:x")), "{prefix}");
        }
        assert!(!is_reserved("my:event"));
    }
}
