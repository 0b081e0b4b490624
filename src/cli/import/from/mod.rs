//! The other servers: their settings as tables, and their defaults.

pub mod laravel_websockets;
pub mod pusher;
pub mod reverb;
pub mod sockudo;
pub mod soketi;

use super::{
    input::{InputFormat, dotenv::CommentRule},
    row::{Row, RowMark, Take, missing, nothing},
};

pub struct ForeignServer {
    pub name: &'static str,
    /// In `sealcast import`.
    pub command: &'static str,
    /// Beginnings of variables that belong to this server alone.
    pub prefixes: &'static [&'static str],
    /// In the order of the listing. The first row that matches counts.
    pub tables: &'static [&'static [Row]],
    pub defaults: &'static [TheirDefault],
    pub port: u16,
    /// Laravel reads words such as `null` in variables.
    pub is_laravel: bool,
    /// The server makes an app if it is told of none.
    pub has_default_app: bool,
    pub comments: CommentRule,
    pub database: Option<AppDatabase>,
}

/// The setting that says where the apps are.
pub struct AppDatabase {
    /// The variable or path of its row.
    pub name: &'static str,
    /// True for a database that is known to hold the apps; then those of the input do not count.
    pub has_apps: fn(&str) -> bool,
}

/// A default that is more generous than ours.
pub struct TheirDefault {
    /// A variable or path of a row.
    pub name: &'static str,
    pub value: &'static str,
    /// `None` for both.
    pub format: Option<InputFormat>,
}

impl TheirDefault {
    /// Limits that the other server does not have are called by words in parentheses.
    pub fn shown(&self) -> &'static str {
        self.name.find('(').map_or(self.name, |at| &self.name[at..])
    }
}

impl ForeignServer {
    pub fn rows(&self) -> impl Iterator<Item = &'static Row> + use<> {
        self.tables.iter().flat_map(|table| table.iter())
    }

    pub fn owns(&self, variable: &str) -> bool {
        self.prefixes.iter().any(|prefix| variable.starts_with(prefix))
    }
}

const fn same(variable: &'static str, path: &'static str, ours: &'static str, take: Take) -> Row {
    Row { variable, path, ours, mark: RowMark::Same, note: "", take }
}

const fn changed(
    variable: &'static str,
    path: &'static str,
    ours: &'static str,
    note: &'static str,
    take: Take,
) -> Row {
    Row { variable, path, ours, mark: RowMark::Changed, note, take }
}

const fn unneeded(variable: &'static str, path: &'static str, note: &'static str) -> Row {
    Row { variable, path, ours: "", mark: RowMark::Unneeded, note, take: nothing }
}

const fn lacking(variable: &'static str, path: &'static str, note: &'static str) -> Row {
    Row { variable, path, ours: "", mark: RowMark::Missing, note, take: missing }
}

const fn default(name: &'static str, value: &'static str) -> TheirDefault {
    TheirDefault { name, value, format: None }
}
