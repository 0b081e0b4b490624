//! The claims of a verified token, as rules read them.

use serde_json::{Map, Value};

#[derive(Debug, Default, serde::Deserialize)]
#[serde(transparent)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// The claim with this name, or else the value at this dotted path. Names that are URLs contain
    /// dots, so the whole name is tried first.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let nested = || {
            let (first, rest) = path.split_once('.')?;
            rest.split('.').try_fold(self.0.get(first)?, |value, name| value.get(name))
        };
        self.0.get(path).or_else(nested).filter(|value| !value.is_null())
    }

    /// A string, integer or boolean as text. Other values have no single text form.
    pub fn text(&self, path: &str) -> Option<String> {
        match self.get(path)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if !number.is_f64() => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }

    pub fn subject(&self) -> Option<String> {
        self.get("sub")?.as_str().filter(|sub| !sub.is_empty()).map(str::to_owned)
    }

    /// An absent claim is an empty list; `None` if it is not a list of strings.
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        let Some(value) = self.get(name) else { return Some(Vec::new()) };
        value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_traverse_objects_and_names_may_contain_dots() {
        let claims: Claims = serde_json::from_value(json!({
            "org": {"id": "o1", "plan": {"tier": 3}, "none": null},
            "https://example.com/team": "t1", "x": [1], "f": 1.5, "b": true
        }))
        .unwrap();
        for (path, text) in [
            ("org.id", Some("o1")),
            ("org.plan.tier", Some("3")),
            ("https://example.com/team", Some("t1")),
            ("b", Some("true")),
            ("org", None),
            ("org.none", None),
            ("org.id.x", None),
            ("x", None),
            ("f", None),
            ("", None),
            ("nothing", None),
        ] {
            assert_eq!(claims.text(path).as_deref(), text, "{path}");
        }
    }
}
