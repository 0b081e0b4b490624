//! Authentication for the admin API.

use actix_web::{HttpRequest, http::header};

use crate::{
    crypto::signature::AppSecret,
    domain::refusal::RefusalCode,
    web::{
        context::worker::worker,
        http::{error::ApiError, headers::single},
    },
};

/// The authentication that a listener requires.
#[derive(Clone, Copy)]
pub enum AdminAuth {
    /// None: the mode of the socket's file admits only the server's own user.
    Socket,
    /// The admin token of the current configuration; without one every request is refused.
    Token,
}

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

    fn matches(&self, given: &str) -> bool {
        if given.len() > MAX_TOKEN_BYTES {
            return false;
        }
        let given = AppSecret::new(given.as_bytes()).sign(&[LABEL]);
        self.0.verify(&[LABEL], &given)
    }
}

impl AdminAuth {
    /// The name in the audit log: it tells the means of access, since the person is unknown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Token => "token",
        }
    }

    pub fn admit(&self, request: &HttpRequest) -> Result<(), ApiError> {
        match self {
            Self::Socket => Ok(()),
            Self::Token => match &worker(request).settings().admin_token {
                Some(token) => token.check(request),
                None => Err(ApiError::path_not_found(request)),
            },
        }
    }
}

impl AdminToken {
    fn check(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let given = single(request.headers(), header::AUTHORIZATION)?;
        let given = given.and_then(|value| {
            let (scheme, given) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
        });
        match given {
            None => Err(ApiError::new(
                RefusalCode::AdminTokenMissing,
                "Send the admin token: Authorization: Bearer TOKEN",
            )),
            Some(given) if self.matches(given) => Ok(()),
            Some(_) => Err(ApiError::new(
                RefusalCode::AdminTokenWrong,
                "That is not the admin token of this server",
            )),
        }
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
