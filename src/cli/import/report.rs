//! What the command says: the configuration, a line for each name, and the next steps.

use std::path::Path;

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    super::{
        CliResult, CommandError,
        output::{print, print_error, print_json},
        terminal::{self, harmless},
    },
    ImportArgs,
    from::ForeignServer,
    next_steps::next_steps,
    output::{self, WrittenFiles},
    row::RowMark,
    toml::{self, SecretPlacement},
    translate::Translation,
};
use crate::config::Source;

/// What became of one name.
#[derive(Debug)]
pub struct NameLine {
    pub mark: RowMark,
    pub name: String,
    /// Our settings, all of them in the configuration.
    pub ours: Vec<String>,
    pub note: String,
}

impl NameLine {
    pub fn without_setting(mark: RowMark, name: &str, note: impl Into<String>) -> Self {
        Self { mark, name: name.to_owned(), ours: Vec::new(), note: note.into() }
    }

    pub fn text(&self) -> String {
        let ours = self.ours.join(", ");
        match (ours.is_empty(), self.note.is_empty()) {
            (true, _) => self.note.clone(),
            (_, true) => ours,
            _ => format!("{ours}: {}", self.note),
        }
    }
}

/// The answer with `--json`.
#[derive(Serialize)]
struct ImportAnswer<'a> {
    /// `None` if it is in a file, or was not written.
    config: Option<&'a str>,
    files: Vec<String>,
    kept: Vec<String>,
    secrets_in_config: &'a [String],
    settings: Vec<AnswerLine<'a>>,
    next: Vec<String>,
}

#[derive(Serialize)]
struct AnswerLine<'a> {
    mark: char,
    theirs: &'a str,
    ours: Option<String>,
    note: &'a str,
}

/// The configuration, if it is not in a file.
#[derive(Default)]
struct ImportOutcome {
    text: Option<Zeroizing<String>>,
    written: WrittenFiles,
    /// Settings in the configuration that are secrets.
    secrets: Vec<String>,
}

pub fn give(origin: &ForeignServer, args: &ImportArgs, translation: &Translation) -> CliResult<()> {
    let lines = &translation.lines;
    let missing = lines.iter().filter(|line| line.mark == RowMark::Missing).count();
    let refused = (missing > 0 || !translation.would_start) && !args.force;
    let given = configuration(origin, args, translation, refused)?;
    let steps = next_steps(origin, &translation.draft);
    match args.output.json {
        true => print_json(&answer(args, lines, &given, steps))?,
        false => {
            if let Some(text) = &given.text {
                print(text)?;
            }
            let steps: Vec<String> = steps.iter().map(|step| format!("\n{step}\n")).collect();
            let wrote = wrote(args.out.as_deref(), &given);
            print_error(format_args!("{}{wrote}{}", listing(lines), steps.concat()));
        }
    }
    if !refused && translation.would_start {
        return Ok(());
    }
    let has_out = args.out.is_some();
    let text = match translation.would_start {
        true => refusal(missing, has_out),
        false => fault(refused, has_out),
    };
    // Standard output has its object already.
    print_error(format_args!("sealcast: {text}"));
    Err(CommandError::Told)
}

fn configuration(
    origin: &ForeignServer,
    args: &ImportArgs,
    translation: &Translation,
    refused: bool,
) -> CliResult<ImportOutcome> {
    let from = format!("sealcast import {}", origin.command);
    let render = |secrets: SecretPlacement<'_>| {
        toml::render(&translation.draft, &translation.lines, &from, secrets)
    };
    let secrets = |text: &Zeroizing<String>| Source::of_text(Path::new(""), text.clone()).secrets();
    let Some(out) = &args.out else {
        let text = render(SecretPlacement::Inline).text;
        let secrets = secrets(&text);
        return Ok(ImportOutcome { text: Some(text), secrets, ..ImportOutcome::default() });
    };
    if refused {
        return Ok(ImportOutcome::default());
    }
    let start = output::beside(out)?;
    let rendered = render(SecretPlacement::Beside(&start));
    let written = output::write(out, &rendered, args.overwrite)?;
    Ok(ImportOutcome { text: None, written, secrets: secrets(&rendered.text) })
}

fn answer<'a>(
    args: &ImportArgs,
    lines: &'a [NameLine],
    given: &'a ImportOutcome,
    steps: Vec<String>,
) -> ImportAnswer<'a> {
    let shown = |paths: &[std::path::PathBuf]| {
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
    };
    let check = match &args.out {
        Some(out) if !given.written.files.is_empty() => Some(check(out)),
        _ => None,
    };
    ImportAnswer {
        config: given.text.as_ref().map(|text| text.as_str()),
        files: shown(&given.written.files),
        kept: shown(&given.written.kept),
        secrets_in_config: &given.secrets,
        settings: lines.iter().map(answer_line).collect(),
        next: check.into_iter().chain(steps).collect(),
    }
}

fn answer_line(line: &NameLine) -> AnswerLine<'_> {
    let ours: Vec<&str> = line.ours.iter().map(|name| name.trim_matches(['[', ']'])).collect();
    AnswerLine {
        mark: line.mark.sign(),
        theirs: &line.name,
        ours: (!ours.is_empty()).then(|| ours.join(", ")),
        note: &line.note,
    }
}

/// `--force` accepts a loss, and makes no server start.
fn fault(refused: bool, has_out: bool) -> String {
    let (unwritten, or) = match refused && has_out {
        true => (", and nothing was written", ", or add --force and correct the file"),
        false => ("", ""),
    };
    format!(
        "the server would not start with this configuration{unwritten}: correct the lines with !{or}"
    )
}

fn refusal(missing: usize, has_out: bool) -> String {
    let unwritten = if has_out { ", and nothing was written" } else { "" };
    match missing {
        1 => {
            format!("1 name is without a counterpart (!){unwritten}: look at it, then add --force")
        }
        _ => format!(
            "{missing} names are without a counterpart (!){unwritten}: look at them, then add --force"
        ),
    }
}

fn wrote(out: Option<&Path>, ImportOutcome { written, secrets, .. }: &ImportOutcome) -> String {
    let Some(out) = out.filter(|_| !written.files.is_empty()) else { return String::new() };
    let beside = match written.files.len() - 1 {
        0 => String::new(),
        1 => ", and a secret beside it".into(),
        secrets => format!(", and {secrets} secrets beside it"),
    };
    let mut text = format!("\nwrote {}{beside}\n", out.display());
    if !secrets.is_empty() {
        let names = harmless(&secrets.join(", "));
        text += &format!("secrets that stay in {}: {names}\n", out.display());
    }
    for key in &written.kept {
        text += &format!(
            "kept {}: a cluster key that is there is never replaced, since all nodes have the same\n",
            key.display()
        );
    }
    format!("{text}{}\n", check(out))
}

fn check(out: &Path) -> String {
    format!("check it: sealcast config check --config {}", out.display())
}

/// One line for each name, and their numbers. A foreign name with a line break is one line as well.
fn listing(lines: &[NameLine]) -> String {
    const MAX_COLUMN: usize = 46;
    let names: Vec<String> = lines.iter().map(|line| harmless(&line.name)).collect();
    let lengths = names.iter().map(|name| name.chars().count());
    let column = lengths.filter(|length| *length <= MAX_COLUMN).max().unwrap_or(0);
    let mut text = String::new();
    let width = terminal::error_width();
    for (line, name) in lines.iter().zip(&names) {
        let start = format!("{} {name:<column$}  ", line.mark.sign());
        text += beside(&start, &harmless(&line.text()), width).trim_end();
        text.push('\n');
    }
    let count = |mark| lines.iter().filter(|line| line.mark == mark).count();
    text += &format!(
        "\n= {} taken   ~ {} taken with a change   - {} not needed   ! {} without a counterpart\n",
        count(RowMark::Same),
        count(RowMark::Changed),
        count(RowMark::Unneeded),
        count(RowMark::Missing)
    );
    text
}

/// One line in a pipe. Where a terminal has no room beside a name, the words stand below it.
fn beside(start: &str, words: &str, width: Option<usize>) -> String {
    const MIN_ROOM: usize = 32;
    const INDENT: usize = 4;
    let Some(width) = width else { return format!("{start}{words}") };
    let column = start.chars().count();
    let room = width.saturating_sub(column);
    if words.chars().count() <= room {
        return format!("{start}{words}");
    }
    let (start, indent) = match room < MIN_ROOM {
        true => (format!("{}\n{}", start.trim_end(), " ".repeat(INDENT)), INDENT),
        false => (start.to_owned(), column),
    };
    let lines = toml::wrapped(words, width.saturating_sub(indent).max(20));
    start + &lines.join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_beside_a_name_or_below_it() {
        let words = "these are some words that take up more room than there is";
        assert_eq!(beside("= NAME  ", words, None), format!("= NAME  {words}"));
        assert_eq!(beside("= NAME  ", words, Some(100)), format!("= NAME  {words}"));
        let wrapped = beside("= NAME  ", words, Some(48));
        let expected = "= NAME  these are some words that take up more\n        room than there is";
        assert_eq!(wrapped, expected);
        let below = beside("= A_LONG_NAME  ", words, Some(40));
        let expected =
            "= A_LONG_NAME\n    these are some words that take up\n    more room than there is";
        assert_eq!(below, expected);
        assert_eq!(beside("= A_LONG_NAME  ", "short", Some(40)), "= A_LONG_NAME  short");
    }
}
