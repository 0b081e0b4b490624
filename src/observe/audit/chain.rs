//! Writing and checking one line of the log. `docs/audit.md` defines its form to the byte.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::AuditFact;
use crate::crypto::encoding::{from_hex, hex};

type Hash = [u8; 32];

/// The `prev` of the first line.
const GENESIS_HASH: Hash = [0; 32];
const HASH_FIELD: &[u8] = b",\"hash\":\"";

/// Position of the next line in the chain.
#[derive(Clone)]
pub struct Chain {
    seq: u64,
    prev: Hash,
    /// The `hash` field of the previous line.
    last: Option<String>,
}

/// A line whose own hash is correct.
pub struct ChainLine {
    pub seq: u64,
    pub time: String,
    pub event: String,
    pub hash: String,
    prev: Hash,
}

/// The error text continues a sentence that begins with "line 7".
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChainError {
    #[error(
        "is not complete: no line feed ends it. If it is the beginning of the next line, as after a loss of power, the server moves it aside at its next start"
    )]
    Incomplete,
    #[error("does not end with a hash as the server writes it")]
    Form,
    #[error("was changed: its hash does not match it")]
    Hash,
    #[error("has no seq, time, event and prev as the server writes them")]
    Fields,
    #[error("has seq {found} where {expected} belongs: lines were removed, inserted or reordered")]
    Sequence { found: u64, expected: u64 },
    #[error("does not follow the line before it: one of the two was replaced")]
    Previous,
}

impl Chain {
    pub fn new() -> Self {
        Self { seq: 1, prev: GENESIS_HASH, last: None }
    }

    /// The chain after this line, whose own hash must be correct.
    pub fn after(line: &[u8]) -> Result<Self, ChainError> {
        let ChainLine { seq, hash, .. } = ChainLine::read(line)?;
        Ok(Self { seq: seq + 1, prev: Sha256::digest(line).into(), last: Some(hash) })
    }

    /// The number of the next line.
    pub fn next(&self) -> u64 {
        self.seq
    }

    pub fn last_hash(&self) -> Option<&str> {
        self.last.as_deref()
    }

    pub fn append(&mut self, time: SystemTime, fact: &AuditFact, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct LineFields<'a> {
            seq: u64,
            time: String,
            #[serde(flatten)]
            fact: &'a AuditFact,
            prev: String,
        }
        let time = humantime::format_rfc3339_millis(time).to_string();
        let body = LineFields { seq: self.seq, time, fact, prev: hex(&self.prev) };
        let mut line = serde_json::to_vec(&body).expect("a fact is made of texts and numbers");
        let hash = hex(&Sha256::digest(&line));
        line.pop();
        line.extend_from_slice(HASH_FIELD);
        line.extend_from_slice(hash.as_bytes());
        line.extend_from_slice(b"\"}");
        self.seq += 1;
        self.prev = Sha256::digest(&line).into();
        self.last = Some(hash);
        out.extend_from_slice(&line);
        out.push(b'\n');
    }

    /// Accepts the next line of an existing file, if it continues the chain.
    pub fn check(&mut self, bytes: &[u8]) -> Result<ChainLine, ChainError> {
        let line = ChainLine::read(bytes)?;
        if line.seq != self.seq {
            return Err(ChainError::Sequence { found: line.seq, expected: self.seq });
        }
        if line.prev != self.prev {
            return Err(ChainError::Previous);
        }
        self.seq += 1;
        self.prev = Sha256::digest(bytes).into();
        self.last = Some(line.hash.clone());
        Ok(line)
    }
}

impl ChainLine {
    /// A line without its line feed.
    fn read(bytes: &[u8]) -> Result<Self, ChainError> {
        #[derive(Deserialize)]
        struct ParsedFields {
            seq: u64,
            time: String,
            event: String,
            prev: String,
        }
        let (body, hash) = split(bytes).ok_or(ChainError::Form)?;
        let computed = hex(&Sha256::new().chain_update(body).chain_update(b"}").finalize());
        if computed.as_bytes() != hash {
            return Err(ChainError::Hash);
        }
        let fields: ParsedFields = serde_json::from_slice(bytes).map_err(|_| ChainError::Fields)?;
        let prev = from_hex(&fields.prev).ok_or(ChainError::Fields)?;
        // The last number has no successor; the server never reaches it.
        let seq = Some(fields.seq).filter(|seq| *seq < u64::MAX).ok_or(ChainError::Fields)?;
        Ok(Self { seq, time: fields.time, event: fields.event, hash: computed, prev })
    }
}

/// The bytes before the `hash` field, and its value.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_suffix(b"\"}")?;
    let (line, hash) = line.split_at_checked(line.len().checked_sub(64)?)?;
    Some((line.strip_suffix(HASH_FIELD)?, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    /// Computed with Python's json and hashlib from the definition in docs/audit.md.
    #[test]
    fn lines_have_the_documented_form() {
        let (mut chain, mut out) = (Chain::new(), Vec::new());
        let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_007);
        chain.append(time, &AuditFact::ServerStopped { reason: "signal" }, &mut out);
        chain.append(time, &AuditFact::FactsLost { count: 3 }, &mut out);
        let lines: Vec<&str> = std::str::from_utf8(&out).unwrap().lines().collect();
        assert_eq!(lines, EXPECTED);
        let mut reader = Chain::new();
        for line in lines {
            assert_eq!(reader.check(line.as_bytes()).unwrap().time, "2023-11-14T22:13:20.007Z");
        }
    }

    const EXPECTED: [&str; 2] = [
        r#"{"seq":1,"time":"2023-11-14T22:13:20.007Z","event":"server_stopped","reason":"signal","prev":"0000000000000000000000000000000000000000000000000000000000000000","hash":"3fa38c7e38785e722b41e85508c9d54b26d2aa66236dfdc13efe34c750007ab2"}"#,
        r#"{"seq":2,"time":"2023-11-14T22:13:20.007Z","event":"facts_lost","count":3,"prev":"f0b36dd2a54e31a3517ef946e9bf8e49bf12938cc1afe971e6313fee4ac3d3ae","hash":"436a5413ab21f0334e1948b5cc777d9e22599f7571700dd14d45895dbab829c4"}"#,
    ];

    /// These names belong to the chain itself: a fact with one of them would overwrite its field.
    #[test]
    fn fact_fields_do_not_shadow_chain_fields() {
        let source = include_str!("fact.rs");
        for name in ["seq", "time", "prev", "hash", "event"] {
            assert!(!source.contains(&format!(" {name}: ")), "{name}");
        }
    }
}
