//! From the settings of another server to ours.

use super::{
    super::CliResult,
    Line,
    draft::{Draft, ListenerDraft},
    finish,
    from::Origin,
    input::{ForeignName, ForeignSetting, Format, VariableProblem, value},
    row::{Given, Matched, Remark, Row, RowMark},
};

pub struct Translation {
    pub draft: Draft,
    pub lines: Vec<Line>,
}

pub struct Input {
    pub entries: Vec<ForeignSetting>,
    pub problems: Vec<VariableProblem>,
    pub format: Format,
}

pub fn translate(
    origin: &'static Origin,
    input: Input,
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
    let mut draft = Draft { has_apps_file, ..Draft::default() };
    let mut taken = Vec::new();
    for (at, setting) in matched.iter().enumerate() {
        taken.extend(take(origin, &mut draft, &matched, at).map(|line| (setting.app, line)));
    }
    // All ids are known by now.
    lines.extend(taken.into_iter().map(|(app, line)| named(line, &draft, app)));
    lines.append(&mut draft.asides);
    lines.extend(unknown);
    lines.extend(input.problems.iter().filter_map(|problem| of_problem(origin, problem)));
    add(&mut draft)?;
    finish::finish(origin, &mut draft)?;
    lines.append(&mut draft.asides);
    Ok(Translation { draft, lines })
}

fn are_apps_elsewhere(origin: &Origin, matched: &[Matched<'_>]) -> bool {
    let Some(database) = &origin.database else { return false };
    let driver =
        matched.iter().find(|m| m.row.variable == database.name || m.row.path == database.name);
    driver.is_some_and(|m| value::text(&m.entry.value).is_ok_and(|text| !(database.is_none)(&text)))
}

fn unused(matched: Vec<Matched<'_>>) -> impl Iterator<Item = Line> {
    matched.into_iter().map(|m| Line {
        mark: RowMark::Unneeded,
        name: m.entry.shown,
        text: "the apps are in a database".into(),
    })
}

fn place(origin: &Origin, row: &Row) -> usize {
    origin.rows().position(|known| std::ptr::eq(known, row)).unwrap_or(usize::MAX)
}

/// Entries with their rows, and a line for each name of the other server that has no row. Names of
/// other programs in an `.env` are passed over.
fn sort(
    origin: &'static Origin,
    entries: Vec<ForeignSetting>,
) -> (Vec<Matched<'static>>, Vec<Line>) {
    let (mut matched, mut unknown) = (Vec::new(), Vec::new());
    for entry in entries {
        let row = origin.rows().find_map(|row| Some((row, row.matches(&entry.name)?)));
        match (row, &entry.name) {
            (Some((row, app)), _) => {
                matched.push(Matched { row, app, entry, is_default: false });
            }
            (None, ForeignName::Variable(name)) if !origin.owns(name) => {}
            (None, _) => unknown.push(Line {
                mark: RowMark::Missing,
                name: entry.shown,
                text: format!("{} has no such setting, as far as known", origin.name),
            }),
        }
    }
    (matched, unknown)
}

fn add_defaults(
    origin: &'static Origin,
    format: Format,
    apps_elsewhere: bool,
    matched: &mut Vec<Matched<'static>>,
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
        for app in of {
            let is_it = |m: &Matched<'_>| {
                std::ptr::eq(m.row, row)
                    && m.app == *app
                    && !value::is_unset(&m.entry.value, origin.is_laravel)
            };
            if !matched.iter().any(is_it) {
                let name = ForeignName::Variable(default.name.to_owned());
                let shown = default.shown().to_owned();
                let entry = ForeignSetting { name, shown, value: default.value.into() };
                matched.push(Matched { row, app: *app, entry, is_default: true });
            }
        }
    }
}

fn take(origin: &Origin, draft: &mut Draft, matched: &[Matched<'_>], at: usize) -> Option<Line> {
    let Matched { row, app, entry, is_default } = &matched[at];
    let row: &Row = row;
    let is_foreign = matches!(&entry.name, ForeignName::Variable(name) if origin.is_laravel && !origin.owns(name));
    let line = |mark, text: String| {
        // Other programs have such names, too.
        let is_news = !(is_foreign && mark == RowMark::Unneeded);
        is_news.then(|| Line { mark, name: entry.shown.clone(), text })
    };
    if value::is_unset(&entry.value, origin.is_laravel) {
        return line(RowMark::Unneeded, "not set".into());
    }
    let given = Given {
        row,
        app: *app,
        entry,
        is_default: *is_default,
        all: matched,
        laravel: origin.is_laravel,
    };
    let before = draft.asides.len();
    let taken = (row.take)(draft, &given);
    let ours = row.ours.to_owned();
    match taken {
        // A default that needs nothing is no news.
        Ok(Remark::Because(RowMark::Same | RowMark::Unneeded, _)) if *is_default => None,
        Ok(Remark::AsDocumented) if *is_default && row.mark == RowMark::Unneeded => None,
        Ok(remark) if *is_default => {
            let text = match remark {
                Remark::AsDocumented => ours,
                Remark::Because(_, text) => text,
            };
            let value = default_text(entry);
            line(RowMark::Changed, format!("{text}, a default of theirs: {value}"))
        }
        Ok(Remark::AsDocumented) => {
            let text = match (row.mark, row.note) {
                (RowMark::Same, _) | (_, "") => ours,
                (RowMark::Unneeded | RowMark::Missing, note) => note.to_owned(),
                (RowMark::Changed, note) => format!("{ours}: {note}"),
            };
            line(row.mark, text)
        }
        Ok(Remark::Because(mark, text)) => line(mark, text),
        Err(_) if *is_default => None,
        Err(reason) => {
            draft.asides.truncate(before);
            line(RowMark::Missing, reason)
        }
    }
}

/// Never a secret: their default secrets are known to everybody.
fn default_text(entry: &ForeignSetting) -> String {
    value::text(&entry.value).unwrap_or_default()
}

/// `app.` in a row or in a remark stands for the app's section.
fn named(line: Line, draft: &Draft, app: usize) -> Line {
    let id = draft.apps.get(&app).and_then(|app| app.id.as_deref());
    let section = format!("apps.{}.", id.unwrap_or("ID"));
    Line { text: line.text.replace("app.", &section), ..line }
}

fn of_problem(origin: &Origin, problem: &VariableProblem) -> Option<Line> {
    let is_foreign = problem.name().is_some_and(|name| {
        let variable = ForeignName::Variable(name.to_owned());
        !origin.owns(name) && !origin.rows().any(|row| row.matches(&variable).is_some())
    });
    if is_foreign {
        return None;
    }
    let mark = if problem.is_harmless() { RowMark::Changed } else { RowMark::Missing };
    let name = problem.name().unwrap_or("(unreadable)").to_owned();
    Some(Line { mark, name, text: problem.to_string() })
}

impl ListenerDraft {
    /// The address, with the names that it comes from.
    pub fn setting(&self, port: u16) -> (String, String) {
        (self.address(port), self.origins.join(", "))
    }
}
