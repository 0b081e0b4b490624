//! Decimal numbers as scripts write them.

use super::NUMBER_LIMIT;

/// `None` unless `text` is the one way to write a number below the limit.
pub(super) fn parse(text: &[u8]) -> Option<u64> {
    let canonical = matches!(text, [b'0'] | [b'1'..=b'9', ..]);
    if !canonical || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = str::from_utf8(text).ok()?.parse().ok()?;
    (number < NUMBER_LIMIT).then_some(number)
}

/// The number before the first colon, and the rest behind it.
pub(super) fn split(text: &[u8]) -> Option<(u64, &[u8])> {
    let colon = memchr::memchr(b':', text)?;
    Some((parse(&text[..colon])?, &text[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_below_the_limit_is_a_number() {
        assert_eq!(parse(b"0"), Some(0));
        assert_eq!(parse(b"9007199254740991"), Some(NUMBER_LIMIT - 1));
        for bad in ["", "00", "01", "-1", "+1", "1.0", "1e3", " 1", "9007199254740992"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(split(b"12:a:b"), Some((12, b"a:b".as_slice())));
        assert_eq!(split(b"12"), None);
    }
}
