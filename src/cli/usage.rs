//! The arguments of the command line, and what helps where they are wrong.

use std::{ffi::OsString, str::FromStr};

use clap::{
    Command, CommandFactory, Parser,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::Cli;

/// Ends the process where they are wrong, and after help.
pub fn arguments() -> Cli {
    let given: Vec<OsString> = std::env::args_os().collect();
    Cli::try_parse_from(&given).unwrap_or_else(|error| with_tip(error, &given).exit())
}

/// The parser that clap has says "invalid digit found in string".
pub fn number<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "a whole number is expected, such as 60")
}

/// A configuration file that stands there alone is taken for one.
fn with_tip(mut error: clap::Error, given: &[OsString]) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument || !takes_config(given) {
        return error;
    }
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    if argument.ends_with(".toml") {
        let tip = StyledStr::from(format!("to use a configuration file: '--config {argument}'"));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

fn takes_config(given: &[OsString]) -> bool {
    let mut command: Command = Cli::command();
    for word in given.iter().skip(1) {
        match command.find_subcommand(word).cloned() {
            Some(inner) => command = inner,
            None => break,
        }
    }
    command.get_arguments().any(|argument| argument.get_id() == "config")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        let given: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = Cli::try_parse_from(&given).err().expect("a mistake");
        with_tip(error, &given).to_string()
    }

    #[test]
    fn f28_file_without_its_flag_names_the_flag() {
        for command in ["serve", "config check", "config show", "snippet node", "healthcheck"] {
            let said = said(&format!("sealcast {command} a/sealcast.toml"));
            assert!(said.contains("'--config a/sealcast.toml'"), "{said}");
        }
        for line in
            ["sealcast serve what", "sealcast keys generate a.toml", "sealcast selftest a.toml"]
        {
            assert!(!said(line).contains("--config"), "{line}");
        }
    }

    #[test]
    fn f28_invalid_value_is_named_with_its_flag() {
        for (line, flag, words) in [
            ("sealcast serve --listen here", "--listen", "ADDRESS:PORT or NAME:PORT"),
            ("sealcast serve --ops-listen here", "--ops-listen", "ADDRESS:PORT or NAME:PORT"),
            ("sealcast keys rotate --app 1001 --in here", "--in", "a whole number"),
            ("sealcast webhooks replay --app 1001 --id here", "--id", "a whole number"),
            ("sealcast token --user u --channel c --ttl here", "--ttl", "a whole number"),
        ] {
            let said = said(line);
            let named = said.contains("'here'") && said.contains(flag) && said.contains(words);
            assert!(named && !said.contains("digit"), "{said}");
        }
    }
}
