//! Headers that may occur once. Duplicates are refused: a proxy in front might choose the other
//! one.

use actix_web::http::header::{HeaderMap, HeaderName};

use super::error::ApiError;
use crate::domain::refusal::RefusalCode;

#[derive(Debug, PartialEq, Eq)]
pub struct DuplicateHeader(HeaderName);

/// The value of the header; empty if it is unreadable.
pub fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, DuplicateHeader> {
    let mut values = headers.get_all(&name);
    let first = values.next().map(|value| value.to_str().unwrap_or_default());
    match values.next() {
        None => Ok(first),
        Some(_) => Err(DuplicateHeader(name)),
    }
}

impl From<DuplicateHeader> for ApiError {
    fn from(DuplicateHeader(name): DuplicateHeader) -> Self {
        Self::new(RefusalCode::DuplicateHeader, format!("The header {name} is given twice"))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HOST, HeaderValue, ORIGIN};

    use super::*;

    #[test]
    fn duplicate_headers_are_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(single(&headers, ORIGIN), Ok(None));
        headers.append(ORIGIN, HeaderValue::from_static("https://a.example"));
        assert_eq!(single(&headers, ORIGIN), Ok(Some("https://a.example")));
        assert_eq!(single(&headers, HOST), Ok(None));
        headers.append(ORIGIN, HeaderValue::from_static("https://a.example"));
        assert_eq!(
            single(&headers, ORIGIN),
            Err(DuplicateHeader(ORIGIN)),
            "also if they are alike"
        );
        headers.insert(HOST, HeaderValue::from_bytes(b"\xff").expect("a value"));
        assert_eq!(single(&headers, HOST), Ok(Some("")));
    }
}
