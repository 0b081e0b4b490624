//! JSON and TOML as a list of settings.

use figment::providers::{Format as _, Toml};
use serde_json::Value;

use super::{ForeignName, ForeignSetting};

/// Neither error repeats the text, which may hold secrets.
pub fn of_json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text)
        .map_err(|e| format!("it is no JSON: line {}, column {}", e.line(), e.column()))
}

pub fn of_toml(text: &str) -> Result<Value, String> {
    Toml::from_str(text).map_err(|_| "it is no TOML".to_owned())
}

/// The settings in `value`. `is_known` tells the paths at which to stop: what is beneath belongs to
/// one setting.
pub fn entries(value: &Value, is_known: &dyn Fn(&[String]) -> bool) -> Vec<ForeignSetting> {
    let mut found = Vec::new();
    descend(value, &mut Vec::new(), is_known, &mut found);
    found
}

fn descend(
    value: &Value,
    path: &mut Vec<String>,
    is_known: &dyn Fn(&[String]) -> bool,
    found: &mut Vec<ForeignSetting>,
) {
    let holds_more = match value {
        Value::Object(_) => true,
        Value::Array(list) => list.iter().any(Value::is_object),
        _ => false,
    };
    if !holds_more || !path.is_empty() && is_known(path) {
        let shown = path.join(".");
        let name = ForeignName::Path(path.clone());
        return found.push(ForeignSetting { name, shown, value: value.clone() });
    }
    let mut inside = |keys: Vec<String>, value: &Value| {
        let depth = path.len();
        path.extend(keys);
        descend(value, path, is_known, found);
        path.truncate(depth);
    };
    match value {
        // soketi writes whole paths as one key, with dots.
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| inside(key.split('.').map(str::to_owned).collect(), value)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| inside(vec![at.to_string()], value));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_keys_and_nested_ones_are_the_same() {
        let known = |path: &[String]| path.join(".") == "a.list";
        let shown = |text: &str| {
            let value = of_json(text).expect("JSON");
            entries(&value, &known).into_iter().map(|entry| entry.shown).collect::<Vec<_>>()
        };
        let expected = ["a.apps.0.id", "a.apps.0.n", "a.list", "b"];
        assert_eq!(
            shown(r#"{"a":{"apps":[{"id":"x","n":1}],"list":[{"c":1}]},"b":["x"]}"#),
            expected
        );
        assert_eq!(
            shown(r#"{"a.apps.0.id":"x","a.apps.0.n":1,"a.list":[{"c":1}],"b":["x"]}"#),
            expected
        );
        assert_eq!(of_json("{\"secret\"").unwrap_err(), "it is no JSON: line 1, column 9");
    }
}
