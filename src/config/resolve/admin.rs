//! The token of the admin API.

use secrecy::ExposeSecret;

use super::{
    checks::{ConfigResult, error},
    secrets::{secret, stray_hint, warn_of_stray},
};
use crate::{config::raw::RawConfig, web::AdminToken};

/// Shorter tokens could be guessed.
const MIN_CHARACTERS: usize = 16;

pub fn admin_token(
    raw: &RawConfig,
    warnings: &mut Vec<String>,
) -> ConfigResult<Option<AdminToken>> {
    let Some(token) = secret("admin_token", &raw.admin_token, &raw.admin_token_file)? else {
        return Ok(None);
    };
    let (token, length) = (token.expose_secret(), token.expose_secret().chars().count());
    if length < MIN_CHARACTERS {
        return error(
            "admin_token",
            format!(
                "admin_token is {length} characters long, and must be at least {MIN_CHARACTERS} (`openssl rand -hex 32` makes one)"
            ),
        );
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return error(
            "admin_token",
            format!(
                "admin_token must be printable ASCII without blanks, since it is sent in a header{}",
                stray_hint(token)
            ),
        );
    }
    warn_of_stray("admin_token", token, warnings);
    Ok(Some(AdminToken::new(token)))
}

pub fn warn_of_unused_token(raw: &RawConfig, warnings: &mut Vec<String>) {
    let given = raw.admin_token.is_some() || raw.admin_token_file.is_some();
    if given && raw.ops_listen.is_none() {
        warnings.push("admin_token is set, but ops_listen, where it is asked for, is not: keys are managed on the state directory's socket alone".into());
    }
}
