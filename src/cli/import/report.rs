//! What the command says: the configuration, a line for each name, and the next steps.

use std::path::Path;

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    super::{
        CliResult, CommandError,
        output::{print, print_error, print_json},
        terminal,
    },
    ImportArgs,
    from::ForeignServer,
    next_steps::next_steps,
    output::{self, WrittenFiles},
    row::RowMark,
    toml::{self, SecretPlacement},
    translate::Translation,
};

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
struct ImportOutcome {
    text: Option<Zeroizing<String>>,
    written: WrittenFiles,
}

pub fn give(origin: &ForeignServer, args: &ImportArgs, translation: &Translation) -> CliResult<()> {
    let lines = &translation.lines;
    let missing = lines.iter().filter(|line| line.mark == RowMark::Missing).count();
    let refused = missing > 0 && !args.force;
    let given = configuration(origin, args, translation, refused)?;
    let steps = next_steps(origin, &translation.draft);
    match args.output.json {
        true => print_json(&answer(args, lines, &given, steps))?,
        false => {
            if let Some(text) = &given.text {
                print(text)?;
            }
            let steps: Vec<String> = steps.iter().map(|step| format!("\n{step}\n")).collect();
            let wrote = wrote(args.out.as_deref(), &given.written);
            print_error(format_args!("{}{wrote}{}", listing(lines), steps.concat()));
        }
    }
    if !refused {
        return Ok(());
    }
    // Standard output has its object already.
    print_error(format_args!("sealcast: {}", refusal(missing, args.out.is_some())));
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
    let Some(out) = &args.out else {
        let text = Some(render(SecretPlacement::Inline).text);
        return Ok(ImportOutcome { text, written: WrittenFiles::default() });
    };
    if refused {
        return Ok(ImportOutcome { text: None, written: WrittenFiles::default() });
    }
    let start = output::beside(out)?;
    let written = output::write(out, &render(SecretPlacement::Beside(&start)), args.overwrite)?;
    Ok(ImportOutcome { text: None, written })
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

fn wrote(out: Option<&Path>, written: &WrittenFiles) -> String {
    let Some(out) = out.filter(|_| !written.files.is_empty()) else { return String::new() };
    let beside = match written.files.len() - 1 {
        0 => String::new(),
        1 => ", and a secret beside it".into(),
        secrets => format!(", and {secrets} secrets beside it"),
    };
    let mut text = format!("\nwrote {}{beside}\n", out.display());
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

/// One line for each name, and their numbers.
fn listing(lines: &[NameLine]) -> String {
    const MAX_COLUMN: usize = 46;
    let lengths = lines.iter().map(|line| line.name.chars().count());
    let column = lengths.filter(|length| *length <= MAX_COLUMN).max().unwrap_or(0);
    let mut text = String::new();
    let width = terminal::error_width();
    for line in lines {
        let start = format!("{} {:<column$}  ", line.mark.sign(), line.name);
        let indent = start.chars().count();
        // One line in a pipe.
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(20));
        let words = toml::wrapped(&line.text(), room).join(&newline(indent));
        text += format!("{start}{words}").trim_end();
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

fn newline(indent: usize) -> String {
    format!("\n{}", " ".repeat(indent))
}
