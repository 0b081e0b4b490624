//! A bound on nesting, checked before anything parses: a parser that recurses on what a stranger
//! sent can run out of stack, ours or that of whoever is sent the text next (PROTOCOL 1.8).

pub const MAX_DEPTH: usize = 64;

/// Whether no value in the JSON text is nested deeper than `MAX_DEPTH`. It does not ask whether
/// the text is valid.
pub fn is_shallow(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_exact_and_strings_do_not_count() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(is_shallow(nested(MAX_DEPTH).as_bytes()));
        assert!(!is_shallow(nested(MAX_DEPTH + 1).as_bytes()));
        assert!(is_shallow(format!(r#"["{}\"{}"]"#, "[".repeat(999), "{".repeat(999)).as_bytes()));
        assert!(is_shallow(format!(r#"["\\",{}]"#, nested(MAX_DEPTH - 1)).as_bytes()));
        assert!(!is_shallow(format!(r#"["\\",{}]"#, nested(MAX_DEPTH)).as_bytes()));
        assert!(is_shallow("[],".repeat(1000).as_bytes()));
    }
}
