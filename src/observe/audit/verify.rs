//! Verifies line by line that a file is an unbroken chain.

use std::io::{self, BufRead};

use serde::Serialize;

use super::chain::{Chain, ChainError};

/// Contents of a valid file.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogSummary {
    pub lines: u64,
    /// Times of the first and the last line.
    pub first: Option<String>,
    pub last: Option<String>,
    /// Torn lines, as recorded by the lines after them.
    pub torn: u64,
    /// Hash of the last line. Noted elsewhere, it later proves that nothing was cut off.
    pub hash: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ChainVerifyError {
    #[error("line {number} {broken}")]
    Line { number: u64, broken: ChainError },
    #[error(
        "no line has the hash {0}: the file was cut off before it, or it is the hash of another file"
    )]
    Unexpected(String),
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// `AuditFact::LineTorn` in the file.
const LINE_TORN: &str = "line_torn";
/// Longer lines were not written by the server and are not kept in memory.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// `expected`: the hash of a line that must exist.
pub fn verify(
    mut file: impl BufRead,
    expected: Option<&str>,
) -> Result<LogSummary, ChainVerifyError> {
    let (mut chain, mut summary) = (Chain::new(), LogSummary::default());
    let (mut line, mut met) = (Vec::new(), false);
    loop {
        line.clear();
        if io::Read::take(&mut file, MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let number = summary.lines + 1;
        let broken = |broken| ChainVerifyError::Line { number, broken };
        let bytes = line.strip_suffix(b"\n").ok_or_else(|| broken(ChainError::Incomplete))?;
        let read = chain.check(bytes).map_err(broken)?;
        met |= expected.is_some_and(|hash| hash.eq_ignore_ascii_case(&read.hash));
        summary.lines = number;
        summary.torn += u64::from(read.event == LINE_TORN);
        summary.first.get_or_insert_with(|| read.time.clone());
        summary.last = Some(read.time);
        summary.hash = Some(read.hash);
    }
    match expected {
        Some(hash) if !met => Err(ChainVerifyError::Unexpected(hash.to_owned())),
        _ => Ok(summary),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::audit::AuditFact;
    use proptest::prelude::*;
    use std::time::SystemTime;

    fn log(lines: u64) -> Vec<u8> {
        let (mut chain, mut out) = (Chain::new(), Vec::new());
        for count in 0..lines {
            chain.append(SystemTime::now(), &AuditFact::FactsLost { count }, &mut out);
        }
        out
    }

    fn lines(log: &[u8]) -> Vec<Vec<u8>> {
        log.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    fn last_hash(log: &[u8]) -> String {
        verify(log, None).unwrap().hash.unwrap()
    }

    #[test]
    fn written_lines_verify() {
        let log = log(50);
        let summary = verify(log.as_slice(), None).unwrap();
        assert_eq!(summary.lines, 50);
        assert!(summary.first <= summary.last);
        assert!(verify(log.as_slice(), summary.hash.as_deref()).is_ok());
        assert_eq!(verify([].as_slice(), None).unwrap(), LogSummary::default());
    }

    /// A hash noted earlier stays valid while the file grows.
    #[test]
    fn earlier_hash_is_found() {
        let log = log(20);
        let early = last_hash(&lines(&log)[..7].concat());
        assert_eq!(verify(log.as_slice(), Some(&early)).unwrap().lines, 20);
    }

    #[test]
    fn removed_first_line_is_found() {
        let rest = lines(&log(3))[1..].concat();
        let error = verify(rest.as_slice(), None).unwrap_err().to_string();
        assert!(error.starts_with("line 1 has seq 2 where 1 belongs"), "{error}");
    }

    #[test]
    fn overlong_line_is_refused() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        let error = verify(endless, None).unwrap_err().to_string();
        assert!(error.starts_with("line 1 is not complete: no line feed ends it"), "{error}");
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_found(at: proptest::sample::Index, by in 1u8..) {
            let mut log = log(6);
            let at = at.index(log.len());
            log[at] ^= by;
            prop_assert!(verify(log.as_slice(), None).is_err());
        }

        #[test]
        fn any_removed_or_repeated_byte_is_found(at: proptest::sample::Index, byte: u8) {
            let whole = log(6);
            let at = at.index(whole.len());
            let mut shorter = whole.clone();
            shorter.remove(at);
            prop_assert!(verify(shorter.as_slice(), None).is_err());
            let mut longer = whole;
            longer.insert(at, byte);
            prop_assert!(verify(longer.as_slice(), None).is_err());
        }

        #[test]
        fn removed_line_is_found(at in 0usize..9) {
            let mut lines = lines(&log(10));
            lines.remove(at);
            prop_assert!(verify(lines.concat().as_slice(), None).is_err());
        }

        #[test]
        fn swapped_lines_are_found(a in 0usize..10, b in 0usize..10) {
            prop_assume!(a != b);
            let mut lines = lines(&log(10));
            lines.swap(a, b);
            prop_assert!(verify(lines.concat().as_slice(), None).is_err());
        }

        /// A line with a correct hash of its own: a copy, or one from another chain at the same
        /// position.
        #[test]
        fn inserted_or_replaced_line_is_found(at in 0usize..9, from in 0usize..10, foreign: bool) {
            let own = lines(&log(10));
            let (mut inserted, mut replaced) = (own.clone(), own.clone());
            let line = if foreign { lines(&log(11))[from].clone() } else { own[from].clone() };
            inserted.insert(at, line);
            prop_assert!(verify(inserted.concat().as_slice(), None).is_err());
            let mut other = Vec::new();
            let mut chain = at.checked_sub(1).map_or(Chain::new(), |before| Chain::after(own[before].trim_ascii_end()).unwrap());
            chain.append(SystemTime::now(), &AuditFact::FactsLost { count: 999 }, &mut other);
            replaced[at] = other;
            prop_assert!(verify(replaced.concat().as_slice(), None).is_err());
        }

        #[test]
        fn truncated_end_is_found_with_the_last_hash(keep in 0usize..10) {
            let log = log(10);
            let hash = last_hash(&log);
            let shorter = lines(&log)[..keep].concat();
            prop_assert!(verify(shorter.as_slice(), None).is_ok());
            prop_assert!(verify(shorter.as_slice(), Some(&hash)).is_err());
        }

        #[test]
        fn torn_end_is_reported(cut in 1usize..50) {
            let log = log(3);
            prop_assert!(verify(&log[..log.len() - cut], None).is_err());
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            let _ = verify(bytes.as_slice(), None);
        }
    }
}
