//! The token of operators.

use crate::crypto::signature::AppSecret;

/// Kept as a keyed hash, so that the comparison takes constant time.
#[derive(Clone, Debug)]
pub struct AdminToken(AppSecret);

const LABEL: &[u8] = b"admin token";
/// Longer tokens are not compared, so that guesses cannot make the server hash long texts.
const MAX_TOKEN_BYTES: usize = 4096;

impl AdminToken {
    pub fn new(token: &str) -> Self {
        Self(AppSecret::new(token.as_bytes()))
    }

    pub fn matches(&self, given: &str) -> bool {
        if given.len() > MAX_TOKEN_BYTES {
            return false;
        }
        let given = AppSecret::new(given.as_bytes()).sign(&[LABEL]);
        self.0.verify(&[LABEL], &given)
    }

    pub fn is_same(&self, other: &Self) -> bool {
        self.0.verify(&[LABEL], &other.0.sign(&[LABEL]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_token_matches() {
        let token = AdminToken::new("correct horse battery");
        assert!(token.matches("correct horse battery"));
        for other in ["", "correct horse", "correct horse battery ", "Correct horse battery"] {
            assert!(!token.matches(other), "{other:?}");
        }
        assert!(!format!("{token:?}").contains("horse"));
        let longest = "x".repeat(MAX_TOKEN_BYTES + 1);
        assert!(!AdminToken::new(&longest).matches(&longest), "it is not even compared");
    }
}
