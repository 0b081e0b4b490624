//! A configuration file in which every setting is commented out, with its default.

use std::fmt::Write as _;

use super::{form, heading, range, toml};
use crate::config::{
    schema::{Kind, Schema, Setting},
    source::flag_of,
};

const BEGIN: &str = "\
# Sealcast: every setting with its default. Remove the # in front of a setting to change it, and in
# front of its table. A running server reads this file again when it has changed.
#
# A server needs an app: a table [apps.ID] with key and secret_file. Settings without a default have
# an example here.
";

const COLUMNS: usize = 100;

pub fn file(schema: &Schema) -> String {
    let mut text = BEGIN.to_owned();
    for table in schema.tables() {
        let settings: Vec<_> =
            table.children().into_iter().filter(|setting| setting.is_leaf()).collect();
        if settings.is_empty() {
            continue;
        }
        if !table.path.is_empty() {
            let _ = writeln!(text, "\n\n{}\n#{}", comment(table.description()), heading(&table));
        }
        for setting in &settings {
            let _ = write!(text, "\n{}", entry(setting));
        }
    }
    text
}

fn entry(setting: &Setting<'_>) -> String {
    let mut text = comment(setting.description());
    for (word, description) in setting.choices().iter().filter(|(_, text)| !text.is_empty()) {
        let _ = write!(text, "\n{}", comment(&format!("  \"{word}\": {description}")));
    }
    let _ = write!(text, "\n{}\n", comment(&facts(setting)));
    let value = setting.default().filter(|_| !is_empty(setting)).or_else(|| setting.example());
    let value = value.map(toml).unwrap_or_default();
    let _ = writeln!(text, "#{} = {value}", setting.name());
    text
}

/// A list without entries does not show how to write one.
fn is_empty(setting: &Setting<'_>) -> bool {
    let empty = |value: &serde_json::Value| value.as_array().is_some_and(Vec::is_empty);
    setting.kind() == Kind::List && setting.default().is_none_or(empty)
}

/// Type and unit, default where the line has only an example, time of effect, other names.
fn facts(setting: &Setting<'_>) -> String {
    let mut facts = vec![form(setting).replace('`', "")];
    facts.extend(range(setting));
    match (setting.default_in_words(), setting.default()) {
        (Some(words), _) => facts.push(format!("default: {}", words.replace('`', ""))),
        (None, Some(value)) if is_empty(setting) => facts.push(format!("default: {}", toml(value))),
        (None, None) => facts.push("no default".into()),
        (None, Some(_)) => {}
    }
    facts.extend(setting.effect().map(|effect| effect.words().to_owned()));
    facts.extend(setting.variable());
    facts.extend(flag_of(&setting.path));
    format!("({})", facts.join("; "))
}

fn comment(text: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), String::from("#"));
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(std::mem::replace(&mut line, String::from("#")));
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n")
}
