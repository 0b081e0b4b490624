//! `docs/reference/configuration.md`

use std::fmt::Write as _;

use super::{form, heading, range, toml};
use crate::config::{
    schema::{Schema, Setting},
    source::flag_of,
};

const BEGIN: &str = "\
# All settings

<!-- Made by `sealcast config doc`; a test compares. Change the comments in src/config/raw. -->

Settings come from a TOML file, from the environment, and from flags. Later sources win.
[Configuration](../configuration.md) explains the tasks.

| Command | Prints |
|---|---|
| `sealcast config schema` | a JSON Schema of the file, for editors |
| `sealcast config default` | a file with every setting commented out |
| `sealcast config show --all` | all settings in force, each with its source |
| `sealcast config check` | all faults of a configuration |

An unknown name is an error. A variable for a list takes TOML: `'[\"https://a.example\"]'`.
[Reload](../configuration.md#reload-the-configuration) explains when a change takes effect.

";

pub fn page(schema: &Schema) -> String {
    let mut page = BEGIN.to_owned();
    let tables = schema.tables();
    let shown = || tables.iter().filter(|table| table.children().iter().any(Setting::is_leaf));
    for table in shown() {
        let _ = writeln!(page, "* [{}](#{})", title(table), anchor(&title(table)));
    }
    shown().for_each(|table| section(table, &mut page));
    page
}

fn title(table: &Setting<'_>) -> String {
    match table.path.is_empty() {
        true => "Server".into(),
        false => format!("`{}`", heading(table)),
    }
}

/// As GitHub makes it.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn section(table: &Setting<'_>, page: &mut String) {
    let _ = write!(page, "\n## {}\n\n", title(table));
    let about = about(table);
    if !about.is_empty() {
        let _ = write!(page, "{}\n\n", wrapped(&about));
    }
    page.push_str("| Setting | Type | Default | Takes effect | Meaning | Variable, flag |\n");
    page.push_str("|---|---|---|---|---|---|\n");
    for setting in table.children().iter().filter(|setting| setting.is_leaf()) {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} |",
            setting.name(),
            cell(&type_of(setting)),
            cell(&default(setting)),
            setting.effect().map_or("", |effect| effect.words()),
            cell(&meaning(setting)),
            names_elsewhere(setting),
        );
    }
}

/// The description of a table; that of an entry is its list's.
fn about(table: &Setting<'_>) -> String {
    let mut text = table.description().to_owned();
    if let Some(see) = table.see() {
        let _ = write!(text, " See [{0}](../{0}).", see);
    }
    if let Some(variable) = table.list_variable() {
        let _ = write!(text, " As a variable: `{variable}`, with the whole list.");
    }
    text.trim().to_owned()
}

fn type_of(setting: &Setting<'_>) -> String {
    let form = form(setting);
    match range(setting) {
        Some(range) => format!("{form}; {range}"),
        None => form,
    }
}

fn default(setting: &Setting<'_>) -> String {
    match (setting.default_in_words(), setting.default()) {
        (Some(words), _) => words.to_owned(),
        (None, Some(value)) => format!("`{}`", toml(value)),
        (None, None) => "none".into(),
    }
}

fn meaning(setting: &Setting<'_>) -> String {
    let mut text = setting.description().to_owned();
    for (word, description) in setting.choices() {
        match description {
            "" => {
                let _ = write!(text, " `\"{word}\"`");
            }
            description => {
                let _ = write!(text, " `\"{word}\"`: {}", lower(description));
            }
        }
    }
    if let Some(see) = setting.see() {
        let _ = write!(text, " [More](../{see})");
    }
    text
}

/// Behind a colon a sentence begins small, unless it begins with a name.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_lowercase).collect();
    first + letters.as_str()
}

fn names_elsewhere(setting: &Setting<'_>) -> String {
    let names = [setting.variable(), flag_of(&setting.path)].into_iter().flatten();
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Lines of prose have 100 columns at most.
fn wrapped(text: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > 100 {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n")
}
