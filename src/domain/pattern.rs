//! Channel patterns: literal text in which `*` stands for any run of characters.

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern(String);

impl Pattern {
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Greedy, with backtracking to the last star only: at most pattern length times name length
    /// steps.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        let mut star = None;
        while n < name.len() {
            if pattern.get(p) == Some(&b'*') {
                star = Some((p, n));
                p += 1;
            } else if pattern.get(p) == Some(&name[n]) {
                p += 1;
                n += 1;
            } else if let Some((at, from)) = star {
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|b| *b == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn star_matches_any_run() {
        for (pattern, name, expected) in [
            ("", "", true),
            ("*", "", true),
            ("*", "private-x", true),
            ("private-*", "private-", true),
            ("private-*", "privat", false),
            ("a*b*c", "axxbyybzc", true),
            ("a*b*c", "axxbyybz", false),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("**x", "aax", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn pattern_without_stars_matches_itself_only(name in "[a-c]{0,6}", other in "[a-c]{0,6}") {
            prop_assert_eq!(Pattern::new(name.clone()).matches(&other), name == other);
        }

        #[test]
        fn prefix_and_suffix_patterns(name in "[ab]{0,8}", part in "[ab]{0,3}") {
            prop_assert_eq!(Pattern::new(format!("{part}*")).matches(&name), name.starts_with(&part));
            prop_assert_eq!(Pattern::new(format!("*{part}")).matches(&name), name.ends_with(&part));
            prop_assert_eq!(Pattern::new(format!("*{part}*")).matches(&name), name.contains(&part));
        }
    }
}
