//! All refusal codes: one closed enum with everything the server tells about each of them.
//!
//! A new code goes into the table in `codes.rs` and into `docs/troubleshooting.md`; the compiler or
//! the test below finds a missing one.

use serde::{Serialize, Serializer};

/// The properties of one code.
struct RefusalDetails {
    name: &'static str,
    status: u16,
    text: &'static str,
    fix: &'static str,
    general: RefusalCode,
}

/// `Code "name" status: text => fix;`. An `(Other)` behind the status is the code for strangers, if
/// the code itself would reveal the cause.
macro_rules! refusal_codes {
    ($($code:ident $name:literal $status:literal $(($general:ident))?: $text:expr => $fix:expr;)*) => {
        /// The reason for a refusal.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum RefusalCode { $($code,)* }

        impl RefusalCode {
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            pub(super) const fn details(self) -> RefusalDetails {
                match self {
                    $(Self::$code => RefusalDetails {
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
    /// Stable: used in responses, logs, and the metrics label `code`. Two codes share a name if one
    /// refusal has another status or text elsewhere.
    pub const fn name(self) -> &'static str {
        self.details().name
    }

    /// HTTP status. On a socket, `status` of `pusher:subscription_error`.
    pub const fn status(self) -> u16 {
        self.details().status
    }

    /// Neutral: reveals nothing about the app.
    pub const fn text(self) -> &'static str {
        self.details().text
    }

    pub const fn fix(self) -> &'static str {
        self.details().fix
    }

    /// The code for strangers.
    pub const fn general(self) -> Self {
        self.details().general
    }

    /// True if the cause reveals something about the app, not only about the request.
    pub const fn hides_cause(self) -> bool {
        matches!(self.status(), 401 | 403 | 500..)
    }

    /// All names, each once.
    pub fn names() -> impl Iterator<Item = &'static str> {
        const NAMES: [Option<&str>; RefusalCode::ALL.len()] = RefusalCode::distinct_names();
        NAMES.into_iter().flatten()
    }

    /// Evaluated by the compiler: comparing all names takes as long as a small request.
    const fn distinct_names() -> [Option<&'static str>; Self::ALL.len()] {
        let mut names = [None; Self::ALL.len()];
        let mut index = 0;
        while index < names.len() {
            let name = Self::ALL[index].name();
            let mut before = 0;
            while before < index && !same(Self::ALL[before].name(), name) {
                before += 1;
            }
            if before == index {
                names[index] = Some(name);
            }
            index += 1;
        }
        names
    }
}

/// `==` for constants.
const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

impl Serialize for RefusalCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_code_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");
        let text = std::fs::read_to_string(path).expect("the document");
        let missing: Vec<_> =
            RefusalCode::names().filter(|name| !text.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "docs/troubleshooting.md has no word of {missing:?}");
    }

    /// Codes that no test reaches, each with the reason.
    const UNREACHED: [(&str, &str); 2] = [
        ("no_randomness", "the operating system's random bytes do not fail on demand"),
        ("no_metrics", "text is written to memory, which does not fail"),
    ];

    #[test]
    fn every_code_is_named_by_a_test() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut tests = String::new();
        read_tests(&root.join("src"), false, &mut tests);
        read_tests(&root.join("tests"), true, &mut tests);
        let named = |code: &RefusalCode| {
            let name = code.name();
            let forms = [
                format!("\"{name}\""),
                format!("'{name}'"),
                // In a sentence, where the id of the refusal follows.
                format!("[{name}"),
                format!("RefusalCode::{code:?}"),
            ];
            forms.iter().any(|form| tests.contains(form))
        };
        let unnamed: Vec<_> =
            RefusalCode::ALL.iter().filter(|code| !named(code)).map(|code| code.name()).collect();
        assert_eq!(unnamed, UNREACHED.map(|(name, _)| name), "reach each code, or say why not");
    }

    /// Appends the sources of all tests below this folder, without this file. With `whole`, every
    /// file is a test; otherwise a test module begins at its attribute.
    fn read_tests(folder: &Path, whole: bool, tests: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if path.is_dir() && name != "node_modules" && !name.starts_with('.') {
                read_tests(&path, whole || name == "tests", tests);
            } else if matches!(extension, Some("rs" | "mjs" | "py")) && name != "refusal.rs" {
                let text = std::fs::read_to_string(&path).expect("a source");
                let whole = whole || name == "tests.rs";
                let start = if whole { Some(0) } else { text.find("#[cfg(test)]\nmod tests") };
                tests.push_str(start.map_or("", |start| &text[start..]));
            }
        }
    }

    #[test]
    fn each_code_has_a_text_a_fix_and_an_error_status() {
        for (index, code) in RefusalCode::ALL.iter().enumerate() {
            assert!(!code.text().is_empty() && !code.fix().is_empty(), "{code:?}");
            assert!((400..600).contains(&code.status()), "{code:?}");
            let key = |code: &RefusalCode| (code.name(), code.status(), code.text());
            assert!(RefusalCode::ALL[..index].iter().all(|other| key(other) != key(code)));
        }
    }

    #[test]
    fn names_are_listed_once() {
        let all: std::collections::BTreeSet<_> =
            RefusalCode::ALL.iter().map(|code| code.name()).collect();
        let mut listed: Vec<_> = RefusalCode::names().collect();
        listed.sort_unstable();
        assert_eq!(listed, Vec::from_iter(all));
    }

    #[test]
    fn general_code_reveals_only_the_status() {
        for code in RefusalCode::ALL {
            let general = code.general();
            assert_eq!((general.general(), general.status()), (general, code.status()), "{code:?}");
            assert!(general == *code || code.hides_cause(), "{code:?}");
        }
    }
}
