//! Headers that may occur once. Duplicates are refused: a proxy in front might choose the other
//! one.

use actix_web::http::header::{HeaderMap, HeaderName};

use super::error::ApiError;
use crate::refusal::RefusalCode;

#[derive(Debug, PartialEq, Eq)]
pub struct Twice(HeaderName);

/// The value of the header; empty if it is unreadable.
pub fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Twice> {
    let mut values = headers.get_all(&name);
    let first = values.next().map(|value| value.to_str().unwrap_or_default());
    match values.next() {
        None => Ok(first),
        Some(_) => Err(Twice(name)),
    }
}

impl From<Twice> for ApiError {
    fn from(Twice(name): Twice) -> Self {
        Self::new(RefusalCode::DuplicateHeader, format!("The header {name} is given twice"))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HOST, HeaderValue, ORIGIN};

    use super::*;

    #[test]
    fn one_or_none_is_read_and_two_are_not() {
        let mut headers = HeaderMap::new();
        assert_eq!(single(&headers, ORIGIN), Ok(None));
        headers.append(ORIGIN, HeaderValue::from_static("https://a.example"));
        assert_eq!(single(&headers, ORIGIN), Ok(Some("https://a.example")));
        assert_eq!(single(&headers, HOST), Ok(None));
        headers.append(ORIGIN, HeaderValue::from_static("https://a.example"));
        assert_eq!(single(&headers, ORIGIN), Err(Twice(ORIGIN)), "also if they are alike");
        headers.insert(HOST, HeaderValue::from_bytes(b"\xff").expect("a value"));
        assert_eq!(single(&headers, HOST), Ok(Some("")));
    }
}
