//! Each row of docs/migrating-settings.md, with an example that the command translates.
//!
//! A file in `import/` has blocks between empty lines: the first name of the row, the input, lines
//! of the configuration, and lines of the listing, each after a line `--`.

use std::collections::BTreeSet;

use crate::support::*;

const KINDS: [(&str, &str, &str); 5] = [
    ("soketi", "soketi", include_str!("import/soketi.txt")),
    ("Reverb", "reverb", include_str!("import/reverb.txt")),
    ("Pusher", "pusher", include_str!("import/pusher.txt")),
    ("laravel-websockets", "laravel-websockets", include_str!("import/laravel-websockets.txt")),
    ("Sockudo", "sockudo", include_str!("import/sockudo.txt")),
];

struct Example<'a> {
    row: &'a str,
    input: String,
    settings: Vec<&'a str>,
    listing: Vec<&'a str>,
}

/// Variables at the top of a file are in each of its examples.
fn examples(text: &str) -> Vec<Example<'_>> {
    let blocks = text.split("\n\n").map(|block| block.trim_matches('\n'));
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

/// The first names of the rows of a table.
fn documented(heading: &str) -> BTreeSet<&'static str> {
    const DOCUMENT: &str = include_str!("../../docs/migrating-settings.md");
    let heading = format!("\n## {heading}\n");
    let (_, section) = DOCUMENT.split_once(&heading).expect("a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let table = section.split("|---|---|---|\n").nth(1).expect("a table");
    let rows = table.lines().take_while(|line| line.starts_with("| "));
    let name = |row: &'static str| {
        let cell = row[2..].split(" |").next().unwrap_or_default();
        cell.strip_prefix('`').map_or(cell, |rest| rest.split('`').next().unwrap_or_default())
    };
    rows.map(name).collect()
}

#[test]
fn each_documented_row_has_an_example() {
    for (heading, _, text) in KINDS {
        let examples: BTreeSet<&str> = examples(text).iter().map(|example| example.row).collect();
        let documented = documented(heading);
        assert!(documented.len() > 6, "{heading}: {documented:?}");
        let missing: Vec<_> = documented.difference(&examples).collect();
        let unknown: Vec<_> = examples.difference(&documented).collect();
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
    let (_, _, text) = KINDS.into_iter().find(|(_, name, _)| *name == kind).expect("a kind");
    for example in examples(text) {
        check(kind, &example).await;
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
