//! The arguments of the command line, and what helps where they are wrong.

use std::{ffi::OsString, str::FromStr};

use clap::{
    ArgMatches, Command, FromArgMatches as _,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{Cli, help};

pub struct CommandLine {
    pub cli: Cli,
    /// True with `--json`, for errors.
    pub json: bool,
}

/// Ends the process where they are wrong, and after help.
pub fn arguments() -> CommandLine {
    let given: Vec<OsString> = std::env::args_os().collect();
    parse(&given).unwrap_or_else(|error| end(with_tip(error, &given), &given))
}

fn parse(given: &[OsString]) -> Result<CommandLine, clap::Error> {
    let matches = help::command().try_get_matches_from(given)?;
    let json = wants_json(&matches);
    Ok(CommandLine { cli: Cli::from_arg_matches(&matches)?, json })
}

/// True if the innermost command has the flag, and it is given.
fn wants_json(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, inner)) => wants_json(inner),
        None => matches.try_get_one::<bool>("json").ok().flatten() == Some(&true),
    }
}

/// Docker gives the exit code 2 of a health check another meaning.
fn end(error: clap::Error, given: &[OsString]) -> ! {
    if error.use_stderr() && given.get(1).is_some_and(|command| command == "healthcheck") {
        let _ = error.print();
        std::process::exit(1);
    }
    error.exit()
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
    let mut command: Command = help::command();
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
        let error = parse(&given).err().expect("a mistake");
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
