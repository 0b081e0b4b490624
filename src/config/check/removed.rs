//! Settings that were left out, by their paths in the file.

use std::collections::BTreeSet;

#[derive(Default)]
pub struct Removed {
    paths: BTreeSet<Vec<String>>,
    /// Those among them that were entries of a list, which moves the later ones up.
    entries: BTreeSet<Vec<String>>,
}

impl Removed {
    pub fn note(&mut self, path: Vec<String>) {
        self.paths.insert(path);
    }

    pub fn note_entry(&mut self, path: Vec<String>) {
        self.entries.insert(path.clone());
        self.paths.insert(path);
    }

    /// The path in the file of what now has this path.
    pub fn original(&self, path: &[String]) -> Vec<String> {
        let mut original: Vec<String> = Vec::with_capacity(path.len());
        for name in path {
            let in_list =
                |entry: &&Vec<String>| entry.split_last().is_some_and(|(_, list)| list == original);
            let index = |entry: &Vec<String>| entry.last()?.parse::<usize>().ok();
            let mut gone: Vec<usize> =
                self.entries.iter().filter(in_list).filter_map(index).collect();
            gone.sort_unstable();
            let name = match name.parse::<usize>() {
                Ok(number) if !gone.is_empty() => {
                    let moved =
                        |number, gone: usize| if gone <= number { number + 1 } else { number };
                    gone.into_iter().fold(number, moved).to_string()
                }
                _ => name.clone(),
            };
            original.push(name);
        }
        original
    }

    /// True if the message names a setting that was left out: it only follows from that. Another
    /// entry of the same list has a fault of its own.
    pub fn explains(&self, setting: &[String], message: &str) -> bool {
        self.paths.iter().any(|path| {
            let is_entry = self.entries.contains(path) && path.len() > 1;
            let named = &path[..path.len() - usize::from(is_entry)];
            match named {
                list if is_entry && setting.starts_with(list) => false,
                // An entry of a list that has lost a setting.
                inner if is_number(setting.last()) && inner.starts_with(setting) => true,
                // One word may be a word of the sentence as well.
                [word] if !word.contains('_') => {
                    ["is", "and"].iter().any(|verb| names(message, &format!("{word} {verb}")))
                }
                // Without its file, a secret is missing.
                path => {
                    let path = path.join(".");
                    names(message, path.strip_suffix("_file").unwrap_or(&path))
                }
            }
        })
    }

    /// True if an app was left out as a whole, or all of them.
    pub fn has_app(&self) -> bool {
        self.paths.iter().any(|path| path.len() <= 2 && path[0] == "apps")
    }
}

fn is_number(name: Option<&String>) -> bool {
    name.is_some_and(|name| name.parse::<usize>().is_ok())
}

/// The word stands alone in the text, or with a `_file` behind it.
fn names(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].trim_start_matches("_file").chars().next();
        !before.is_some_and(|c| is_part(c) || c == '.') && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(dotted: &str) -> Vec<String> {
        dotted.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn later_entries_keep_their_numbers() {
        let mut removed = Removed::default();
        for (now, then) in [("a.0", "a.0"), ("a.1", "a.2"), ("a.0", "a.1"), ("a.0.x", "a.3.x")] {
            let original = removed.original(&path(now));
            assert_eq!(original, path(then), "{now}");
            removed.note_entry(original);
        }
        // An id is no number of an entry.
        removed.note(path("apps.7"));
        assert_eq!(removed.original(&path("apps.8.b.0")), path("apps.8.b.0"));
    }

    #[test]
    fn messages_that_follow_are_recognised() {
        let mut removed = Removed::default();
        removed.note(path("trusted_proxies"));
        removed.note(path("apps.a.authorizer"));
        removed.note_entry(path("apps.a.origins.0"));
        removed.note(path("log"));
        for (message, expected) in [
            ("proxy_protocol is true, but trusted_proxies is empty", true),
            ("trusted_proxies_too is empty", false),
            ("apps.a.rules is given, and apps.a.authorizer is not \"jwt\"", true),
            ("apps.b.rules is given, and apps.b.authorizer is not \"jwt\"", false),
            ("apps.a.api_cors is true, and apps.a.origins is empty", true),
            ("apps.b.api_cors is true, and apps.b.origins is empty", false),
            ("apps.b.history would log the channels", false),
        ] {
            assert_eq!(removed.explains(&path("x"), message), expected, "{message}");
        }
    }
}
