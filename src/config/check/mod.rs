//! All faults of a configuration in one run.
//!
//! Reading and resolving stop at the first fault. So each fault is noted, the setting is left out or
//! replaced by a plausible value, and the rest is read again. A fault that only follows from that is
//! not noted: its message names the setting that was left out.

mod removed;
mod stand_in;

use figment::value::Value;

use super::{
    Config,
    faults::{Aim, ConfigError, Fault, Listing, Misread},
    raw::RawConfig,
    resolve::{resolve, sealing::StateUse},
    setting_error::SettingError,
    source::{
        Source,
        paths::{Parent, insert, path_of, remove},
    },
};
use crate::crypto::vectors::example_salt;

use removed::Removed;
use stand_in::StandIns;

/// The files that a configuration names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NamedFiles {
    Read,
    /// They are on another machine: any content is assumed.
    Assume,
}

/// What a look at a configuration has found.
pub struct Findings<'a> {
    source: &'a Source,
    /// `None` if nothing of it could be resolved. With faults, a part of it is missing.
    pub config: Option<Config>,
    faults: Vec<Fault>,
    /// False if there were too many to find them all.
    are_all: bool,
    pub warnings: Vec<String>,
}

/// More faults than anybody mends at once. Bounds the time for a hostile file.
const MAX_FAULTS: usize = 100;

pub fn check(source: &Source, files: NamedFiles) -> Findings<'_> {
    let mut trial = Trial::new(source);
    if files == NamedFiles::Assume {
        trial.assume_files();
    }
    let config = trial.resolve_all();
    let Trial { mut faults, removed, .. } = trial;
    let mut warnings: Vec<String> = config.iter().flat_map(|c| c.warnings.clone()).collect();
    warnings.extend(source.warnings());
    warnings.retain(|warning| !removed.explains(&[], warning));
    faults.sort_by(|a, b| a.place.cmp(&b.place));
    let are_all = faults.len() < MAX_FAULTS;
    Findings { source, config, faults, are_all, warnings }
}

impl Findings<'_> {
    /// A fault found later, such as an unusable file.
    pub fn add(&mut self, setting: &str, message: String) {
        let fault = self.source.setting_fault(setting, message);
        let at = self.faults.partition_point(|it| it.place <= fault.place);
        self.faults.insert(at, fault);
    }

    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub fn list(&self) -> Listing<'_> {
        Listing::new(&self.faults, self.are_all)
    }

    pub fn into_error(self) -> Option<ConfigError> {
        ConfigError::of(self.faults)
    }
}

/// Values that are read again and again, with less in them each time.
struct Trial<'a> {
    source: &'a Source,
    values: Value,
    removed: Removed,
    stand_ins: StandIns,
    faults: Vec<Fault>,
}

impl<'a> Trial<'a> {
    fn new(source: &'a Source) -> Self {
        let mut removed = Removed::default();
        source.lost().iter().for_each(|path| removed.note(path.clone()));
        Self {
            source,
            values: source.values().into(),
            removed,
            stand_ins: StandIns::default(),
            faults: source.faults().to_vec(),
        }
    }

    fn resolve_all(&mut self) -> Option<Config> {
        // Nothing is sealed with it.
        let salt = example_salt();
        for _ in 0..MAX_FAULTS {
            let mut raw = match self.values.deserialize::<RawConfig>() {
                Ok(raw) => raw,
                Err(error) => {
                    let Misread { path, aim, message } = self.source.misread(&error, &self.values);
                    if !self.leave_out(&path, aim, message) {
                        return None;
                    }
                    continue;
                }
            };
            raw.read_variables(self.source.environment());
            match resolve(raw, self.source.development(), StateUse::LookOnly, salt) {
                Ok(config) => return Some(config),
                Err(SettingError { setting, message }) => {
                    let path = path_of(&setting, &self.values);
                    if !self.leave_out(&path, Aim::Value, message) {
                        return None;
                    }
                }
            }
        }
        None
    }

    /// Notes the fault, unless it follows from an earlier one. False if nothing can be left out.
    fn leave_out(&mut self, path: &[String], aim: Aim, message: String) -> bool {
        let original = self.removed.original(path);
        let message = match path == original {
            true => message,
            false => message.replace(&path.join("."), &original.join(".")),
        };
        let follows =
            original == ["apps"] && (self.removed.has_app() || self.source.lacks_its_file());
        if !follows && !self.removed.explains(&original, &message) {
            self.faults.push(self.source.fault(original.clone(), aim, message));
        }
        let schema = self.source.schema();
        match self.stand_ins.of(&original, schema) {
            Some(value) => {
                remove(&mut self.values, &file_of(path));
                insert(&mut self.values, path, value);
                self.removed.note(original);
                true
            }
            None => self.remove_nearest(path),
        }
    }

    /// The setting, its file, or the table around it.
    fn remove_nearest(&mut self, path: &[String]) -> bool {
        let candidates = [path.to_vec(), file_of(path)].into_iter();
        let tables = (1..path.len()).rev().map(|length| path[..length].to_vec());
        for candidate in candidates.chain(tables) {
            if candidate.len() == 1 && candidate[0] == "apps" && path.len() > 1 {
                return false;
            }
            let original = self.removed.original(&candidate);
            match remove(&mut self.values, &candidate) {
                Some(Parent::Table) => self.removed.note(original),
                Some(Parent::List) => self.removed.note_entry(original),
                None => continue,
            }
            return true;
        }
        // Without it, a message about this setting only follows.
        self.removed.note(self.removed.original(path));
        false
    }

    /// Gives each setting that names a file a plausible value instead.
    fn assume_files(&mut self) {
        let schema = self.source.schema();
        for path in stand_in::named_files(&self.values, schema) {
            remove(&mut self.values, &path);
            let base = path.last().and_then(|name| name.strip_suffix("_file"));
            let secret = match (base, path.split_last()) {
                (Some(base), Some((_, table))) => [table, &[base.to_owned()]].concat(),
                _ => path.clone(),
            };
            if let Some(value) = self.stand_ins.of(&secret, schema) {
                insert(&mut self.values, &secret, value);
            } else if base == Some("public_key") {
                // Another algorithm would need another kind of key.
                let table = &path[..path.len() - 1];
                remove(&mut self.values, &[table, &["algorithms".to_owned()]].concat());
            }
            self.removed.note(path);
        }
    }
}

fn file_of(path: &[String]) -> Vec<String> {
    let mut path = path.to_vec();
    if let Some(name) = path.last_mut() {
        name.push_str("_file");
    }
    path
}

#[cfg(test)]
mod tests;
