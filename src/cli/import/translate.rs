//! From the settings of another server to ours.

use std::collections::BTreeSet;

use super::{
    super::CliResult,
    draft::Draft,
    finish,
    from::ForeignServer,
    input::{ForeignName, ForeignSetting, InputFormat, VariableProblem, value},
    report::NameLine,
    row::{GivenSetting, MatchedSetting, Remark, Row, RowMark},
    settle::{DraftLine, settle},
};

pub struct Translation {
    pub draft: Draft,
    pub lines: Vec<NameLine>,
    /// False if the server would refuse the configuration.
    pub would_start: bool,
}

pub struct ForeignInput {
    pub entries: Vec<ForeignSetting>,
    pub problems: Vec<VariableProblem>,
    pub format: InputFormat,
}

pub fn translate(
    origin: &'static ForeignServer,
    input: ForeignInput,
    has_apps_file: bool,
    add: impl FnOnce(&mut Draft) -> CliResult<()>,
) -> CliResult<Translation> {
    let (mut matched, unknown) = sort(origin, input.entries);
    let mut lines = Vec::new();
    let elsewhere = !has_apps_file && are_apps_elsewhere(origin, &matched);
    if elsewhere {
        let (of_apps, rest) = matched.into_iter().partition(|m| m.row.is_of_app());
        matched = rest;
        lines.extend(unused(of_apps));
    }
    add_defaults(origin, input.format, elsewhere, &mut matched);
    matched.sort_by_key(|m| (place(origin, m.row), m.app));
    let mut draft = Draft { has_apps_file, are_apps_elsewhere: elsewhere, ..Draft::default() };
    let mut taken = Vec::new();
    for at in 0..matched.len() {
        taken.extend(take(origin, &mut draft, &matched, at));
    }
    let mut asides = std::mem::take(&mut draft.asides);
    add(&mut draft)?;
    finish::finish(origin, &mut draft)?;
    lines.extend(taken.into_iter().filter_map(|line| settle(&draft, line)));
    lines.append(&mut asides);
    lines.extend(unknown);
    lines.extend(input.problems.iter().filter_map(|problem| of_problem(origin, problem)));
    lines.append(&mut draft.asides);
    Ok(Translation { draft, lines, would_start: true })
}

fn are_apps_elsewhere(origin: &ForeignServer, matched: &[MatchedSetting<'_>]) -> bool {
    let Some(database) = &origin.database else { return false };
    let driver =
        matched.iter().find(|m| m.row.variable == database.name || m.row.path == database.name);
    driver.is_some_and(|m| value::text(&m.entry.value).is_ok_and(|text| (database.has_apps)(&text)))
}

fn unused(matched: Vec<MatchedSetting<'_>>) -> impl Iterator<Item = NameLine> {
    matched.into_iter().map(|m| {
        NameLine::without_setting(RowMark::Unneeded, &m.entry.shown, "the apps are in a database")
    })
}

fn place(origin: &ForeignServer, row: &Row) -> usize {
    origin.rows().position(|known| std::ptr::eq(known, row)).unwrap_or(usize::MAX)
}

/// Entries with their rows, and a line for each name of the other server that has no row. Names of
/// other programs in an `.env` are passed over.
fn sort(
    origin: &'static ForeignServer,
    entries: Vec<ForeignSetting>,
) -> (Vec<MatchedSetting<'static>>, Vec<NameLine>) {
    let (mut matched, mut unknown) = (Vec::new(), Vec::new());
    for entry in entries {
        let row = origin.rows().find_map(|row| Some((row, row.matches(&entry.name)?)));
        match (row, &entry.name) {
            (Some((row, app)), _) => {
                matched.push(MatchedSetting { row, app, entry, is_default: false });
            }
            (None, ForeignName::Variable(name)) if !origin.owns(name) => {}
            (None, _) => unknown.push(NameLine::without_setting(
                RowMark::Missing,
                &entry.shown,
                format!("{} has no such setting, as far as known", origin.name),
            )),
        }
    }
    (matched, unknown)
}

fn add_defaults(
    origin: &'static ForeignServer,
    format: InputFormat,
    apps_elsewhere: bool,
    matched: &mut Vec<MatchedSetting<'static>>,
) {
    let mut apps: Vec<usize> =
        matched.iter().filter(|m| m.row.is_of_app()).map(|m| m.app).collect();
    apps.sort_unstable();
    apps.dedup();
    if apps.is_empty() && origin.has_default_app && !apps_elsewhere {
        apps.push(0);
    }
    for default in origin.defaults.iter().filter(|d| d.format.is_none_or(|f| f == format)) {
        let name = default.name;
        let row = origin.rows().find(|row| row.variable == name || row.path == name);
        let row = row.expect("a default has a row");
        let of: &[usize] = if row.is_of_app() { &apps } else { &[0] };
        let is_it = |m: &&MatchedSetting<'_>| {
            (std::ptr::eq(m.row, row) || m.row.is_alike(row))
                && !value::is_unset(&m.entry.value, origin.is_laravel)
        };
        let given: BTreeSet<usize> = matched.iter().filter(is_it).map(|m| m.app).collect();
        for app in of {
            if !given.contains(app) {
                let name = ForeignName::Variable(default.name.to_owned());
                let shown = default.shown().to_owned();
                let entry = ForeignSetting { name, shown, value: default.value.into() };
                matched.push(MatchedSetting { row, app: *app, entry, is_default: true });
            }
        }
    }
}

fn take<'a>(
    origin: &ForeignServer,
    draft: &mut Draft,
    matched: &[MatchedSetting<'a>],
    at: usize,
) -> Option<DraftLine<'a>> {
    let MatchedSetting { row, app, entry, is_default } = &matched[at];
    let (row, app, is_default): (&'a Row, usize, bool) = (row, *app, *is_default);
    let is_foreign = matches!(&entry.name, ForeignName::Variable(name) if origin.is_laravel && !origin.owns(name));
    let line = |mark, has_setting, note: String| {
        let name = entry.shown.clone();
        // Other programs have such names, too.
        let is_news = !(is_foreign && mark == RowMark::Unneeded);
        is_news.then_some(DraftLine { row, app, name, is_default, mark, has_setting, note })
    };
    if value::is_unset(&entry.value, origin.is_laravel) {
        return line(RowMark::Unneeded, false, "not set".into());
    }
    let given =
        GivenSetting { row, app, entry, is_default, all: matched, laravel: origin.is_laravel };
    let before = draft.asides.len();
    let remark = match (row.take)(draft, &given) {
        Ok(remark) => remark,
        Err(_) if is_default => return None,
        Err(reason) => {
            draft.asides.truncate(before);
            return line(RowMark::Missing, false, reason);
        }
    };
    if is_default {
        return of_default(row, entry, remark).and_then(|note| line(RowMark::Changed, true, note));
    }
    let has_setting = !row.ours.is_empty();
    match remark {
        Remark::AsDocumented if row.mark == RowMark::Same => line(row.mark, true, String::new()),
        Remark::AsDocumented => line(row.mark, has_setting, row.note.to_owned()),
        Remark::Noted(mark, note) => line(mark, has_setting, note),
        Remark::Because(mark, note) => line(mark, false, note),
    }
}

/// The note of a default. One that needs nothing is no news.
fn of_default(row: &Row, entry: &ForeignSetting, remark: Remark) -> Option<String> {
    let note = match remark {
        Remark::AsDocumented if row.mark == RowMark::Unneeded => return None,
        Remark::AsDocumented => String::new(),
        Remark::Noted(_, note) => note + "; ",
        Remark::Because(..) => return None,
    };
    Some(match row.ours {
        "app.secret" => format!("{note}their default"),
        _ => format!("{note}their default, {}", value::text(&entry.value).unwrap_or_default()),
    })
}

fn of_problem(origin: &ForeignServer, problem: &VariableProblem) -> Option<NameLine> {
    let is_foreign = problem.name().is_some_and(|name| {
        let variable = ForeignName::Variable(name.to_owned());
        !origin.owns(name) && !origin.rows().any(|row| row.matches(&variable).is_some())
    });
    if is_foreign {
        return None;
    }
    let mark = if problem.is_harmless() { RowMark::Changed } else { RowMark::Missing };
    let name = problem.name().unwrap_or("(unreadable)").to_owned();
    Some(NameLine::without_setting(mark, &name, problem.to_string()))
}
