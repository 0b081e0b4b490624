//! Plausible values in place of required settings that are wrong or missing, so that the other
//! settings of their table can be checked.

use figment::value::{Dict, Value};

use crate::{
    config::schema::{Kind, Schema, Setting},
    crypto::key::MasterKey,
};

/// Each value is different from the others, as keys must be.
#[derive(Default)]
pub struct StandIns {
    given: Vec<Vec<String>>,
}

impl StandIns {
    /// `None` for what can be left out, and for a setting that has one already.
    pub fn of(&mut self, path: &[String], schema: &Schema) -> Option<Value> {
        let setting = schema.at(path)?;
        if self.given.iter().any(|given| given == path) {
            return None;
        }
        let value = match path {
            [apps] if apps == "apps" => Self::app(),
            _ => self.value(&setting)?.into(),
        };
        self.given.push(path.to_owned());
        Some(value)
    }

    /// The only app, so that settings of the server can be checked.
    fn app() -> Value {
        let app = [("key", "stand-in"), ("secret", "stand-in-of-a-secret"), ("mode", "blind")];
        let app: Dict = app.map(|(name, text)| (name.to_owned(), Value::from(text))).into();
        Dict::from([("stand-in".to_owned(), Value::from(app))]).into()
    }

    fn value(&self, setting: &Setting<'_>) -> Option<String> {
        let number = self.given.len();
        let in_cluster = setting.path.first().is_some_and(|name| name == "cluster");
        match setting.name() {
            _ if setting.is_key() => Some(MasterKey::generate().ok()?.to_text().to_string()),
            "url" if in_cluster => Some("redis://stand-in.example".into()),
            "url" if setting.is_required() => Some(format!("https://stand-in-{number}.example/")),
            "pattern" => Some(format!("stand-in-{number}-*")),
            "channel" => Some(format!("private-stand-in-{number}")),
            "key" => Some(format!("stand-in-{number}")),
            _ if setting.is_secret() && setting.kind() == Kind::Text => {
                Some(format!("stand-in-of-a-secret-{number}"))
            }
            _ => None,
        }
    }
}

/// Paths of the settings that name a file to read.
pub fn named_files(values: &Value, schema: &Schema) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    collect(values, &mut Vec::new(), schema, &mut found);
    found
}

fn collect(value: &Value, path: &mut Vec<String>, schema: &Schema, found: &mut Vec<Vec<String>>) {
    let mut step = |name: String, inner: &Value, path: &mut Vec<String>| {
        path.push(name);
        collect(inner, path, schema, found);
        path.pop();
    };
    match value {
        Value::Dict(_, dict) => {
            dict.iter().for_each(|(name, inner)| step(name.clone(), inner, path));
        }
        Value::Array(_, list) => {
            list.iter().enumerate().for_each(|(at, inner)| step(at.to_string(), inner, path));
        }
        Value::String(_, text) => {
            let elsewhere = ["file:", "env:"].iter().any(|prefix| text.trim().starts_with(prefix));
            let is_file = |setting: &Setting<'_>| {
                let name = setting.name();
                name.ends_with("_file") && name != "audit_file" || setting.is_key() && elsewhere
            };
            if schema.at(path).as_ref().is_some_and(is_file) {
                found.push(path.clone());
            }
        }
        _ => {}
    }
}
