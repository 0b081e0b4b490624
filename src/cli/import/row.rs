//! One setting of another server and its translation.

use serde_json::Value;

use super::{
    draft::Draft,
    input::{
        ForeignName, ForeignSetting,
        value::{self, Reason},
    },
};

/// What becomes of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowMark {
    /// Same meaning.
    Same,
    /// Taken with a change.
    Changed,
    /// Not needed here.
    Unneeded,
    /// No counterpart.
    Missing,
}

impl RowMark {
    pub fn sign(self) -> char {
        match self {
            Self::Same => '=',
            Self::Changed => '~',
            Self::Unneeded => '-',
            Self::Missing => '!',
        }
    }
}

pub struct Row {
    /// Empty if there is none. A `*` at the end stands for any rest.
    pub variable: &'static str,
    /// In their file, with dots. A `*` stands for the number of an app, `**` at the end for all
    /// beneath. Empty if there is none.
    pub path: &'static str,
    /// Our setting; `app.` stands for `apps.ID.`.
    pub ours: &'static str,
    pub mark: RowMark,
    /// The change, or the reason why it is not needed or missing.
    pub note: &'static str,
    pub take: Take,
}

/// Puts a value into the draft.
pub type Take = fn(&mut Draft, &GivenSetting<'_>) -> TakeResult;

/// An error is a reason why there is no counterpart.
pub type TakeResult = Result<Remark, Reason>;

/// The end of a line of the listing.
#[derive(Debug, PartialEq, Eq)]
pub enum Remark {
    /// As the row says.
    AsDocumented,
    /// The settings of the row, with another note.
    Noted(RowMark, String),
    /// No setting of ours came of it.
    Because(RowMark, String),
}

/// Nothing was written; the text says what holds instead.
pub fn changed(text: impl Into<String>) -> TakeResult {
    Ok(Remark::Because(RowMark::Changed, text.into()))
}

/// The settings of the row were written, and this is to be known about them.
pub fn noted(text: impl Into<String>) -> TakeResult {
    Ok(Remark::Noted(RowMark::Changed, text.into()))
}

pub fn unneeded(text: impl Into<String>) -> TakeResult {
    Ok(Remark::Because(RowMark::Unneeded, text.into()))
}

/// For rows whose note says it all.
pub fn nothing(_: &mut Draft, _: &GivenSetting<'_>) -> TakeResult {
    Ok(Remark::AsDocumented)
}

/// For rows without a counterpart.
pub fn missing(_: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    Err(given.row.note.to_owned())
}

impl Row {
    /// True for two names of one setting.
    pub fn is_alike(&self, other: &Self) -> bool {
        let parts = |row: &Self| (row.ours, row.mark, row.note, row.is_of_app());
        !self.ours.is_empty() && parts(self) == parts(other)
    }

    pub fn is_of_app(&self) -> bool {
        self.path.split('.').any(|part| part == "*")
    }

    /// The number of the app in the path; 0 where there is none.
    pub fn matches(&self, name: &ForeignName) -> Option<usize> {
        match name {
            ForeignName::Variable(variable) => match self.variable.strip_suffix('*') {
                Some(start) => variable.starts_with(start).then_some(0),
                None => (!self.variable.is_empty() && variable == self.variable).then_some(0),
            },
            ForeignName::Path(path) => self.matches_path(path),
        }
    }

    fn matches_path(&self, path: &[String]) -> Option<usize> {
        if self.path.is_empty() {
            return None;
        }
        let mut app = 0;
        let mut given = path.iter();
        for part in self.path.split('.') {
            if part == "**" {
                return Some(app);
            }
            let name = given.next()?;
            match part {
                "*" => app = name.parse().ok()?,
                part if part == name => {}
                _ => return None,
            }
        }
        given.next().is_none().then_some(app)
    }
}

/// A row that an entry belongs to.
pub struct MatchedSetting<'a> {
    pub row: &'a Row,
    pub app: usize,
    pub entry: ForeignSetting,
    /// Not in the input: a default of the other server.
    pub is_default: bool,
}

/// One value with everything else that was given.
pub struct GivenSetting<'a> {
    pub row: &'a Row,
    pub app: usize,
    pub entry: &'a ForeignSetting,
    pub is_default: bool,
    pub all: &'a [MatchedSetting<'a>],
    pub laravel: bool,
}

impl<'a> GivenSetting<'a> {
    pub fn text(&self) -> Result<String, Reason> {
        value::text(&self.entry.value)
    }

    pub fn number(&self) -> Result<i64, Reason> {
        value::number(&self.entry.value)
    }

    pub fn decimal(&self) -> Result<f64, Reason> {
        value::decimal(&self.entry.value)
    }

    /// A size in units of `unit` bytes.
    pub fn bytes(&self, unit: u32) -> Result<i64, Reason> {
        value::bytes(&self.entry.value, unit)
    }

    /// 1 or more.
    pub fn count(&self) -> Result<i64, Reason> {
        let number = self.number()?;
        if number > 0 { Ok(number) } else { Err("must be 1 or more".into()) }
    }

    pub fn boolean(&self) -> Result<bool, Reason> {
        value::boolean(&self.entry.value)
    }

    /// The value of another setting of the same app or of the server, by either of its names.
    pub fn other(&self, name: &str) -> Option<&'a Value> {
        if name.is_empty() {
            return None;
        }
        let is_it = |matched: &&MatchedSetting<'_>| {
            let row = matched.row;
            (row.variable == name || row.path == name || matched.entry.shown == name)
                && (!row.is_of_app() || matched.app == self.app)
                && !value::is_unset(&matched.entry.value, self.laravel)
        };
        self.all.iter().find(is_it).map(|matched| &matched.entry.value)
    }

    pub fn other_text(&self, name: &str) -> Option<String> {
        value::text(self.other(name)?).ok()
    }

    /// A value of a section that has one row, by its variable or by its place in the section.
    pub fn inside(&self, variable: &str, section: &str, name: &str) -> Option<String> {
        let in_section = || value::text(self.other(section)?.get(name)?).ok();
        self.other_text(variable).or_else(in_section).filter(|text| !text.is_empty())
    }

    pub fn is_on(&self, name: &str) -> bool {
        self.other(name).is_some_and(|value| value::boolean(value) == Ok(true))
    }
}
