//! Channel patterns: literal text in which `*` stands for any run of characters.

use std::collections::{BTreeSet, HashSet};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern(String);

impl Pattern {
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// True if every name that `other` matches is matched. May be false for such a pattern, if it
    /// has several stars.
    pub fn covers(&self, other: &Self) -> bool {
        // A star of the other counts as a character that only stars match.
        self.matches(&other.0)
    }

    /// True if some name with this beginning matches both.
    pub fn meets(&self, other: &Self, prefix: &str) -> bool {
        let (one, two) = (self.0.as_bytes(), other.0.as_bytes());
        let (starts, others) = (positions_after(one, prefix), positions_after(two, prefix));
        let pairs = starts.iter().flat_map(|p| others.iter().map(|q| (*p, *q)));
        let mut open: Vec<(usize, usize)> = pairs.collect();
        let mut seen = HashSet::new();
        while let Some((p, q)) = open.pop() {
            if !seen.insert((p, q)) {
                continue;
            }
            match (one.get(p), two.get(q)) {
                (None, None) => return true,
                (Some(b'*'), Some(b'*')) => open.extend([(p + 1, q), (p, q + 1)]),
                (Some(b'*'), next) => {
                    open.push((p + 1, q));
                    open.extend(next.map(|_| (p, q + 1)));
                }
                (next, Some(b'*')) => {
                    open.push((p, q + 1));
                    open.extend(next.map(|_| (p + 1, q)));
                }
                (Some(a), Some(b)) if a == b => open.push((p + 1, q + 1)),
                (Some(_) | None, Some(_) | None) => {}
            }
        }
        false
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

/// The positions in the pattern at which the rest of a name may go on behind the prefix.
fn positions_after(pattern: &[u8], prefix: &str) -> BTreeSet<usize> {
    let with_stars_passed = |start: usize| {
        let stars = pattern[start..].iter().take_while(|byte| **byte == b'*').count();
        start..=start + stars
    };
    let mut positions: BTreeSet<usize> = with_stars_passed(0).collect();
    for byte in prefix.bytes() {
        let next = positions.into_iter().filter_map(|at| match pattern.get(at)? {
            b'*' => Some(at),
            literal => (*literal == byte).then_some(at + 1),
        });
        positions = next.flat_map(with_stars_passed).collect();
    }
    positions
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

    #[test]
    fn patterns_meet_where_a_name_matches_both() {
        for (one, two, prefix, expected) in [
            ("*", "*", "private-encrypted-", true),
            ("room-*", "*", "private-encrypted-", false),
            ("private-*", "*", "private-encrypted-", true),
            ("private-encrypted-a-*", "*-log", "private-encrypted-", true),
            ("private-encrypted-a*", "private-encrypted-b*", "private-encrypted-", false),
            ("private-encrypted-ab", "private-encrypted-a*", "private-encrypted-", true),
            ("private-enc", "*", "private-encrypted-", false),
            ("*-a", "*-b", "private-encrypted-", false),
        ] {
            let (a, b) = (Pattern::new(one), Pattern::new(two));
            assert_eq!(a.meets(&b, prefix), expected, "{one} {two}");
            assert_eq!(b.meets(&a, prefix), expected, "{two} {one}");
        }
    }

    proptest! {
        #[test]
        fn pattern_covers_what_the_other_matches(one in "[ab*]{0,5}", other in "[ab*]{0,5}", name in "[ab]{0,6}") {
            let (one, other) = (Pattern::new(one), Pattern::new(other));
            if one.covers(&other) && other.matches(&name) {
                prop_assert!(one.matches(&name));
            }
        }

        #[test]
        fn patterns_meet_exactly_if_short_names_tell_so(one in "[ab*]{0,4}", other in "[ab*]{0,4}", prefix in "[ab]{0,2}") {
            let (a, b) = (Pattern::new(one), Pattern::new(other));
            // The shortest common name is no longer than both patterns and the prefix together.
            let mut names = vec![String::new()];
            for at in 0..10 {
                let longer = names.iter().filter(|name| name.len() == at);
                let longer: Vec<_> = longer.flat_map(|n| [format!("{n}a"), format!("{n}b")]).collect();
                names.extend(longer);
            }
            let found = names.iter().any(|n| n.starts_with(&prefix) && a.matches(n) && b.matches(n));
            prop_assert_eq!(a.meets(&b, &prefix), found);
        }

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
