//! `sealcast keys`: keys as such here, and those of a running server in `server`.

mod list;
mod progress;
mod rotate;
mod vectors;

use clap::Subcommand;
use zeroize::Zeroizing;

use super::{Result, complain, say, server};
use crate::{
    crypto::key::{KeyFormat, MasterKey},
    text_file,
};

#[derive(Subcommand)]
pub enum Keys {
    /// Print a new master key
    Generate,
    /// Say what a key is: its form and its fingerprint
    Inspect {
        /// The key in any form that the configuration takes, or - to read it from standard input,
        /// where it stays out of the shell's history
        key: String,
    },
    /// Show the keys of an app on a running server, and how many subscriptions each has
    List(server::Whose),
    /// Give an app of a running server its next key: subscribers move to it, and lose nothing
    Rotate(rotate::Rotate),
    /// Make a running server forget a key at once; if it is the active one, another takes its place
    Revoke(rotate::Revoke),
    /// Print what an SDK must compute, as JSON: shared secrets, a sealed payload, signatures
    Vector(vectors::Vector),
}

pub fn run(command: &Keys) -> Result<()> {
    match command {
        Keys::Generate => say!("{}", *MasterKey::generate()?.to_text())?,
        Keys::Inspect { key } => {
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
