//! `sealcast keys`: local keys here, keys of a running server in `server`.

mod history;
mod list;
mod progress;
mod rotate;
mod vectors;

use std::io::IsTerminal;

use clap::Subcommand;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    CliResult, CommandError, help,
    output::{OutputArgs, print_json},
    print, print_error, say,
};
use crate::{
    crypto::key::{KeyFormat, MasterKey},
    platform::text_file,
};

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Print a new master key, on a terminal also in the form for official SDKs
    #[command(after_help = help::after("keys.md", [
        "sealcast keys generate > master-key",
        "sealcast keys generate --bare",
    ]))]
    Generate {
        /// Print the form for official SDKs: base64 without the prefix
        #[arg(long, conflicts_with = "json")]
        bare: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show the form and the fingerprint of a key
    #[command(after_help = help::after("keys.md", [
        "sealcast keys inspect - < master-key",
        "sealcast keys inspect --bare - < master-key",
    ]))]
    Inspect {
        /// Print the key alone, as the official SDKs take it: base64 without a prefix
        #[arg(long, conflicts_with = "json")]
        bare: bool,
        #[command(flatten)]
        output: OutputArgs,
        /// Key in any form of the configuration, or - for standard input, out of the history
        key: String,
    },
    /// Show the keys of an app on a running server, with their subscriptions
    #[command(after_help = help::after("keys.md", [
        "sealcast keys list --app 1001",
        "sealcast keys list --url http://10.0.0.7:6002 --admin-token-file token --json",
    ]))]
    List(list::KeyListArgs),
    /// Rotate the key of an app on a running server; subscribers move and lose nothing
    #[command(after_help = help::after("keys.md#rotate-a-key", [
        "sealcast keys rotate --app 1001",
        "sealcast keys rotate --app 1001 --in 3600 --key - < next-key",
    ]))]
    Rotate(rotate::RotateArgs),
    /// Make a running server forget a key at once; another replaces an active key
    #[command(after_help = help::after("keys.md", [
        "sealcast keys revoke --app 1001 310d0c348ad5 --now",
        "sealcast keys revoke 310d0c348ad5 --now --json",
    ]))]
    Revoke(rotate::RevokeArgs),
    /// List, rotate and back up the keys of the history on disk
    #[command(subcommand)]
    History(history::HistoryKeysCommand),
    /// Print test vectors for SDKs as JSON: shared secrets, a sealed payload, signatures
    #[command(after_help = help::after("publishing.md", [
        "sealcast keys vector",
        "sealcast keys vector --key - --channel private-encrypted-orders < test-key",
    ]))]
    Vector(vectors::VectorArgs),
}

pub fn run(command: &KeysCommand) -> CliResult<()> {
    match command {
        KeysCommand::Generate { output: OutputArgs { json: true }, .. } => {
            let key = MasterKey::generate()?;
            let (text, id) = (key.to_text(), key.fingerprint());
            print_json(&NewKey { key: &text, bare: bare(&text), id: id.as_str() })?;
        }
        KeysCommand::Generate { bare, .. } => {
            let terminal = std::io::stdout().is_terminal();
            print(&format_new_key(&MasterKey::generate()?, *bare, terminal))?;
        }
        KeysCommand::Inspect { key, bare: true, .. } => {
            print(&format_new_key(&read_key(key)?, true, false))?;
        }
        KeysCommand::Inspect { key, output, .. } => {
            let (key, format) = parse_key(key)?;
            let shown = InspectedKey {
                format: format!("{format:?}").to_lowercase(),
                id: key.fingerprint().to_string(),
            };
            output.show(&shown, |shown| {
                format!("format: {}\nfingerprint: {}\n", shown.format, shown.id)
            })?;
        }
        KeysCommand::List(command) => list::run(command)?,
        KeysCommand::Rotate(command) => rotate::rotate(command)?,
        KeysCommand::Revoke(command) => rotate::revoke(command)?,
        KeysCommand::History(command) => history::run(command)?,
        KeysCommand::Vector(command) => vectors::run(command)?,
    }
    Ok(())
}

#[derive(Serialize)]
struct NewKey<'a> {
    key: &'a str,
    bare: &'a str,
    id: &'a str,
}

#[derive(Serialize)]
struct InspectedKey {
    format: String,
    id: String,
}

/// The form for official SDKs.
fn bare(key: &str) -> &str {
    key.trim_start_matches("base64:")
}

/// One line for programs. A terminal shows both forms, since SDKs do not take the prefix.
fn format_new_key(key: &MasterKey, bare: bool, terminal: bool) -> Zeroizing<String> {
    let text = key.to_text();
    let plain = self::bare(&text);
    Zeroizing::new(match (bare, terminal) {
        (true, _) => format!("{plain}\n"),
        (false, false) => format!("{}\n", *text),
        (false, true) => format!(
            "{}\n       {plain}\n\n\
             The first line is for this server (master_key, SEALCAST_MASTER_KEY), the second for SDKs\n\
             (encryptionMasterKeyBase64 or encryption_master_key_base64). It is the same key: keep it,\n\
             for nothing else opens what it sealed.\n",
            *text
        ),
    })
}

fn read_key(given: &str) -> CliResult<MasterKey> {
    parse_key(given).map(|(key, _)| key)
}

fn parse_key(given: &str) -> CliResult<(MasterKey, KeyFormat)> {
    let text = if given == "-" { standard_input()? } else { Zeroizing::new(given.to_owned()) };
    Ok(MasterKey::parse(&text)?)
}

fn standard_input() -> CliResult<Zeroizing<String>> {
    Ok(text_file::read_from(std::io::stdin().lock(), 4096)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_printed_in_both_forms() {
        let key = MasterKey::generate().unwrap();
        let bare = format_new_key(&key, true, false);
        let (key_of, plain) = (|text: &str| read_key(text).unwrap().fingerprint(), bare.trim());
        assert_eq!((plain.len(), key_of(plain)), (44, key.fingerprint()));
        assert_eq!(*format_new_key(&key, false, false), format!("base64:{plain}\n"));
        let shown = format_new_key(&key, false, true);
        let lines: Vec<&str> = shown.lines().take(2).map(str::trim).collect();
        assert_eq!(lines, [&format!("base64:{plain}"), plain]);
        assert!(shown.lines().all(|line| line.chars().count() <= 100));
    }
}
