//! The lines of the listing, once the whole configuration is known: a line names a setting only if
//! the setting is in the configuration, and came of this name.

use super::{
    draft::Draft,
    report::NameLine,
    row::{Row, RowMark},
    toml::bare_or_quoted,
};

/// A line before the end of the translation.
pub struct DraftLine<'a> {
    pub row: &'a Row,
    pub app: usize,
    pub name: String,
    pub is_default: bool,
    pub mark: RowMark,
    /// The line names the settings of its row.
    pub has_setting: bool,
    pub note: String,
}

/// `None` if there is nothing to tell.
pub fn settle(draft: &Draft, line: DraftLine<'_>) -> Option<NameLine> {
    let DraftLine { row, app, name, mark, is_default, .. } = line;
    let note = line.note.replace("app.", &section(draft, row, app));
    if !line.has_setting {
        return Some(NameLine { mark, name, ours: Vec::new(), note });
    }
    let holds = |ours: &&str| holds(draft, row, app, &name, ours);
    let ours: Vec<&str> = row.ours.split(", ").filter(holds).collect();
    if !ours.is_empty() {
        let ours = ours.into_iter().map(|ours| shown(draft, row, app, ours)).collect();
        return Some(NameLine { mark, name, ours, note });
    }
    // A default that was not written out is no news.
    if is_default {
        return None;
    }
    let ours = row.ours.replace("app.", &section(draft, row, app));
    if row.ours.contains("app.") && draft.apps.is_empty() {
        let note = format!("for the apps, once they are read: {ours}");
        return Some(NameLine { mark, name, ours: Vec::new(), note });
    }
    let reason = why_unused(draft, row, &name, &ours);
    Some(NameLine::without_setting(RowMark::Unneeded, &name, reason))
}

fn holds(draft: &Draft, row: &Row, app: usize, theirs: &str, ours: &str) -> bool {
    let of_app = draft.apps.get(&app);
    let is_from = |name: &str| match row.is_of_app() {
        true => of_app.is_some_and(|app| app.settings.is_from(name, theirs)),
        false => draft.apps.values().any(|app| app.settings.is_from(name, theirs)),
    };
    match ours {
        "[apps.ID]" => of_app.is_some_and(|app| app.id_origins.iter().any(|name| name == theirs)),
        "[[app.webhooks]]" => of_app.is_some_and(|app| !app.webhooks.is_empty()),
        "[cluster]" => !draft.cluster.is_empty(),
        name if name.starts_with("app.webhooks.") => draft.batch.is_some(),
        name => match (name.strip_prefix("app."), name.strip_prefix("cluster.")) {
            (Some(name), _) => is_from(name),
            (_, Some(name)) => draft.cluster.is_from(name, theirs),
            _ => draft.server.is_from(name, theirs),
        },
    }
}

fn why_unused(draft: &Draft, row: &Row, name: &str, ours: &str) -> String {
    if let Some((_, reason)) = draft.unused.iter().find(|(unused, _)| unused == name) {
        return reason.clone();
    }
    let mut names = row.ours.split(", ").filter_map(|ours| ours.strip_prefix("app."));
    let is_for_all = !row.is_of_app() && names.any(|ours| draft.each_app.is_from(ours, name));
    match is_for_all {
        _ if row.ours.starts_with("app.webhooks.") => "there are no webhooks".into(),
        true => "each app has one of its own".into(),
        _ if draft.listen.unix.is_some() && row.ours == "listen" => {
            "the server listens on the Unix socket".into()
        }
        _ => format!("another name decides {ours}"),
    }
}

fn shown(draft: &Draft, row: &Row, app: usize, ours: &str) -> String {
    let section = section(draft, row, app);
    ours.replace("apps.ID", section.trim_end_matches('.')).replace("app.", &section)
}

/// The beginning of a setting of this app, or of all apps where theirs is for the server.
fn section(draft: &Draft, row: &Row, app: usize) -> String {
    if !row.is_of_app() && draft.apps.len() > 1 {
        return "apps.*.".into();
    }
    let id = draft.apps.get(&app).and_then(|app| app.id.as_deref());
    id.map_or("apps.ID.".to_owned(), |id| format!("apps.{}.", bare_or_quoted(id)))
}
