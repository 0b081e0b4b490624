//! Finds fields in JSON that the load generator is known to send, without parsing it.

use memchr::memmem;

/// The raw (still escaped) string value after `"name":"`.
pub fn field<'a>(json: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let start = memmem::find(json, name.as_bytes())? + name.len();
    let mut end = start;
    while *json.get(end)? != b'"' {
        end += if json[end] == b'\\' { 2 } else { 1 };
    }
    Some(&json[start..end])
}
