//! `sealcast keys history`: the history keys that the server made, in its state directory.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{list::time, read_key};
use crate::{
    cli::{
        CliResult, CommandError, help,
        output::{OutputArgs, print_json},
        print, source,
    },
    config::{Flags, path},
    crypto::key::{Fingerprint, MasterKey},
    domain::time::UnixSeconds,
    history::keys::{HistoryKeyEntry, HistoryKeyFile, HistoryKeys},
    platform::{
        clock::unix_now,
        state_dir::{ClaimError, StateDir},
    },
};

#[derive(Subcommand)]
pub enum HistoryKeysCommand {
    /// Show the keys that the server made, the newest first
    #[command(after_help = help::after("history.md", [
        "sealcast keys history list",
        "sealcast keys history list --state-dir /var/lib/sealcast --json",
    ]))]
    List(StateDirArgs),
    /// Make a new key, while the server is stopped; it seals from the next start
    #[command(after_help = help::after("history.md", [
        "sealcast keys history rotate",
        "sealcast keys history rotate --state-dir /var/lib/sealcast",
    ]))]
    Rotate(StateDirArgs),
    /// Print the keys, the newest first, to be kept elsewhere
    #[command(after_help = help::after("history.md", [
        "sealcast keys history backup > history-keys",
        "sealcast keys history backup --state-dir /var/lib/sealcast --json",
    ]))]
    Backup(StateDirArgs),
    /// Let the server open, with an earlier history.key, what that key sealed
    #[command(after_help = help::after("history.md", [
        "sealcast keys history keep - < earlier-key",
        "sealcast keys history keep - --state-dir /var/lib/sealcast < earlier-key",
    ]))]
    Keep {
        /// Earlier key in any form of the configuration, or - for standard input
        key: String,
        #[command(flatten)]
        target: StateDirArgs,
    },
}

#[derive(clap::Args)]
pub struct StateDirArgs {
    /// Configuration file of the server
    #[arg(long, value_name = "FILE", env = "SEALCAST_CONFIG", value_parser = path())]
    config: Option<PathBuf>,
    /// State directory of the server
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

impl StateDirArgs {
    fn directory(&self) -> CliResult<PathBuf> {
        let (config, state_dir) = (self.config.clone(), self.state_dir.clone());
        let flags = Flags { config, state_dir, ..Flags::default() };
        Ok(source(&flags)?.state_dir()?)
    }
}

pub fn run(command: &HistoryKeysCommand) -> CliResult<()> {
    match command {
        HistoryKeysCommand::List(target) => {
            target.output.show(&lines(&look(&target.directory()?)?), table)
        }
        HistoryKeysCommand::Backup(target) => {
            let keys = look(&target.directory()?)?;
            if target.output.json {
                let texts: Vec<_> = keys.newest_first().map(MasterKey::to_text).collect();
                return print_json(&BackedUpKeys {
                    keys: texts.iter().map(|text| &***text).collect(),
                });
            }
            print(&backup(&keys))
        }
        HistoryKeysCommand::Keep { key, target } => {
            let (directory, key) = (target.directory()?, read_key(key)?);
            let id = key.fingerprint();
            let _claimed = claim(&directory)?;
            HistoryKeyFile::of(&directory).keep(key, unix_now())?;
            target.output.show(&KeyId { id }, |KeyId { id }| {
                format!("{id} opens from the next start, until its last event expires\n")
            })
        }
        HistoryKeysCommand::Rotate(target) => {
            let id = rotate(&target.directory()?)?.newest().fingerprint();
            target.output.show(&KeyId { id }, |KeyId { id }| {
                format!("{id} seals from the next start; older keys stay until their last event expires\n")
            })
        }
    }
}

#[derive(Serialize)]
struct HistoryKeyList {
    keys: Vec<HistoryKeyLine>,
}

#[derive(Serialize)]
struct HistoryKeyLine {
    number: Option<u32>,
    id: Fingerprint,
    since: Option<UnixSeconds>,
    /// `seals` for the newest, `opens` for the others.
    state: &'static str,
}

#[derive(Serialize)]
struct BackedUpKeys<'a> {
    keys: Vec<&'a str>,
}

#[derive(Serialize)]
struct KeyId {
    id: Fingerprint,
}

fn look(directory: &Path) -> CliResult<HistoryKeys> {
    let keys = HistoryKeyFile::of(directory).look()?;
    keys.ok_or_else(|| none_in(directory))
}

fn none_in(directory: &Path) -> CommandError {
    CommandError::failed(format_args!(
        "there is no history key in {}: the server makes one at its first start with a history on disk, unless history.key is configured",
        directory.display()
    ))
}

/// A running server would seal with the old key, and could drop the new one.
fn claim(directory: &Path) -> CliResult<StateDir> {
    let refused = |error: ClaimError| {
        CommandError::failed(format_args!(
            "{error}. Stop the server before you change its history keys"
        ))
    };
    StateDir::claim(directory).map_err(refused)
}

fn rotate(directory: &Path) -> CliResult<HistoryKeys> {
    let file = HistoryKeyFile::of(directory);
    file.look()?.ok_or_else(|| none_in(directory))?;
    let _claimed = claim(directory)?;
    let keys = file.look()?.ok_or_else(|| none_in(directory))?;
    Ok(file.rotate(&keys, unix_now())?)
}

fn lines(keys: &HistoryKeys) -> HistoryKeyList {
    let line = |(at, entry): (usize, &HistoryKeyEntry)| HistoryKeyLine {
        number: entry.number,
        id: entry.key.fingerprint(),
        since: entry.since,
        state: if at == 0 { "seals" } else { "opens" },
    };
    HistoryKeyList { keys: keys.entries().enumerate().map(line).collect() }
}

fn table(list: &HistoryKeyList) -> String {
    let mut text = format!("{:6}  {:12}  {:20}  STATE\n", "NUMBER", "KEY", "SINCE");
    for HistoryKeyLine { number, id, since, state } in &list.keys {
        text += &format!(
            "{:6}  {:12}  {:20}  {state}\n",
            number.unwrap_or_default(),
            id,
            since.map_or_else(String::new, time),
        );
    }
    text
}

/// Each line is a value for `history.key`.
fn backup(keys: &HistoryKeys) -> Zeroizing<String> {
    let lines = keys.newest_first().map(|key| key.to_text());
    Zeroizing::new(lines.fold(String::with_capacity(1024), |text, line| text + &line + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_keys_are_listed_rotated_and_backed_up() {
        let dir = std::env::temp_dir().join(format!("sealcast-keys-cli-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let error = look(&dir).err().unwrap().to_string();
        assert!(error.contains("there is no history key"), "{error}");
        assert!(rotate(&dir).is_err() && std::fs::read_dir(&dir).unwrap().count() == 0);
        let first = HistoryKeyFile::of(&dir).load(None, 7).unwrap();
        let claimed = StateDir::claim(&dir).unwrap();
        let error = rotate(&dir).err().unwrap().to_string();
        assert!(error.contains("Stop the server"), "{error}");
        drop(claimed);
        let rotated = rotate(&dir).unwrap();
        let shown = table(&lines(&look(&dir).unwrap()));
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].contains(rotated.newest().fingerprint().as_str()), "{shown}");
        assert!(lines[1].ends_with("seals") && lines[2].ends_with("opens"), "{shown}");
        let texts = backup(&rotated);
        let texts: Vec<&str> = texts.lines().collect();
        assert_eq!(texts, [&**rotated.newest().to_text(), &**first.newest().to_text()]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
