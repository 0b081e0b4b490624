//! Payloads that carry the time they were sent at.

use memchr::memmem;

const MARK: &[u8] = b"T=";
const DIGITS: usize = 19;

/// The shortest payload that holds a time.
pub const MIN_LEN: usize = MARK.len() + DIGITS + 1;

/// Appends a payload of `len` bytes (at least [`MIN_LEN`]) holding `time`.
pub fn write(time: u64, len: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(MARK);
    out.extend_from_slice(format!("{time:0DIGITS$};").as_bytes());
    out.resize(start + len.max(MIN_LEN), b'x');
}

/// Finds the time in a message that holds such a payload.
pub fn read(message: &[u8]) -> Option<u64> {
    let start = memmem::find(message, MARK)? + MARK.len();
    let digits = message.get(start..start + DIGITS)?;
    digits
        .iter()
        .try_fold(0u64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        let mut out = b"{\"data\":\"".to_vec();
        write(123_456_789, 100, &mut out);
        assert_eq!(out.len(), 9 + 100);
        assert_eq!(read(&out), Some(123_456_789));
        assert_eq!(read(b"nothing"), None);
        assert_eq!(read(b"T=12"), None);
    }
}
