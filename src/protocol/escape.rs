//! Writes JSON strings. Nearly every frame has JSON text in a JSON string, so this is most of the
//! cost of encoding.

/// JSON text as the content of a JSON string: quotes and backslashes are escaped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Escaped(String);

impl Escaped {
    pub fn new(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(escaped_capacity(text));
        escape(text, &mut bytes);
        Self::from_bytes(bytes)
    }

    /// `bytes` must be escaped text.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(String::from_utf8(bytes).expect("escaping makes ASCII of ASCII and leaves the rest"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The usual size of the text once escaped.
pub fn escaped_capacity(text: &str) -> usize {
    text.len() + text.len() / 4 + 16
}

/// Writes the text as a JSON string, with its quotes.
pub fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

const LINE: usize = 32;
const WORD: usize = 8;

/// Writes the content of a JSON string. Most lines need no escapes and are copied as they are; in
/// other lines, words with quotes or backslashes alone need no branch for each byte.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    let mut block = Block { bytes: [0; Block::BYTES], length: 0 };
    let mut lines = text.as_bytes().chunks_exact(LINE);
    for line in &mut lines {
        let line: &[u8; LINE] = line.try_into().expect("chunks have a line's length");
        if is_plain(line) {
            block.flush(out);
            out.extend_from_slice(line);
        } else {
            escape_words(line, &mut block, out);
        }
    }
    escape_words(lines.remainder(), &mut block, out);
    block.flush(out);
}

/// Checks every byte without an early exit, so that the compiler can vectorize the loop.
fn is_plain(line: &[u8; LINE]) -> bool {
    let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    !line.iter().fold(false, |found, byte| found | special(*byte))
}

fn escape_words(text: &[u8], block: &mut Block, out: &mut Vec<u8>) {
    let mut words = text.chunks_exact(WORD);
    for word in &mut words {
        let bits = u64::from_le_bytes(word.try_into().expect("chunks have a word's length"));
        if controls(bits) != 0 {
            block.flush(out);
            word.iter().for_each(|byte| escape_byte(*byte, out));
            continue;
        }
        if block.is_full() {
            block.flush(out);
        }
        match equal(bits, b'"') | equal(bits, b'\\') {
            0 => block.copy(bits, WORD),
            escaped => block.escape(bits, escaped),
        }
    }
    if !words.remainder().is_empty() {
        block.flush(out);
        words.remainder().iter().for_each(|byte| escape_byte(*byte, out));
    }
}

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES * 0x80;

/// The high bit of each byte that is below 0x20, and no other bit. No byte carries into the next.
fn controls(bits: u64) -> u64 {
    !(((bits & !HIGH) + ONES * 0x60) | bits) & HIGH
}

/// The high bit of each byte that is this one, and no other bit.
fn equal(bits: u64, byte: u8) -> u64 {
    let difference = bits ^ (ONES * u64::from(byte));
    !(((difference & !HIGH) + !HIGH) | difference) & HIGH
}

/// A buffer before the output, so that capacity is not checked for every word.
struct Block {
    bytes: [u8; Self::BYTES],
    length: usize,
}

impl Block {
    const BYTES: usize = 256;

    /// True if an escaped word and one more word may not fit.
    fn is_full(&self) -> bool {
        self.length > Self::BYTES - 3 * WORD
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.length > 0 {
            out.extend_from_slice(&self.bytes[..self.length]);
            self.length = 0;
        }
    }

    /// Writes a whole word, of which `count` bytes are valid: a copy of constant length takes one
    /// instruction.
    fn copy(&mut self, bits: u64, count: usize) {
        self.bytes[self.length..self.length + WORD].copy_from_slice(&bits.to_le_bytes());
        self.length += count;
    }

    fn escape(&mut self, mut bits: u64, mut escaped: u64) {
        let mut left = WORD;
        while escaped != 0 {
            let plain = escaped.trailing_zeros() / 8;
            self.copy(bits, plain as usize);
            self.copy(b'\\'.into(), 1);
            bits >>= 8 * plain;
            // The escaped byte is the first now, and is copied with the bytes after it.
            escaped = escaped >> (8 * plain) & !0x80;
            left -= plain as usize;
        }
        self.copy(bits, left);
    }
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        0x20.. => out.push(byte),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        control => {
            let [high, low] = [control >> 4, control & 15].map(|d| DIGITS[usize::from(d)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(text: &str) -> String {
        let mut out = Vec::new();
        quote(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_byte_at_each_position_of_a_word() {
        for character in (0..=0xff).filter_map(char::from_u32) {
            for before in 0..=WORD {
                for fill in ['a', '"', '\\', '\u{1f}', ' ', '\u{7f}', 'é'] {
                    let filled = |n: usize| fill.to_string().repeat(n);
                    let text = format!("{}{character}{}", filled(before), filled(17 - before));
                    assert_eq!(quoted(&text), serde_json::to_string(&text).unwrap(), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn any_length_and_position_in_a_block() {
        for fill in ["\"", "a", "\"a", "aaa\\aaaa\n", "\u{1}", "é\""] {
            for length in 0..700 {
                let text = format!("{}{}", "b".repeat(length % 9), fill.repeat(length));
                assert_eq!(quoted(&text), serde_json::to_string(&text).unwrap(), "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn matches_serde_json(text: String) {
            prop_assert_eq!(quoted(&text), serde_json::to_string(&text).unwrap());
            let escaped = Escaped::new(&text);
            prop_assert_eq!(format!("\"{}\"", escaped.as_str()), quoted(&text));
        }

        #[test]
        fn matches_serde_json_with_many_escapes(text in "[\"\\\\\u{0}-\u{22}a-c€]{0,60}") {
            prop_assert_eq!(quoted(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
