//! Client input is echoed, but bounded.

use std::borrow::Cow;

pub fn truncated(text: &str) -> Cow<'_, str> {
    const CHARS: usize = 200;
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
