//! `sealcast keys`

use std::io::Read;

use clap::Subcommand;
use zeroize::Zeroizing;

use super::Result;
use crate::crypto::key::MasterKey;

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
}

pub fn run(command: &Keys) -> Result<()> {
    match command {
        Keys::Generate => println!("{}", *MasterKey::generate()?.to_text()),
        Keys::Inspect { key } => {
            let text = if key == "-" { standard_input()? } else { Zeroizing::new(key.clone()) };
            let (key, format) = MasterKey::parse(&text)?;
            println!(
                "format: {}\nfingerprint: {}",
                format!("{format:?}").to_lowercase(),
                key.fingerprint()
            );
        }
    }
    Ok(())
}

fn standard_input() -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().lock().take(4096).read_to_string(&mut text)?;
    Ok(text)
}
