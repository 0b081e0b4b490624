//! What a client sends to an auth endpoint.

use std::path::PathBuf;

use hyper::header::{HeaderName, HeaderValue};

use crate::{
    cli::exit::{CliResult, CommandError},
    crypto::key::read_secret_file,
};

/// Headers for an auth endpoint. Parsed by `headers` and not by clap, whose errors repeat values.
#[derive(clap::Args)]
pub struct HeaderArgs {
    /// Header for the auth endpoint, such as 'Authorization: Bearer TOKEN'; may be repeated
    #[arg(long, value_name = "NAME: VALUE", requires = "auth")]
    header: Vec<String>,
    /// File with one more header for the auth endpoint, to keep a token out of the process list
    #[arg(long, value_name = "FILE", requires = "auth")]
    header_file: Option<PathBuf>,
}

impl HeaderArgs {
    pub fn headers(&self) -> CliResult<Vec<(HeaderName, HeaderValue)>> {
        let file = self.header_file.as_deref().map(read_secret_file).transpose()?;
        let texts = self.header.iter().map(String::as_str);
        texts.chain(file.as_deref().map(String::as_str)).map(header).collect()
    }
}

/// The text may hold a token, so that no error repeats it.
fn header(text: &str) -> CliResult<(HeaderName, HeaderValue)> {
    let wrong = || CommandError::usage("a header is NAME: VALUE, such as 'Cookie: session=...'");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok((name.trim().parse().map_err(|_| wrong())?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_taken_apart_and_never_repeated_in_errors() {
        let (name, value) = header("Authorization: Bearer a:b").expect("a header");
        assert_eq!((name.as_str(), value.to_str().ok()), ("authorization", Some("Bearer a:b")));
        assert!(value.is_sensitive());
        for wrong in ["Bearer secret", "a b: secret", "A: sec\u{1}ret"] {
            let error = header(wrong).expect_err(wrong);
            assert_eq!(error.exit(), 2);
            assert!(!error.to_string().contains("sec"), "{error}");
        }
    }
}
