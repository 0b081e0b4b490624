//! What is written about settings for their readers, made of the schema: the reference page, a file
//! with all defaults, and the schema for editors. The committed texts are compared by tests.

mod default_file;
#[cfg(test)]
mod documented;
mod page;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::schema::{Kind, Schema, Setting};

/// `docs/reference/configuration.md`
pub fn reference_page() -> String {
    page::page(&Schema::new())
}

/// A configuration file in which every setting is commented out.
pub fn default_file() -> String {
    default_file::file(&Schema::new())
}

/// JSON Schema 2020-12.
pub fn schema_text() -> String {
    format!("{:#}\n", Schema::new().as_json())
}

/// The heading of a table in the file.
fn heading(table: &Setting<'_>) -> String {
    // In TOML, a table within an entry of a list belongs to the last entry.
    let names: Vec<&str> =
        table.path.iter().map(String::as_str).filter(|name| *name != "0").collect();
    let is_entry = table.path.last().is_some_and(|name| name == "0");
    if is_entry { format!("[[{}]]", names.join(".")) } else { format!("[{}]", names.join(".")) }
}

/// The form of a value in words, with its unit.
fn form(setting: &Setting<'_>) -> String {
    let unit = setting.unit().map(|unit| format!(", {unit}")).unwrap_or_default();
    match setting.kind() {
        Kind::Boolean => "true or false".into(),
        Kind::Integer => format!("number{unit}"),
        Kind::Choice => "choice".into(),
        Kind::Form => match setting.format() {
            Some("listen-address") => "address".into(),
            Some("size") => "size, such as `\"256KiB\"`".into(),
            Some("time-span") => "time, such as `\"24h\"`".into(),
            _ => "text".into(),
        },
        Kind::Text if setting.is_key() => "key".into(),
        Kind::Text if setting.is_url() => "URL".into(),
        Kind::Text if setting.name().ends_with("_file") => "path".into(),
        Kind::Text if setting.name().ends_with("_dir") => "path".into(),
        Kind::Text => "text".into(),
        Kind::List => "list".into(),
        Kind::Table | Kind::Map => "table".into(),
        Kind::TableOrBoolean => "table, or true or false".into(),
        Kind::ListOfTables => "list of tables".into(),
    }
}

/// The range of a number that is not any number: `1 to 300`.
fn range(setting: &Setting<'_>) -> Option<String> {
    match setting.range() {
        (_, Some(most)) => Some(format!("{} to {most}", setting.range().0.unwrap_or_default())),
        (Some(least), None) if least > 0 => Some(format!("{least} or more")),
        _ => None,
    }
}

/// As it is written in TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let entry = |(name, value): (&String, &Value)| format!("{name} = {}", toml(value));
            format!("{{ {} }}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}
