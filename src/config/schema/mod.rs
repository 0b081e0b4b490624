//! The schema of the written form: JSON Schema 2020-12, made of its types and comments.

mod order;
mod setting;
mod simplify;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{raw::RawConfig, takes_effect::TakesEffect};
pub use setting::{Kind, Setting};

/// Stands for any name in the path of a setting.
pub const ANY_NAME: &str = "ID";

/// All settings. Made where it is needed, in less than a millisecond.
pub struct Schema(Value);

impl Schema {
    pub fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
        let mut schema = settings.into_generator().into_root_schema_for::<RawConfig>().to_value();
        simplify::simplify(&mut schema);
        schema["title"] = "Sealcast configuration".into();
        Self(schema)
    }

    pub fn as_json(&self) -> &Value {
        &self.0
    }

    pub fn root(&self) -> Setting<'_> {
        Setting::root(&self.0)
    }

    /// `None` for an unknown name.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<Setting<'_>> {
        path.iter().try_fold(self.root(), |setting, name| setting.child(name.as_ref()))
    }

    /// All settings with a value of their own, in the order of their tables: those of a table before
    /// the tables within it.
    pub fn leaves(&self) -> Vec<Setting<'_>> {
        let mut leaves = Vec::new();
        self.root().collect_leaves(&mut leaves);
        leaves
    }

    /// All tables, the whole configuration first.
    pub fn tables(&self) -> Vec<Setting<'_>> {
        let mut tables = vec![self.root()];
        let mut at = 0;
        while at < tables.len() {
            let inner: Vec<_> =
                tables[at].children().into_iter().filter_map(Setting::into_table).collect();
            tables.splice(at + 1..at + 1, inner);
            at += 1;
        }
        tables
    }

    /// True for a secret, and for a name that the schema does not know: it may be a misspelt secret.
    pub fn is_masked<S: AsRef<str>>(&self, path: &[S]) -> bool {
        self.at(path).is_none_or(|setting| setting.is_secret())
    }

    /// `None` for a setting whose author named no time; a test finds it.
    pub fn effect<S: AsRef<str>>(&self, path: &[S]) -> Option<TakesEffect> {
        self.at(path)?.effect()
    }
}

#[cfg(test)]
mod tests;
