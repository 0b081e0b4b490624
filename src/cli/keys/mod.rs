//! `sealcast keys`: local keys here, keys of a running server in `server`.

mod history;
mod list;
mod progress;
mod rotate;
mod vectors;

use std::io::IsTerminal;

use clap::Subcommand;
use zeroize::Zeroizing;

use super::{CliResult, print, print_error, say, server};
use crate::{
    crypto::key::{KeyFormat, MasterKey},
    platform::text_file,
};

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Print a new master key, on a terminal also in the form for official SDKs
    Generate {
        /// Print the form for official SDKs: base64 without the prefix
        #[arg(long)]
        bare: bool,
    },
    /// Show the form and the fingerprint of a key
    Inspect {
        /// Print the key alone, as the official SDKs take it: base64 without a prefix
        #[arg(long)]
        bare: bool,
        /// Key in any form of the configuration, or - for standard input, out of the history
        key: String,
    },
    /// Show the keys of an app on a running server, with their subscriptions
    List(server::AppArgs),
    /// Rotate the key of an app on a running server; subscribers move and lose nothing
    Rotate(rotate::RotateArgs),
    /// Make a running server forget a key at once; another replaces an active key
    Revoke(rotate::RevokeArgs),
    /// List, rotate and back up the keys of the history on disk
    #[command(subcommand)]
    History(history::HistoryKeysCommand),
    /// Print test vectors for SDKs as JSON: shared secrets, a sealed payload, signatures
    Vector(vectors::VectorArgs),
}

pub fn run(command: &KeysCommand) -> CliResult<()> {
    match command {
        KeysCommand::Generate { bare } => {
            let terminal = std::io::stdout().is_terminal();
            print(&format_new_key(&MasterKey::generate()?, *bare, terminal))?;
        }
        KeysCommand::Inspect { key, bare: true } => {
            print(&format_new_key(&read_key(key)?, true, false))?;
        }
        KeysCommand::Inspect { key, bare: false } => {
            let (key, format) = parse_key(key)?;
            say!(
                "format: {}\nfingerprint: {}",
                format!("{format:?}").to_lowercase(),
                key.fingerprint()
            )?;
        }
        KeysCommand::List(target) => list::run(target)?,
        KeysCommand::Rotate(command) => rotate::rotate(command)?,
        KeysCommand::Revoke(command) => rotate::revoke(command)?,
        KeysCommand::History(command) => history::run(command)?,
        KeysCommand::Vector(command) => vectors::run(command)?,
    }
    Ok(())
}

/// One line for programs. A terminal shows both forms, since SDKs do not take the prefix.
fn format_new_key(key: &MasterKey, bare: bool, terminal: bool) -> Zeroizing<String> {
    let text = key.to_text();
    let plain = text.trim_start_matches("base64:");
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
