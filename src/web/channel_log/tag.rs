//! Entity tags: a position in quotes. Proxies that change a body on its way make tags weak, and the
//! position is the same.

/// The header's value of a position.
pub fn of_position(position: &str) -> String {
    format!("\"{position}\"")
}

/// The position in one entity tag.
pub fn position(tag: &str) -> Option<&str> {
    let tag = tag.trim();
    let opaque = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
    let is_position = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    (!opaque.is_empty() && opaque.bytes().all(is_position)).then_some(opaque)
}

/// True if the list of `If-None-Match` has the position.
pub fn matches(list: &str, of: &str) -> bool {
    list.trim() == "*" || list.split(',').any(|tag| position(tag) == Some(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_strong_and_weak() {
        for (tag, expected) in [
            ("\"AQ3x-_\"", Some("AQ3x-_")),
            (" W/\"AQ3x\" ", Some("AQ3x")),
            ("AQ3x", None),
            ("\"\"", None),
            ("\"a\", \"b\"", None),
            ("w/\"a\"", None),
            ("\"a", None),
            ("\"", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(position(tag), expected, "{tag}");
        }
        assert_eq!(position(&of_position("x")), Some("x"));
        for (list, expected) in
            [("*", true), ("\"a\", W/\"b\"", true), ("\"a\"", false), ("b", false), ("", false)]
        {
            assert_eq!(matches(list, "b"), expected, "{list}");
        }
    }
}
