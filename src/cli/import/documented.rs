//! The tables of docs/migrating-settings.md are those of the source.

use super::{
    from::{
        ForeignServer, laravel_websockets::LARAVEL_WEBSOCKETS, pusher::PUSHER, reverb::REVERB,
        sockudo::SOCKUDO, soketi::SOKETI,
    },
    row::Row,
};

const DOCUMENT: &str = include_str!("../../../docs/migrating-settings.md");

/// Rows that say the same one after another are one.
fn table(origin: &ForeignServer) -> String {
    let mut text = format!("| {} | Sealcast | |\n|---|---|---|\n", origin.name);
    let rows: Vec<&Row> = origin.rows().collect();
    for alike in rows.chunk_by(|a, b| (a.ours, a.mark, a.note) == (b.ours, b.mark, b.note)) {
        let names = alike.iter().map(|row| names(row)).collect::<Vec<_>>().join(", ");
        let &Row { ours, mark, note, .. } = alike[0];
        let ours = match ours {
            "" => "none".to_owned(),
            ours => code(&ours.replace("app.", "apps.ID.")),
        };
        let note = note.replace('|', "\\|");
        text += format!("| {names} | {ours} | `{}` {note}", mark.sign()).trim_end();
        text += " |\n";
    }
    text
}

fn names(row: &Row) -> String {
    // A limit that the other server does not have.
    if let Some(at) = row.path.find('(') {
        return row.path[at + 1..].trim_end_matches(')').to_owned();
    }
    let names = [row.variable, row.path].into_iter().filter(|name| !name.is_empty());
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ")
}

fn code(ours: &str) -> String {
    ours.split(", ").map(|part| format!("`{part}`")).collect::<Vec<_>>().join(", ")
}

#[test]
fn each_table_is_in_the_document() {
    for origin in [&SOKETI, &REVERB, &PUSHER, &LARAVEL_WEBSOCKETS, &SOCKUDO] {
        let table = table(origin);
        let heading = format!("\n## {}\n", origin.name);
        let (_, section) = DOCUMENT.split_once(&heading).expect("a section");
        let section = section.split("\n## ").next().unwrap_or_default();
        if !section.contains(&table) {
            panic!("docs/migrating-settings.md needs this table in {:?}:\n{table}", origin.name);
        }
    }
}

#[test]
fn each_default_is_in_the_document() {
    for origin in [&SOKETI, &REVERB, &PUSHER, &LARAVEL_WEBSOCKETS, &SOCKUDO] {
        for default in origin.defaults {
            let line = format!("| {} | `{}` |", quoted(default.shown()), default.value);
            assert!(DOCUMENT.contains(&line), "docs/migrating-settings.md needs {line}");
        }
    }
}

fn quoted(name: &str) -> String {
    match name.strip_prefix('(') {
        Some(words) => words.trim_end_matches(')').to_owned(),
        None => format!("`{name}`"),
    }
}

/// A row after one that takes all of its names is never reached.
#[test]
fn each_row_is_reached() {
    use super::input::ForeignName;

    for origin in [&SOKETI, &REVERB, &PUSHER, &LARAVEL_WEBSOCKETS, &SOCKUDO] {
        for row in origin.rows() {
            let variable =
                ForeignName::Variable(row.variable.trim_end_matches('*').to_owned() + "X");
            let plain = ForeignName::Variable(row.variable.to_owned());
            let variable = if row.variable.ends_with('*') { variable } else { plain };
            let path = row.path.trim_end_matches(".**").replace('*', "0");
            let path = ForeignName::Path(path.split('.').map(str::to_owned).collect());
            for (given, name) in [(row.variable, variable), (row.path, path)] {
                if !given.is_empty() {
                    let first = origin.rows().find(|row| row.matches(&name).is_some());
                    let is_it = first.is_some_and(|first| std::ptr::eq(first, row));
                    assert!(is_it, "{}: {given} is taken by another row", origin.name);
                }
            }
        }
    }
}
