//! Every command: what it prints, how it ends, and what it says of a server that is not there, that
//! refuses, or that is of another version. The outputs are files in `snapshots`, made to be read:
//! `UPDATE_SNAPSHOTS=1 cargo test --test it commands` writes them again.

mod closed;
mod interrupted;
mod outputs;
mod refused;
mod snapshot;
mod table;

use std::sync::LazyLock;

use crate::support::*;
use table::{Row, TABLE};

/// The page that a test of the program holds equal to its help.
static HELP: LazyLock<String> = LazyLock::new(|| {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/commands.md");
    std::fs::read_to_string(page).expect("the page of the commands")
});

/// The commands that have no commands of their own.
fn all_commands() -> Vec<&'static str> {
    let headings: Vec<_> = HELP.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let is_group = |name: &str| headings.iter().any(|other| other.starts_with(&format!("{name} ")));
    headings
        .iter()
        .filter(|name| !is_group(name))
        .filter_map(|name| name.strip_prefix("sealcast "))
        .collect()
}

#[test]
fn c_each_command_has_a_row() {
    let rows: Vec<_> = TABLE.iter().map(|row| row.command).collect();
    let missing: Vec<_> = all_commands().into_iter().filter(|name| !rows.contains(name)).collect();
    assert!(missing.is_empty(), "add a row to tests/it/commands/table.rs for {missing:?}");
    for row in &rows {
        assert!(all_commands().contains(row), "there is no command {row:?}");
        assert_eq!(rows.iter().filter(|other| *other == row).count(), 1, "{row}");
    }
}

#[tokio::test]
async fn c_help_of_each_command_is_the_page_of_the_reference() {
    for section in HELP.split("\n## ").skip(1) {
        let (words, rest) = section.split_once('\n').expect("a heading");
        let help = rest.split("```").nth(1).expect("a block");
        let help = help.split_once("--help\n").expect("the command").1;
        let args: Vec<&str> = words.split(' ').skip(1).chain(["--help"]).collect();
        let output = Launch::new(&args).env("COLUMNS", "100").output("").await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(output.stdout.trim_end(), help.trim_end(), "{words}");
        assert_eq!(output.stderr, "", "{words}");
    }
}

#[tokio::test]
async fn c_wrong_usage_ends_with_2() {
    for row in TABLE {
        let args: Vec<&str> = row.command.split(' ').chain(["--no-such-flag"]).collect();
        let output = Launch::new(&args).output("").await;
        // Docker takes 2 for something else.
        let wanted = if row.command == "healthcheck" { 1 } else { 2 };
        assert_eq!(output.status.code(), Some(wanted), "{output:?}");
        assert!(output.stderr.contains("--no-such-flag") && output.stdout.is_empty(), "{output:?}");
    }
}

/// The command with what it requires.
fn launch(row: &Row) -> Launch {
    let words = row.command.split(' ').chain(row.required.split_whitespace());
    Launch::new(&words.collect::<Vec<_>>())
}

/// One sentence, on one line.
fn sentence(output: &Output) -> &str {
    let line = output.stderr.strip_suffix('\n').unwrap_or_default();
    let says = line.strip_prefix("sealcast: ").unwrap_or_default();
    assert!(!says.is_empty() && !says.contains('\n'), "{output:?}");
    says
}
