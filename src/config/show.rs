//! `sealcast config show`: settings with their sources, secrets masked.

use std::fmt;

use figment::value::{Dict, Value};
use serde_json::{json, value::to_raw_value};

use super::{
    faults::ConfigError,
    schema::{Kind, Setting},
    source::{Origin, Source},
};
use crate::web::ConfigReport;

/// Settings in the order of the reference, each with its source.
pub struct ShownSettings {
    settings: Vec<ShownSetting>,
    /// Defaults and times of effect are shown as well.
    all: bool,
}

struct ShownSetting {
    path: String,
    /// Null for a secret, and for a setting without a value.
    value: serde_json::Value,
    is_secret: bool,
    origin: Origin,
    default: Option<serde_json::Value>,
    default_in_words: Option<String>,
    takes_effect: &'static str,
}

const MASK: &str = "\"********\"";

/// Comments begin at this column where there is room.
const COMMENT_COLUMN: usize = 46;

/// The settings that are set; with `all`, also those that have their default. Fails on an unknown
/// name: a secret under a misspelt name would not be masked.
pub fn shown(source: &Source, all: bool) -> Result<ShownSettings, ConfigError> {
    source.extract()?;
    let mut walk = Walk { source, all, settings: Vec::new() };
    walk.table(&source.schema().root(), &source.values());
    Ok(ShownSettings { settings: walk.settings, all })
}

/// All settings, for the admin API.
pub fn report(source: &Source) -> Result<ConfigReport, ConfigError> {
    let settings = &shown(source, true)?.to_json()["settings"];
    Ok(ConfigReport::new(to_raw_value(settings).expect("JSON becomes text")))
}

struct Walk<'a> {
    source: &'a Source,
    all: bool,
    settings: Vec<ShownSetting>,
}

impl Walk<'_> {
    fn table(&mut self, table: &Setting<'_>, values: &Dict) {
        let names: Vec<String> = match table.has_any_names() {
            true => values.keys().cloned().collect(),
            false => table.children().iter().map(|child| child.name().to_owned()).collect(),
        };
        for child in names.iter().filter_map(|name| table.child(name)) {
            match values.get(child.name()) {
                Some(value) => self.value(&child, value),
                None if self.all => self.default(&child),
                None => {}
            }
        }
    }

    fn value(&mut self, setting: &Setting<'_>, value: &Value) {
        match (setting.kind(), value) {
            (Kind::Table | Kind::TableOrBoolean | Kind::Map, Value::Dict(_, values)) => {
                self.table(setting, values);
            }
            (Kind::ListOfTables, Value::Array(_, list)) if !list.is_empty() => {
                for (index, entry) in list.iter().enumerate() {
                    setting.child(&index.to_string()).iter().for_each(|s| self.value(s, entry));
                }
            }
            _ => {
                let json = match setting.is_secret() {
                    true => serde_json::Value::Null,
                    false => serde_json::to_value(value).unwrap_or_default(),
                };
                self.push(setting, json, self.source.origin(value));
            }
        }
    }

    /// A table that needs values, such as `[cluster]`, is off and has none.
    fn default(&mut self, setting: &Setting<'_>) {
        match setting.kind() {
            Kind::Table if setting.children().iter().any(Setting::is_required) => {}
            Kind::Table => self.table(setting, &Dict::new()),
            _ => {
                let value = setting.default().cloned().unwrap_or_default();
                self.push(setting, value, Origin::Default);
            }
        }
    }

    fn push(&mut self, setting: &Setting<'_>, value: serde_json::Value, origin: Origin) {
        self.settings.push(ShownSetting {
            path: setting.dotted(),
            value,
            is_secret: setting.is_secret(),
            origin,
            default: setting.default().cloned(),
            default_in_words: setting.default_in_words().map(str::to_owned),
            takes_effect: setting.effect().map_or("", |effect| effect.words()),
        });
    }
}

impl ShownSettings {
    /// One object; without `all` it has no defaults and no times.
    pub fn to_json(&self) -> serde_json::Value {
        let settings = self.settings.iter().map(|setting| {
            let ShownSetting { path, value, is_secret, origin, .. } = setting;
            let mut shown = json!({
                "setting": path,
                "value": value,
                "source": origin.to_string(),
                "secret": is_secret,
            });
            if self.all {
                shown["default"] = setting.default.clone().unwrap_or_default();
                shown["takes_effect"] = setting.takes_effect.into();
            }
            shown
        });
        json!({ "settings": settings.collect::<Vec<_>>() })
    }
}

impl fmt::Display for ShownSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for setting in &self.settings {
            let assignment = setting.assignment();
            write!(f, "{assignment:COMMENT_COLUMN$} # {}", setting.origin)?;
            if self.all {
                if setting.origin != Origin::Default {
                    write!(f, "; default {}", setting.default_text())?;
                }
                write!(f, "; {}", setting.takes_effect)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl ShownSetting {
    /// As it is written in TOML; a setting without a value as a comment.
    fn assignment(&self) -> String {
        let Self { path, value, is_secret, origin, .. } = self;
        match (is_secret, origin) {
            (true, origin) if *origin != Origin::Default => format!("{path} = {MASK}"),
            _ if value.is_null() => format!("# {path}: {}", self.default_text()),
            _ => format!("{path} = {value}"),
        }
    }

    fn default_text(&self) -> String {
        match (&self.default_in_words, &self.default) {
            (Some(words), _) => words.replace('`', ""),
            (None, Some(value)) => value.to_string(),
            (None, None) => "none".into(),
        }
    }
}
