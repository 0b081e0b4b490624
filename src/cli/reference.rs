//! `docs/reference/commands.md` is the help of every command.

use std::{fs, path::PathBuf};

use clap::Command;

use super::help;

const TOP: &str = "\
# Commands

The help of every command, as the program prints it. Do not edit this page: change the help in
`src/cli`, then run `UPDATE_DOCS=1 cargo test --lib cli::reference`. How to use the commands in
scripts: [Commands](../commands.md).
";

#[test]
fn page_of_the_commands_is_their_help() {
    let mut page = TOP.to_owned();
    sections(&help::command(), &mut vec!["sealcast".to_owned()], &mut page);
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reference/commands.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(file.parent().expect("a directory")).expect("docs can be written");
        fs::write(&file, &page).expect("docs can be written");
    }
    let committed = fs::read_to_string(&file).expect("the page");
    assert!(
        committed == page,
        "run UPDATE_DOCS=1 cargo test --lib cli::reference, and read the diff"
    );
}

/// Of a command and the commands within it.
fn sections(command: &Command, words: &mut Vec<String>, page: &mut String) {
    let name = words.join(" ");
    let asked = words.iter().map(String::as_str).chain(["--help"]);
    let help = help::command()
        .term_width(100)
        .try_get_matches_from(asked)
        .expect_err("the help")
        .to_string();
    *page += &format!("\n## {name}\n\n```text\n$ {name} --help\n{}\n```\n", help.trim_end());
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        words.push(inner.get_name().to_owned());
        sections(inner, words, page);
        words.pop();
    }
}
