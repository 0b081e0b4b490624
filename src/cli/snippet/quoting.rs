//! Literals of the languages of the snippets.

/// For JavaScript, Python, Go and Java, which read JSON strings.
pub fn double(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// For Ruby and PHP: their double quotes interpolate.
pub fn single(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

pub fn shell(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@".contains(&b);
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// For a `.env` file, in the syntax of Laravel and Vite.
pub fn dotenv(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@+=".contains(&b);
    match text.bytes().all(plain) {
        true => text.to_owned(),
        false => {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
            format!("\"{escaped}\"")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_stay_within_their_literals() {
        assert_eq!(double(r#"a"b\"#), r#""a\"b\\""#);
        assert_eq!(single(r"a'b\#{x}$y"), r"'a\'b\\#{x}$y'");
        assert_eq!(shell("a'b $(x)"), r"'a'\''b $(x)'");
        assert_eq!((shell("app-secret"), shell("")), ("app-secret".into(), "''".into()));
        assert_eq!(dotenv(r#"a"b$c #"#), r#""a\"b\$c #""#);
        assert_eq!(dotenv("base64:ab+/="), "base64:ab+/=");
    }
}
