//! `sealcast keys`: local keys here, keys of a running server in `server`.

mod list;
mod progress;
mod rotate;
mod vectors;

use std::io::IsTerminal;

use clap::Subcommand;
use zeroize::Zeroizing;

use super::{Result, complain, print, say, server};
use crate::{
    crypto::key::{KeyFormat, MasterKey},
    text_file,
};

#[derive(Subcommand)]
pub enum Keys {
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
    List(server::Whose),
    /// Rotate the key of an app on a running server; subscribers move and lose nothing
    Rotate(rotate::Rotate),
    /// Make a running server forget a key at once; another replaces an active key
    Revoke(rotate::Revoke),
    /// Print test vectors for SDKs as JSON: shared secrets, a sealed payload, signatures
    Vector(vectors::Vector),
}

pub fn run(command: &Keys) -> Result<()> {
    match command {
        Keys::Generate { bare } => {
            let terminal = std::io::stdout().is_terminal();
            print(&generated(&MasterKey::generate()?, *bare, terminal))?;
        }
        Keys::Inspect { key, bare: true } => {
            print(&generated(&read_key(key)?, true, false))?;
        }
        Keys::Inspect { key, bare: false } => {
            let (key, format) = parsed(key)?;
            say!(
                "format: {}\nfingerprint: {}",
                format!("{format:?}").to_lowercase(),
                key.fingerprint()
            )?;
        }
        Keys::List(whose) => list::run(whose)?,
        Keys::Rotate(command) => rotate::rotate(command)?,
        Keys::Revoke(command) => rotate::revoke(command)?,
        Keys::Vector(command) => vectors::run(command)?,
    }
    Ok(())
}

/// One line for programs. A terminal shows both forms, since SDKs do not take the prefix.
fn generated(key: &MasterKey, bare: bool, terminal: bool) -> Zeroizing<String> {
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

fn read_key(given: &str) -> Result<MasterKey> {
    parsed(given).map(|(key, _)| key)
}

fn parsed(given: &str) -> Result<(MasterKey, KeyFormat)> {
    let text = if given == "-" { standard_input()? } else { Zeroizing::new(given.to_owned()) };
    Ok(MasterKey::parse(&text)?)
}

fn standard_input() -> Result<Zeroizing<String>> {
    Ok(text_file::read_from(std::io::stdin().lock(), 4096)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_shown_in_the_forms_of_server_and_sdk() {
        let key = MasterKey::generate().unwrap();
        let bare = generated(&key, true, false);
        let (key_of, plain) = (|text: &str| read_key(text).unwrap().fingerprint(), bare.trim());
        assert_eq!((plain.len(), key_of(plain)), (44, key.fingerprint()));
        assert_eq!(*generated(&key, false, false), format!("base64:{plain}\n"));
        let shown = generated(&key, false, true);
        let lines: Vec<&str> = shown.lines().take(2).map(str::trim).collect();
        assert_eq!(lines, [&format!("base64:{plain}"), plain]);
        assert!(shown.lines().all(|line| line.chars().count() <= 100));
    }
}
