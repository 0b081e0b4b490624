//! Every command that a message tells to run can be run: the program's own parser takes it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{CommandFactory, error::ErrorKind};

use super::Cli;

#[test]
fn f28_each_command_in_a_message_parses() {
    let mut seen = 0;
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        for command in commands(&fs::read_to_string(&file).expect("UTF-8")) {
            seen += 1;
            if let Err(reason) = parse(&command) {
                panic!("{}: `{command}`: {reason}", file.display());
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn f28_command_without_an_argument_is_found() {
    for wrong in ["keys revoke --app APP --now", "keys lists", "auth explain"] {
        assert!(parse(&format!("sealcast {wrong}")).is_err(), "{wrong}");
    }
    for right in ["keys revoke --app APP --now KEY", "auth explain AUTH --socket-id ID --channel C"]
    {
        assert_eq!(parse(&format!("sealcast {right}")), Ok(()));
    }
    let text =
        "// `sealcast a`\n\"run `sealcast b \\\n    {id}`, or docker run x sealcast serve --dev)\"";
    assert_eq!(commands(text), ["sealcast b x", "sealcast serve --dev"]);
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the sources");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => files.extend(sources(&path)),
            // This file has commands that are wrong on purpose.
            false if path.ends_with(file!()) => {}
            false => files.push(path),
        }
    }
    files
}

/// Commands between backticks and in container lines, outside comments.
fn commands(source: &str) -> Vec<String> {
    let lines = source.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let text = lines.map(|line| line.trim_end_matches('\\')).collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for (start, ends) in [("`sealcast ", ['`', '`']), (" sealcast serve", [')', '`'])] {
        for (at, _) in text.match_indices(start) {
            let command = &text[at + 1..];
            let command = &command[..command.find(ends).unwrap_or(command.len())];
            found.push(values_filled_in(command));
        }
    }
    found
}

/// `{name}` becomes a value.
fn values_filled_in(command: &str) -> String {
    let mut parts = command.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += "x";
        text += part.split_once('}').map_or(part, |(_, rest)| rest);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse(command: &str) -> Result<(), String> {
    // Redirections and operators of the shell.
    let words = command.split_whitespace().take_while(|word| !["<", ">", "|"].contains(word));
    match Cli::command().try_get_matches_from(words) {
        Ok(_) => Ok(()),
        // A placeholder in capitals stands where a number or one of several words belongs.
        Err(error)
            if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue)
                && command.split(' ').any(|word| word.bytes().all(|b| b.is_ascii_uppercase())) =>
        {
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}
