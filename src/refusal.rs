//! Every refusal that has a code: one closed enum that owns what is told about each of them.
//!
//! A code is added in one place, the table in `codes.rs`, and documented in
//! `docs/troubleshooting.md`; without either nothing builds or the test below fails.

use serde::{Serialize, Serializer};

/// What belongs to one code.
struct Details {
    name: &'static str,
    status: u16,
    text: &'static str,
    fix: &'static str,
    general: RefusalCode,
}

/// `Code "name" status: text => fix;`, and `(Other)` behind the status where strangers are told
/// another code because the code itself would say why.
macro_rules! refusal_codes {
    ($($code:ident $name:literal $status:literal $(($general:ident))?: $text:expr => $fix:expr;)*) => {
        /// Why something was refused.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum RefusalCode { $($code,)* }

        impl RefusalCode {
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            pub(super) const fn details(self) -> Details {
                match self {
                    $(Self::$code => Details {
                        name: $name,
                        status: $status,
                        text: $text,
                        fix: $fix,
                        general: [$(Self::$general,)? Self::$code][0],
                    },)*
                }
            }
        }
    };
}

mod codes;

pub use codes::RefusalCode;

impl RefusalCode {
    /// Stable: it stands in answers, in the logs, and as the label `code` of metrics. Two codes
    /// share a name where one refusal has another status or text elsewhere.
    pub const fn name(self) -> &'static str {
        self.details().name
    }

    /// HTTP status. On a socket, `status` of `pusher:subscription_error`.
    pub const fn status(self) -> u16 {
        self.details().status
    }

    /// Neutral: it reveals nothing about the application.
    pub const fn text(self) -> &'static str {
        self.details().text
    }

    pub const fn fix(self) -> &'static str {
        self.details().fix
    }

    /// The code that strangers are told.
    pub const fn general(self) -> Self {
        self.details().general
    }

    /// Whether the cause reveals something about the application, and not only about the request.
    pub const fn hides_cause(self) -> bool {
        matches!(self.status(), 401 | 403 | 500..)
    }

    /// All names, each once.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let codes = Self::ALL.iter().enumerate();
        let first = codes.filter(|(index, code)| {
            Self::ALL[..*index].iter().all(|other| other.name() != code.name())
        });
        first.map(|(_, code)| code.name())
    }
}

impl Serialize for RefusalCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");
        let text = std::fs::read_to_string(path).expect("the document");
        let missing: Vec<_> =
            RefusalCode::names().filter(|name| !text.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "docs/troubleshooting.md has no word of {missing:?}");
    }

    #[test]
    fn every_code_has_a_text_a_fix_and_an_error_status() {
        for (index, code) in RefusalCode::ALL.iter().enumerate() {
            assert!(!code.text().is_empty() && !code.fix().is_empty(), "{code:?}");
            assert!((400..600).contains(&code.status()), "{code:?}");
            let key = |code: &RefusalCode| (code.name(), code.status(), code.text());
            assert!(RefusalCode::ALL[..index].iter().all(|other| key(other) != key(code)));
        }
    }

    #[test]
    fn the_general_code_does_not_say_more_than_the_status() {
        for code in RefusalCode::ALL {
            let general = code.general();
            assert_eq!((general.general(), general.status()), (general, code.status()), "{code:?}");
            assert!(general == *code || code.hides_cause(), "{code:?}");
        }
    }
}
