//! The configuration is checked as `sealcast config check --offline` does, before it counts as one.

use std::path::Path;

use super::{
    super::config::examine,
    draft::{AppDraft, Draft, DraftSettings, without_default},
    finish::fault_of,
    report::NameLine,
    row::RowMark,
    toml::{self, SecretPlacement},
    translate::Translation,
};
use crate::config::{Fault, NamedFiles, Source};

/// Turns the line of each value that the server refuses into a `!`.
pub fn check(translation: &mut Translation) {
    let Translation { draft, lines, would_start } = translation;
    // With the secrets, which are checked as well.
    let text = toml::render(draft, &[], "", SecretPlacement::Inline).text;
    let source = Source::of_text(Path::new("(configuration)"), text);
    let findings = examine(&source, NamedFiles::Assume);
    findings.faults().iter().for_each(|fault| note(draft, lines, fault));
    *would_start = findings.is_good();
}

fn note(draft: &Draft, lines: &mut Vec<NameLine>, fault: &Fault) {
    let path: Vec<&str> = fault.path.iter().map(String::as_str).collect();
    let name = name(draft, lines, &path);
    let is_missing = |line: &NameLine| line.mark == RowMark::Missing;
    // One value may be at fault in several apps.
    let is_told_by_name = lines.iter().any(|line| is_missing(line) && line.name == name);
    if is_told_by_name || is_told(draft, lines, &path) {
        return;
    }
    match lines.iter_mut().find(|line| line.name == name) {
        Some(line) => {
            line.mark = RowMark::Missing;
            line.ours.clear();
            line.note.clone_from(&fault.message);
        }
        None => lines.push(NameLine::without_setting(RowMark::Missing, &name, &*fault.message)),
    }
}

/// True if `finish` has told it, in words about the other server.
fn is_told(draft: &Draft, lines: &[NameLine], path: &[&str]) -> bool {
    match path {
        ["apps"] => draft.are_apps_elsewhere || lines.iter().any(|line| line.name == "(app)"),
        ["apps", id] | ["apps", id, "key" | "secret"] => {
            app(draft, id).is_some_and(|app| fault_of(app).is_some())
        }
        _ => false,
    }
}

/// The names that the value comes from, or ours.
fn name(draft: &Draft, lines: &[NameLine], path: &[&str]) -> String {
    let origins = origin(draft, path).unwrap_or_default().split(", ").map(without_default);
    // An entry of a list has the line of the list.
    let of_list = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
    let is_listed = |name: &&str| lines.iter().any(|line| line.name == of_list(name));
    let names: Vec<&str> = origins.filter(is_listed).collect();
    match (names.is_empty(), path.is_empty()) {
        (false, _) => names.join(", "),
        (_, false) => path.join("."),
        _ => "(configuration)".into(),
    }
}

fn origin<'a>(draft: &'a Draft, path: &[&str]) -> Option<&'a str> {
    match path {
        ["apps", id, "webhooks", at, ..] => {
            let webhook = app(draft, id)?.webhooks.get(at.parse::<usize>().ok()?)?;
            Some(&webhook.origin)
        }
        ["apps", id, rest @ ..] => nearest(&app(draft, id)?.settings, rest),
        ["cluster", rest @ ..] => nearest(&draft.cluster, rest),
        rest => nearest(&draft.server, rest),
    }
}

fn app<'a>(draft: &'a Draft, id: &str) -> Option<&'a AppDraft> {
    draft.apps.values().find(|app| app.id.as_deref() == Some(id))
}

/// A fault may be in an entry of a setting.
fn nearest<'a>(settings: &'a DraftSettings, path: &[&str]) -> Option<&'a str> {
    (1..=path.len()).rev().find_map(|length| settings.origin(&path[..length].join(".")))
}
