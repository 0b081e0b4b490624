//! The look of `--help`: groups of commands, examples, and the page of the documentation.

use clap::{Command, CommandFactory};

use super::Cli;

/// Columns of a help text on a wide terminal.
const WIDTH: usize = 100;

/// The commands by purpose. A test holds that each command is in one group.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Run and configure", &["serve", "config", "healthcheck", "selftest"]),
    ("Watch", &["console", "tail", "stats", "channels", "connections", "history", "audit"]),
    ("Send and receive", &["trigger", "listen", "webhooks", "snippet"]),
    ("Keys and authorization", &["keys", "auth", "token", "signed-id"]),
    ("Set up", &["init", "doctor", "import", "completions", "man"]),
];

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or the answer is yes
  1    the answer is no: a check failed, the configuration is wrong
  2    wrong usage
  3    the server was not reached
  4    the server refused; its code is in the message and in --json
  130  interrupted";

/// The end of a command's help: two examples and a page of `docs`.
pub fn after(page: &str, examples: [&str; 2]) -> String {
    let [first, second] = examples;
    format!("Examples:\n  {first}\n  {second}\n\nDocs: docs/{page}")
}

/// The whole command line.
pub fn command() -> Command {
    let command = without_values(Cli::command().max_term_width(WIDTH));
    let groups = groups(&command);
    command.after_help(format!("{EXIT_CODES}\n\nDocs: docs/commands.md")).help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}{{after-help}}"
    ))
}

/// The help names variables and not what is in them.
fn without_values(command: Command) -> Command {
    command.mut_args(|argument| argument.hide_env_values(true)).mut_subcommands(without_values)
}

fn groups(command: &Command) -> String {
    let mut text = String::new();
    for (title, names) in GROUPS {
        text += &format!("{title}:\n");
        for inner in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
            text += &format!("  {:12}  {about}\n", inner.get_name());
        }
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each command without further commands, by its words.
    fn leaves(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let words = format!("{words} {}", inner.get_name());
            match inner.has_subcommands() {
                true => leaves(inner, &words, found),
                false => found.push((words, inner.clone())),
            }
        }
    }

    #[test]
    fn each_command_is_in_one_group() {
        let command = command();
        let grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter()).collect();
        for inner in command.get_subcommands() {
            let name = inner.get_name();
            assert_eq!(grouped.iter().filter(|other| ***other == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn help_ends_with_two_examples_that_run_and_a_page_that_is_there() {
        let mut all = Vec::new();
        leaves(&command(), "sealcast", &mut all);
        assert!(all.len() > 25, "{}", all.len());
        for (words, leaf) in all {
            let after = leaf.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (examples, page) =
                after.split_once("\n\nDocs: ").unwrap_or_else(|| panic!("{words}"));
            let lines: Vec<_> = examples.lines().skip(1).map(str::trim).collect();
            assert_eq!(lines.len(), 2, "{words}");
            for line in lines {
                assert!(line.starts_with(&words) && line.len() <= WIDTH - 2, "{words}: {line}");
            }
            let (file, anchor) = page.split_once('#').unwrap_or((page, ""));
            let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let text =
                std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{words}: {page}: {e}"));
            let slug = |heading: &str| {
                heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-")
            };
            let has =
                text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor);
            assert!(anchor.is_empty() || has, "{words}: {page}");
        }
    }

    #[test]
    fn help_fits_its_width() {
        fn check(command: &mut Command, words: &str) {
            let help = command.render_long_help().to_string();
            for line in help.lines() {
                // A usage that clap does not break.
                let is_usage = line.starts_with("Usage:");
                assert!(is_usage || line.chars().count() <= WIDTH, "{words}: {line}");
            }
            for inner in command.get_subcommands_mut() {
                let words = format!("{words} {}", inner.get_name());
                check(inner, &words);
            }
        }
        let mut command = command().term_width(WIDTH);
        command.build();
        check(&mut command, "sealcast");
    }
}
