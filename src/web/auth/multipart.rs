//! `multipart/form-data` (RFC 7578) of a few short text fields, as `FormData` sends them.
//!
//! The body is in memory and at most 16 KiB. Anything unlike the output of browsers is refused: a
//! proxy in front must not read other fields.

use super::fields::{Fields, insert_once};
use crate::{domain::refusal::RefusalCode, web::http::error::ApiError};

/// More than a request has, with room for files of the page.
const MAX_PARTS: usize = 100;

/// RFC 2046 section 5.1.1.
const MAX_BOUNDARY: usize = 70;

fn invalid(why: &str) -> ApiError {
    ApiError::new(RefusalCode::InvalidForm, format!("The multipart body cannot be read: {why}"))
}

/// The parameter of the `Content-Type`.
pub fn boundary(content_type: &str) -> Result<&str, ApiError> {
    let boundary = parameter(content_type, "boundary").filter(|b| !b.is_empty());
    let boundary = boundary.ok_or_else(|| invalid("the Content-Type names no boundary"))?;
    match boundary.len() <= MAX_BOUNDARY {
        true => Ok(boundary),
        false => Err(invalid("the boundary is longer than 70 characters")),
    }
}

pub fn multipart_fields(body: &[u8], boundary: &str) -> Result<Fields, ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| invalid("it is not UTF-8"))?;
    let first = format!("--{boundary}");
    let delimiter = format!("\r\n{first}");
    let mut rest =
        text.strip_prefix(&*first).ok_or_else(|| invalid("it does not begin with the boundary"))?;
    let mut fields = Fields::new();
    for _ in 0..=MAX_PARTS {
        if rest == "--" || rest.starts_with("--\r\n") {
            return Ok(fields);
        }
        let part = rest.strip_prefix("\r\n").ok_or_else(|| invalid("a boundary is incomplete"))?;
        let (part, next) =
            part.split_once(&*delimiter).ok_or_else(|| invalid("the last boundary is missing"))?;
        let (head, value) =
            part.split_once("\r\n\r\n").ok_or_else(|| invalid("the head of a part has no end"))?;
        insert_once(&mut fields, name(head)?, value.to_owned())?;
        rest = next;
    }
    Err(invalid("it has more than 100 parts"))
}

/// The field's name in the head of its part.
fn name(head: &str) -> Result<&str, ApiError> {
    let mut found = None;
    for line in head.split("\r\n") {
        let (header, value) =
            line.split_once(':').ok_or_else(|| invalid("a part has an invalid header line"))?;
        if header.eq_ignore_ascii_case("content-transfer-encoding") {
            return Err(invalid("a part has a Content-Transfer-Encoding"));
        }
        if header.eq_ignore_ascii_case("content-disposition") {
            let name = parameter(value, "name").ok_or_else(|| invalid("a part has no name"))?;
            if found.replace(name).is_some() {
                return Err(invalid("a part has two names"));
            }
        }
    }
    found.ok_or_else(|| invalid("a part has no name"))
}

/// The parameter `key=value` or `key="value"` after the first semicolon. Escapes are not supported,
/// since no field name needs one; of duplicates, `None`.
fn parameter<'a>(value: &'a str, key: &str) -> Option<&'a str> {
    let (_, mut rest) = value.split_once(';')?;
    let mut found = None;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(';').unwrap_or(after.len())),
        };
        if name.trim().eq_ignore_ascii_case(key) && found.replace(value.trim_end()).is_some() {
            return None;
        }
        match next.split_once(';') {
            Some((_, next)) if !next.trim().is_empty() => rest = next,
            _ => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(head: &str, value: &str) -> String {
        format!("--b\r\n{head}\r\n\r\n{value}\r\n")
    }

    fn named(name: &str, value: &str) -> String {
        part(&format!("Content-Disposition: form-data; name=\"{name}\""), value)
    }

    #[test]
    fn bodies_of_browsers_and_tools_are_read() {
        let file = part(
            "content-disposition: form-data; filename=\"a;b=c.txt\"; name=\"user_info\"\r\nContent-Type: application/json",
            "{\"a\":\r\n1}",
        );
        let body = named("socket_id", "1.2") + &named("extra", "") + &file;
        for end in ["--b--", "--b--\r\n", "--b--\r\nepilogue"] {
            let fields = multipart_fields((body.clone() + end).as_bytes(), "b").expect(end);
            assert_eq!(fields["socket_id"], "1.2");
            assert_eq!(fields["user_info"], "{\"a\":\r\n1}");
            assert_eq!(fields.len(), 2);
        }
        for (kind, expected) in [
            ("multipart/form-data; boundary=b", Some("b")),
            ("multipart/form-data; charset=utf-8; Boundary=\"a b\"", Some("a b")),
            (
                "multipart/form-data;boundary=----WebKitFormBoundaryX;x=y",
                Some("----WebKitFormBoundaryX"),
            ),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=a; boundary=b", None),
        ] {
            assert_eq!(boundary(kind).ok(), expected, "{kind}");
        }
        assert!(boundary(&format!("x; boundary={}", "b".repeat(71))).is_err());
    }

    #[test]
    fn other_notations_are_refused() {
        let good = named("socket_id", "1.2");
        for body in [
            String::new(),
            "socket_id=1.2".to_owned(),
            good.clone(),
            format!("{good}--b"),
            format!("preamble\r\n{good}--b--"),
            format!("{good}{good}--b--"),
            good.replace("\r\n", "\n") + "--b--",
            part("Content-Disposition: form-data", "1.2") + "--b--",
            part("X: y", "1.2") + "--b--",
            part("rubbish", "1.2") + "--b--",
            part("Content-Disposition: form-data; name=a; name=socket_id", "1.2") + "--b--",
            part("Content-Disposition: form-data; name=a\r\nContent-Disposition: x; name=b", "1")
                + "--b--",
            part(
                "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64",
                "MS4y",
            ) + "--b--",
            named("x", "y").repeat(101) + "--b--",
        ] {
            assert!(multipart_fields(body.as_bytes(), "b").is_err(), "{body:?}");
        }
        assert!(multipart_fields(b"--b\r\n\xff", "b").is_err());
        assert!(multipart_fields((named("x", "y").repeat(100) + "--b--").as_bytes(), "b").is_ok());
    }

    proptest! {
        #[test]
        fn arbitrary_bodies_do_not_panic(body in "(--b|\r\n|name=|;|\"|:|Content-Disposition|[a-z]){0,60}") {
            let _ = multipart_fields(body.as_bytes(), "b");
            let _ = boundary(&body);
        }
    }
}
