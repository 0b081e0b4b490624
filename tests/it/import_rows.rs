//! Each name of docs/migrating-settings.md, with an example that the command translates.
//!
//! A file in `import/` has blocks between empty lines: a name, the input, lines of the
//! configuration, and lines of the listing, each after a line `--`. The files `*-names.txt` have
//! the second names of rows: other variables, and paths in files of JSON.

use std::collections::BTreeSet;

use figment::providers::{Format as _, Toml};
use serde_json::Value;

use crate::support::*;

/// The heading of the document, the command, and the blocks.
type Kind = (&'static str, &'static str, [&'static str; 2]);

const KINDS: [Kind; 5] = [
    (
        "soketi",
        "soketi",
        [include_str!("import/soketi.txt"), include_str!("import/soketi-names.txt")],
    ),
    (
        "Reverb",
        "reverb",
        [include_str!("import/reverb.txt"), include_str!("import/reverb-names.txt")],
    ),
    (
        "Pusher",
        "pusher",
        [include_str!("import/pusher.txt"), include_str!("import/pusher-names.txt")],
    ),
    (
        "laravel-websockets",
        "laravel-websockets",
        [
            include_str!("import/laravel-websockets.txt"),
            include_str!("import/laravel-websockets-names.txt"),
        ],
    ),
    (
        "Sockudo",
        "sockudo",
        [include_str!("import/sockudo.txt"), include_str!("import/sockudo-names.txt")],
    ),
];

/// A variable of other programs as well: without a counterpart it has no line.
const UNLISTED: [(&str, &str); 1] = [("Reverb", "REDIS_TIMEOUT")];

struct Example<'a> {
    row: &'a str,
    input: String,
    settings: Vec<&'a str>,
    listing: Vec<&'a str>,
}

/// Variables at the top of a kind's first file are in each of its examples.
fn examples(texts: [&'static str; 2]) -> Vec<Example<'static>> {
    let blocks =
        texts.into_iter().flat_map(|text| text.split("\n\n")).map(|block| block.trim_matches('\n'));
    let mut base = "";
    let mut found = Vec::new();
    for block in blocks.filter(|block| !block.is_empty()) {
        if let Some(variables) = block.strip_prefix("base\n") {
            base = variables;
            continue;
        }
        let (row, rest) = block.split_once('\n').expect("a row");
        let parts: Vec<&str> = rest.split("--\n").collect();
        let [input, settings, listing] = parts[..] else { panic!("{row}: three parts") };
        let is_tree = input.starts_with(['{', '[']) || input.contains("\n[");
        let input = if is_tree { input.to_owned() } else { format!("{base}\n{input}") };
        found.push(Example {
            row: row.strip_prefix("# ").expect("a heading"),
            input,
            settings: settings.lines().collect(),
            listing: listing.lines().collect(),
        });
    }
    found
}

/// All names in a table, in their order.
fn documented(heading: &str) -> Vec<&'static str> {
    const DOCUMENT: &str = include_str!("../../docs/migrating-settings.md");
    let heading = format!("\n## {heading}\n");
    let (_, section) = DOCUMENT.split_once(&heading).expect("a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let table = section.split("|---|---|---|\n").nth(1).expect("a table");
    let rows = table.lines().take_while(|line| line.starts_with("| "));
    let names = |row: &'static str| {
        let cell = row[2..].split(" |").next().unwrap_or_default();
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        // A limit that the other server does not have is named by words.
        if names.is_empty() { vec![cell] } else { names }
    };
    rows.flat_map(names).collect()
}

/// The name in a line of the listing, with `*` for the number of an app.
fn listed(line: &str) -> Option<String> {
    let rest = line.strip_prefix(['=', '~', '-', '!'])?.strip_prefix(' ')?;
    if let Some(words) = rest.strip_prefix('(') {
        return words.split(')').next().map(str::to_owned);
    }
    let parts = rest.split(' ').next()?.split('.');
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    Some(parts.map(|part| if is_number(part) { "*" } else { part }).collect::<Vec<_>>().join("."))
}

/// `SECTION.**` is the whole section, and `PREFIX_*` any other name that begins so.
fn is_example_of(listed: &str, name: &str, others: &[&str]) -> bool {
    match (name.strip_suffix(".**"), name.strip_suffix('*')) {
        (Some(section), _) => listed == section,
        (_, Some(start)) => listed.starts_with(start) && !others.contains(&listed),
        _ => listed == name,
    }
}

#[test]
fn each_documented_name_has_an_example() {
    for (heading, _, texts) in KINDS {
        let examples = examples(texts);
        let documented = documented(heading);
        assert!(documented.len() > 20, "{heading}: {documented:?}");
        let listed: BTreeSet<String> = examples
            .iter()
            .flat_map(|example| example.listing.iter().filter_map(|line| listed(line)))
            .collect();
        let has_example = |name: &&str| {
            listed.iter().any(|listed| is_example_of(listed, name, &documented))
                || UNLISTED.contains(&(heading, name))
        };
        let missing: Vec<_> = documented.iter().filter(|name| !has_example(name)).collect();
        let unknown: Vec<_> = examples
            .iter()
            .map(|example| example.row)
            .filter(|row| !documented.contains(row))
            .collect();
        assert!(missing.is_empty() && unknown.is_empty(), "{heading}: {missing:?}, {unknown:?}");
    }
}

async fn check(kind: &str, example: &Example<'_>) {
    let pair = TestCertificate::new();
    let launch = Launch::new(&["import", kind]);
    let dir = launch.dir().path().display().to_string();
    let input = example.input.replace("{dir}", &dir);
    let output = launch.output(&input).await;
    let at = format!("{kind}, {}:\n{}\n{}\n{}", example.row, input, output.stdout, output.stderr);
    let begins = |line: &str, expected: &str| plain(line).starts_with(expected);
    for expected in &example.settings {
        let expected = expected.replace("{dir}", &dir);
        assert!(output.stdout.lines().any(|line| begins(line, &expected)), "{expected}: {at}");
    }
    for expected in &example.listing {
        assert!(output.stderr.lines().any(|line| begins(line, expected)), "{expected}: {at}");
    }
    let is_missing = output.stderr.lines().any(|line| line.starts_with("! "));
    assert_eq!(output.status.code(), Some(i32::from(is_missing)), "{at}");
    assert!(!output.stderr.contains("not shown") && !output.stderr.contains("hush"), "{at}");
    if !is_missing {
        let check = Launch::new(&["config", "check"]);
        let own = check.dir().path().display().to_string();
        check.dir().write("cert.pem", &pair.certificate);
        check.dir().write("key.pem", &pair.key);
        let checked = check.config(&output.stdout.replace(&dir, &own)).output("").await;
        assert_eq!(checked.status.code(), Some(0), "{at}\n{}", checked.stderr);
    }
}

/// Without the blanks that make columns.
fn plain(line: &str) -> String {
    line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

async fn check_all(kind: &str) {
    let (_, _, texts) = KINDS.into_iter().find(|(_, name, _)| *name == kind).expect("a kind");
    for example in examples(texts) {
        check(kind, &example).await;
        check_claims(kind, &example).await;
    }
}

/// What the listing says came of a name is in the configuration.
async fn check_claims(kind: &str, example: &Example<'_>) {
    let output = Launch::new(&["import", kind, "--json"]).output(&example.input).await;
    let answer: Value = serde_json::from_str(&output.stdout).expect("one object");
    let config = answer["config"].as_str().expect("the configuration");
    let config: Value = Toml::from_str(config).expect("TOML");
    for line in answer["settings"].as_array().expect("a list") {
        let Some(ours) = line["ours"].as_str() else { continue };
        for name in ours.split(", ") {
            let at = format!("{kind}: {name} of {line} is not in {config}");
            assert!(["=", "~"].contains(&line["mark"].as_str().expect("a mark")), "{at}");
            assert!(has(&config, &path(name)), "{at}");
        }
    }
    for line in output.stderr.lines() {
        assert!(!line.starts_with(['=', '~', '-', '!']), "{line}");
    }
}

/// The parts of a name between dots. An app's id may be in quotes.
fn path(name: &str) -> Vec<&str> {
    match name.strip_prefix("apps.\"").and_then(|rest| rest.split_once('"')) {
        Some((id, rest)) => {
            ["apps", id].into_iter().chain(rest.split('.').filter(|p| !p.is_empty())).collect()
        }
        None => name.split('.').collect(),
    }
}

/// `*` stands for one of the apps at least, and all webhooks of an app are alike.
fn has(config: &Value, path: &[&str]) -> bool {
    match (path, config) {
        ([], _) => true,
        (["*", rest @ ..], Value::Object(map)) => map.values().any(|inside| has(inside, rest)),
        (_, Value::Array(list)) => list.iter().all(|inside| has(inside, path)),
        ([name, rest @ ..], _) => config.get(name).is_some_and(|inside| has(inside, rest)),
    }
}

#[test]
fn settings_are_found_by_their_names() {
    let config = serde_json::json!({"apps": {"a.b": {"limits": {"x": 1}, "webhooks": [{"u": 1}]}}});
    for (name, is_there) in [
        ("apps.\"a.b\".limits.x", true),
        ("apps.\"a.b\"", true),
        ("apps.*.limits.x", true),
        ("apps.\"a.b\".webhooks.u", true),
        ("apps.\"a.b\".webhooks.v", false),
        ("apps.c.limits.x", false),
        ("apps.*.limits.y", false),
        ("listen", false),
    ] {
        assert_eq!(has(&config, &path(name)), is_there, "{name}");
    }
}

#[tokio::test]
async fn settings_of_soketi_are_translated() {
    check_all("soketi").await;
}

#[tokio::test]
async fn settings_of_reverb_are_translated() {
    check_all("reverb").await;
}

#[tokio::test]
async fn settings_of_pusher_are_translated() {
    check_all("pusher").await;
}

#[tokio::test]
async fn settings_of_laravel_websockets_are_translated() {
    check_all("laravel-websockets").await;
}

#[tokio::test]
async fn settings_of_sockudo_are_translated() {
    check_all("sockudo").await;
}
