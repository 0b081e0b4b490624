//! The body of a request to an auth endpoint, in any supported `Content-Type`.

use actix_web::{HttpRequest, http::header};

use super::{
    fields::{Fields, duplicate_parameter, form_fields, json_fields},
    multipart::{boundary, multipart_fields},
};
use crate::{domain::refusal::RefusalCode, web::http::error::ApiError};

pub struct AuthBody {
    pub fields: Fields,
    /// True if cookies may count. Any site can make a browser send its cookies, and each type is
    /// one more kind of request to defend: only the two types of real clients count.
    pub takes_cookies: bool,
}

impl AuthBody {
    pub fn read(request: &HttpRequest, body: &[u8]) -> Result<Self, ApiError> {
        let mut types = request.headers().get_all(header::CONTENT_TYPE);
        let given = types.next().map(|value| value.to_str().unwrap_or("?")).unwrap_or_default();
        if types.next().is_some() {
            return Err(duplicate_parameter("Content-Type"));
        }
        let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let looks_like_json = body.trim_ascii_start().starts_with(b"{");
        let (fields, takes_cookies) = match essence.as_str() {
            "application/json" => (json_fields(body)?, true),
            "application/x-www-form-urlencoded" if !looks_like_json => (form_fields(body)?, true),
            "multipart/form-data" => (multipart_fields(body, boundary(given)?)?, false),
            // Sent by scripts without a type, or with a wrong one.
            other if other.ends_with("+json") || looks_like_json => (json_fields(body)?, false),
            "" | "text/plain" => (form_fields(body)?, false),
            _ => return Err(unsupported(given)),
        };
        Ok(Self { fields, takes_cookies })
    }
}

fn unsupported(given: &str) -> ApiError {
    const CHARS: usize = 100;
    let given: String = given.chars().take(CHARS).collect();
    let message = format!(
        "The Content-Type is {given:?}: send application/x-www-form-urlencoded, application/json (or any +json), or multipart/form-data"
    );
    ApiError::new(RefusalCode::UnsupportedMediaType, message)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn read(kind: &str, body: &str) -> Result<AuthBody, ApiError> {
        let request = TestRequest::default();
        let request = match kind {
            "" => request,
            kind => request.insert_header(("Content-Type", kind)),
        };
        AuthBody::read(&request.to_http_request(), body.as_bytes())
    }

    #[test]
    fn bodies_are_read_by_type_or_content() {
        const FORM: &str = "socket_id=1.2&channel_name=c";
        const JSON: &str = r#" {"socket_id":"1.2","channel_name":"c"}"#;
        const PARTS: &str = "--b\r\nContent-Disposition: form-data; name=socket_id\r\n\r\n1.2\r\n--b\r\nContent-Disposition: form-data; name=\"channel_name\"\r\n\r\nc\r\n--b--\r\n";
        for (kind, body, takes_cookies) in [
            ("application/x-www-form-urlencoded", FORM, true),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", FORM, true),
            ("application/json", JSON, true),
            (" application/json;charset=utf-8", JSON, true),
            ("application/x-www-form-urlencoded", JSON, false),
            ("application/vnd.api+json", JSON, false),
            ("application/vnd.api+json; ext=x", JSON, false),
            ("text/plain;charset=UTF-8", JSON, false),
            ("text/json", JSON, false),
            ("application/octet-stream", JSON, false),
            ("", JSON, false),
            ("", FORM, false),
            ("text/plain", FORM, false),
            ("multipart/form-data; boundary=b", PARTS, false),
        ] {
            let question = read(kind, body).unwrap_or_else(|e| panic!("{kind}: {e}"));
            assert_eq!(question.fields["socket_id"], "1.2", "{kind}");
            assert_eq!(question.fields["channel_name"], "c", "{kind}");
            assert_eq!(question.takes_cookies, takes_cookies, "{kind} {body}");
        }
    }

    #[test]
    fn unsupported_types_are_named() {
        for kind in ["application/xml", "text/html; charset=utf-8", "image/png", "\u{fc}", "json"] {
            let error = read(kind, "socket_id=1.2").err().expect(kind);
            assert_eq!(error.code(), RefusalCode::UnsupportedMediaType, "{kind}");
            assert!(error.to_string().contains("multipart/form-data"), "{error}");
        }
        let error = read("application/xml", "<a/>").err().expect("refused").to_string();
        assert!(error.contains("\"application/xml\""), "{error}");
        for (kind, body) in [
            ("application/json", "socket_id=1.2"),
            ("application/vnd.api+json", ""),
            ("text/plain", "{"),
        ] {
            let error = read(kind, body).err().expect(kind);
            assert_eq!(error.code(), RefusalCode::InvalidJson, "{kind} {body}");
        }
    }
}
