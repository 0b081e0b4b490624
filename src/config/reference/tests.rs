//! The committed texts, and that each setting means the same wherever it is set.

use std::fmt::Write as _;

use super::*;
use crate::{
    config::{Environment, Flags, NamedFiles, Source, check, raw::RawConfig},
    crypto::vectors::example_salt,
};

/// Compares with the committed file. `UPDATE_REFERENCE=1` writes it instead.
fn is_committed(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = "run this test with UPDATE_REFERENCE=1, and read what has changed";
    assert!(committed == text, "{name} is not that of the source: {hint}");
}

#[test]
fn reference_page_is_that_of_the_source() {
    is_committed("docs/reference/configuration.md", &reference_page());
}

#[test]
fn default_file_is_that_of_the_source() {
    is_committed("docs/reference/sealcast.toml", &default_file());
}

#[test]
fn schema_is_that_of_the_source() {
    is_committed("docs/reference/configuration.schema.json", &schema_text());
}

/// A file of its own for each test.
struct ConfigFile(std::path::PathBuf);

impl ConfigFile {
    fn new(text: &str) -> Self {
        let name = format!("sealcast-ref-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn source(text: &str, variables: &[(String, String)], flags: Flags) -> Source {
    let file = ConfigFile::new(text);
    let flags = Flags { config: Some(file.0.clone()), ..flags };
    Source::new(&flags, variables.iter().cloned().collect::<Environment>())
}

/// The whole written form, without secrets.
fn written(source: &Source) -> Value {
    let raw: RawConfig = source.extract().unwrap_or_else(|error| panic!("{error}"));
    serde_json::to_value(&raw).unwrap()
}

/// In every configuration here, so that tables of apps and of the cluster are there.
const APP: &str = "[apps.ID]\nkey = 'k'\nsecret = 's'\n";

/// A configuration with the table of this setting and its required ones; without a value, the
/// setting is left out.
fn file_with(setting: &Setting<'_>, value: Option<&Value>) -> String {
    let (name, tables) = setting.path.split_last().unwrap();
    let line = value.map(|value| format!("{name} = {}\n", toml(value))).unwrap_or_default();
    if tables.is_empty() {
        return line + APP;
    }
    let mut text = if tables == ["apps", "ID"] { String::new() } else { APP.to_owned() };
    let schema = Schema::new();
    // A table within an entry of a list needs the entry.
    let entry = tables.iter().position(|name| name == "0").map(|at| &tables[..=at]);
    for table in entry.into_iter().filter(|entry| *entry != tables).chain([tables]) {
        text += &required(&schema.at(table).unwrap(), name);
    }
    text + &line
}

/// The heading of a table, and its required settings but for one.
fn required(table: &Setting<'_>, but: &str) -> String {
    let mut text = format!("{}\n", heading(table));
    for needed in table.children().iter().filter(|needed| needed.is_required()) {
        if needed.name() != but {
            let _ = writeln!(text, "{} = {}", needed.name(), toml(needed.example().unwrap()));
        }
    }
    text
}

fn extracted(text: &str) -> Value {
    written(&source(text, &[], Flags::default()))
}

fn value_of(setting: &Setting<'_>) -> Value {
    setting.default().or_else(|| setting.example()).cloned().unwrap()
}

/// The names of the file in a tree without secrets.
fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| match value {
        Value::Array(list) => list.get(name.parse::<usize>().ok()?),
        value => value.get(name),
    })
}

#[test]
fn each_setting_means_the_same_in_file_and_environment() {
    let schema = Schema::new();
    let (mut compared, mut variables) = (0, 0);
    for setting in schema.leaves() {
        // It is a table of its own as well.
        if setting.kind() == Kind::TableOrBoolean {
            continue;
        }
        let (name, value) = (setting.dotted(), value_of(&setting));
        let of_file = extracted(&file_with(&setting, Some(&value)));
        if !setting.is_secret() {
            assert_eq!(at(&of_file, &setting.path), Some(&value), "{name}");
        }
        let without = file_with(&setting, None);
        if setting.default().is_some() && !setting.is_required() {
            assert_eq!(extracted(&without), of_file, "{name}: the default");
        }
        compared += 1;
        let Some(variable) = setting.variable() else { continue };
        let text = match &value {
            Value::String(text) => text.clone(),
            value => toml(value),
        };
        let of_variable = source(&without, &[(variable.clone(), text)], Flags::default());
        assert_eq!(written(&of_variable), of_file, "{variable}");
        variables += 1;
    }
    assert!(compared > 110 && variables > 80, "{compared} settings, {variables} variables");
}

#[test]
fn each_flag_means_the_same_as_its_setting() {
    #[derive(clap::Parser)]
    struct DocumentLine {
        #[command(flatten)]
        flags: Flags,
    }
    let schema = Schema::new();
    let mut seen = 0;
    for setting in schema.leaves() {
        let Some(flag) = crate::config::source::flag_of(&setting.path) else { continue };
        let value = value_of(&setting);
        let text = value.as_str().unwrap().to_owned();
        let DocumentLine { flags } = clap::Parser::parse_from(["x".to_owned(), flag, text]);
        let of_flag = written(&source(APP, &[], flags));
        assert_eq!(of_flag, extracted(&file_with(&setting, Some(&value))), "{}", setting.name());
        seen += 1;
    }
    assert_eq!(seen, 4);
}

/// Names that stand in the file as comments, and a file with all of them uncommented.
fn uncommented(text: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let bare = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c != ' '));
        let _ = writeln!(out, "{}", bare.filter(|rest| wanted(rest)).unwrap_or(line));
    }
    out
}

#[test]
fn default_file_is_a_configuration_as_it_is() {
    let text = format!("{}\n{APP}", default_file());
    assert_eq!(extracted(&text), extracted(APP));
    let source = source(&text, &[], Flags::default());
    assert!(crate::config::Config::look(&source, example_salt()).is_ok());
}

#[test]
fn settings_of_the_default_file_have_their_defaults() {
    let text = default_file();
    let server = text.split("\n#[").next().unwrap();
    let schema = Schema::new();
    let has_default = |line: &str| {
        let name = line.split(" =").next().unwrap_or_default();
        schema.at(&[name]).is_some_and(|s| s.default().is_some() && s.kind() != Kind::List)
    };
    let all = uncommented(server, has_default);
    assert_eq!(extracted(&format!("{all}\n{APP}")), extracted(APP));
    assert!(all.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')).count() > 20);
}

#[test]
fn every_line_of_the_default_file_is_toml() {
    for line in default_file().lines().filter(|line| line.starts_with('#')) {
        let bare = line.trim_start_matches('#');
        if !bare.starts_with(' ') && !bare.is_empty() {
            assert!(bare.parse::<toml_edit::ImDocument<String>>().is_ok(), "{line}");
        }
        assert!(line.chars().count() <= 100, "{line}");
    }
}

/// What else a configuration needs for a setting to be looked at.
fn with_context(text: &str) -> String {
    let mut text = text.to_owned();
    for (heading, lines) in [
        ("[apps.ID.jwt]", "jwks_url = 'https://a.example/'\nalgorithms = ['RS256']\n"),
        ("[apps.ID.rotation]", "settle_ms = 0\n"),
    ] {
        let names = lines.split(" =").next().unwrap_or_default();
        if !text.contains(&format!("{names} =")) {
            text = text.replace(&format!("{heading}\n"), &format!("{heading}\n{lines}"));
        }
    }
    let authorizer = match () {
        () if text.contains("apps.ID.forward") => "forward",
        () if text.contains("apps.ID.jwt") || text.contains("apps.ID.rules") => "jwt",
        () => "deny",
    };
    let app = format!("[apps.ID]\nauthorized_connections = true\nauthorizer = '{authorizer}'\n");
    text.replace("[apps.ID]\n", &app)
}

/// The schema promises editors what the server keeps.
#[test]
fn ranges_of_the_schema_are_those_of_the_server() {
    let schema = Schema::new();
    let mut bounds = 0;
    for setting in schema.leaves().iter().filter(|setting| setting.kind() == Kind::Integer) {
        let (least, most) = setting.range();
        let inside = [least, most].into_iter().flatten().map(|value| (value, true));
        let below = least.and_then(|least| least.checked_sub(1));
        let outside = [below, most.map(|most| most + 1)].into_iter().flatten();
        for (value, good) in inside.chain(outside.map(|value| (value, false))) {
            let text = with_context(&file_with(setting, Some(&Value::from(value))));
            let source = source(&text, &[], Flags::default());
            let list = check(&source, NamedFiles::Assume).list().to_json();
            let named = list.to_string().contains(&format!("\"path\":\"{}\"", setting.dotted()));
            assert_eq!(!named, good, "{} = {value}: {list}\n{text}", setting.dotted());
            bounds += 1;
        }
    }
    assert!(bounds > 60, "{bounds} bounds");
}
