//! Refusals as bytes, for a connection that no handler of HTTP answers.

use crate::domain::refusal::RefusalCode;

/// `more`: further header lines, without the last line break.
pub fn plain_refusal(status: &str, more: &str, message: &str, code: RefusalCode) -> String {
    let code = code.name();
    let body = format!(r#"{{"error":"{message}","code":"{code}"}}"#);
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
