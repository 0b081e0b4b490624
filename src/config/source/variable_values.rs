//! Parses the text of a variable.

use figment::{
    Profile, Provider,
    providers::{Format, Toml},
    value::Value,
};

use crate::config::schema::{Kind, Schema};

/// The value of the setting at `path`. A text stays one even if it looks like a number, such as a
/// secret of digits.
pub fn of_text<S: AsRef<str>>(path: &[S], text: &str, schema: &Schema) -> Value {
    let kind = schema.at(path).map(|setting| setting.kind());
    if kind == Some(Kind::Text) {
        return Value::from(text);
    }
    // Files with Windows line ends leave a carriage return on each value.
    let text = text.trim();
    match kind {
        Some(Kind::Boolean) => boolean(text).map_or_else(|| Value::from(text), Value::from),
        Some(Kind::Form | Kind::Choice) => Value::from(text),
        _ => toml_value(text).unwrap_or_else(|| Value::from(text)),
    }
}

/// A TOML number or list is one here; anything else is a text.
fn toml_value(text: &str) -> Option<Value> {
    let data = Toml::string(&format!("value = {text}")).data();
    data.ok()?.remove(&Profile::Default)?.remove("value")
}

fn boolean(text: &str) -> Option<bool> {
    match &*text.to_ascii_lowercase() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_read_in_common_spellings() {
        for (text, expected) in [
            ("1", true),
            ("true", true),
            ("True", true),
            ("YES", true),
            ("on\r", true),
            ("0", false),
            ("false", false),
            ("no", false),
            ("Off", false),
        ] {
            let value = of_text(&["apps", "a", "enabled"], text, &Schema::new());
            assert_eq!(value, Value::from(expected), "{text}");
        }
    }

    #[test]
    fn texts_count_as_written_and_other_values_are_trimmed() {
        let schema = Schema::new();
        let app = |name: &'static str| vec!["apps", "a", name];
        for (path, text, expected) in [
            (app("enabled"), "maybe", Value::from("maybe")),
            (vec!["workers"], "1\r", Value::from(1_i64)),
            (app("secret"), "1\r", Value::from("1\r")),
            (app("key"), "17", Value::from("17")),
            (vec!["state_dir"], "17", Value::from("17")),
            (vec!["listen"], "127.0.0.1:1\r", Value::from("127.0.0.1:1")),
            (vec!["log"], "info\r", Value::from("info")),
            (app("origins"), "['a']", Value::from(vec!["a"])),
            (app("origins"), "a", Value::from("a")),
            (vec!["unknown"], "17", Value::from(17_i64)),
        ] {
            assert_eq!(of_text(&path, text, &schema), expected, "{path:?} {text:?}");
        }
    }
}
