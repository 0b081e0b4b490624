//! Findings on a terminal, and as JSON.

use std::io::{self, IsTerminal};

use serde::Serialize;

use super::finding::{DoctorCheck, Finding, Judgement, Remedy};
use crate::cli::{
    exit::CliResult,
    output::print,
    terminal::{harmless, json_line, wants_colours},
};

/// Prints each finding as soon as it is there: a check may take minutes.
pub struct FindingPrinter {
    form: PrintForm,
    counts: [usize; 4],
}

enum PrintForm {
    Json,
    Text { width: usize, colours: bool },
}

#[derive(Serialize)]
struct FindingJson<'a> {
    number: usize,
    check: DoctorCheck,
    result: Judgement,
    message: &'a str,
    #[serde(skip_serializing_if = "<[Remedy]>::is_empty")]
    fix: &'a [Remedy],
}

/// Lines are easier to read below this width, however wide the terminal is.
const MAX_WIDTH: usize = 100;
const MIN_WIDTH: usize = 60;
/// In front of the message: number, result, name of the check.
const INDENT: usize = 21;

impl FindingPrinter {
    pub fn new(json: bool) -> Self {
        let form = match json {
            true => PrintForm::Json,
            false => PrintForm::of_terminal(),
        };
        Self { form, counts: [0; 4] }
    }

    pub fn print(&mut self, finding: &Finding) -> CliResult<()> {
        self.counts[finding.judgement as usize] += 1;
        print(&match self.form {
            PrintForm::Json => json(finding)?,
            PrintForm::Text { width, colours } => text(finding, width, colours),
        })
    }

    pub fn count(&self, judgement: Judgement) -> usize {
        self.counts[judgement as usize]
    }

    /// The last line. JSON has none: its reader counts.
    pub fn finish(&self) -> CliResult<()> {
        match self.form {
            PrintForm::Json => Ok(()),
            PrintForm::Text { .. } => print(&self.summary()),
        }
    }

    fn summary(&self) -> String {
        let [ok, warnings, failures, skipped] = self.counts;
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        format!(
            "\n{ok} ok, {warnings} warning{}, {failures} failure{}, {skipped} skipped\n",
            plural(warnings),
            plural(failures)
        )
    }
}

impl PrintForm {
    fn of_terminal() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let columns = terminal_size::terminal_size().map(|(columns, _)| usize::from(columns.0));
        let width = columns.filter(|_| is_terminal).unwrap_or(MAX_WIDTH);
        Self::Text { width: width.clamp(MIN_WIDTH, MAX_WIDTH), colours: wants_colours(is_terminal) }
    }
}

fn json(finding: &Finding) -> CliResult<String> {
    let Finding { check, judgement, message, remedies } = finding;
    let (number, check, result) = (check.number(), *check, *judgement);
    let line = FindingJson { number, check, result, message, fix: remedies };
    Ok(json_line(&serde_json::to_string(&line)?))
}

fn text(finding: &Finding, width: usize, colours: bool) -> String {
    let Finding { check, judgement, message, remedies } = finding;
    let word = format!("{:<4}", judgement.word());
    let word = if colours { coloured(*judgement, &word) } else { word };
    let head = format!("{:>2}  {word}  {:<9}  ", check.number(), check.name());
    let mut text = head + &wrapped(message, INDENT, width);
    for remedy in remedies {
        text += &remedy_text(remedy, width);
    }
    text
}

/// Lines of a configuration are never wrapped: they are there to be pasted.
fn remedy_text(remedy: &Remedy, width: usize) -> String {
    let margin = " ".repeat(INDENT);
    match &remedy.place {
        None => {
            let sentences = remedy.lines.iter();
            sentences
                .map(|line| format!("{margin}- {}", wrapped(line, INDENT + 2, width)))
                .collect()
        }
        Some(place) => {
            let lines = remedy.lines.iter().map(|line| format!("{margin}    {}\n", harmless(line)));
            format!("{margin}- {}:\n{}", harmless(place), lines.collect::<String>())
        }
    }
}

/// The text with line breaks before `width`, and `indent` blanks in front of each line but the
/// first. The text may come from a stranger.
fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let text = harmless(text);
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let line = lines.last_mut().expect("there is a first line");
        let columns = indent + line.chars().count();
        match columns {
            columns if columns == indent => *line += word,
            columns if columns + 1 + word.chars().count() > width => lines.push(word.to_owned()),
            _ => *line += &format!(" {word}"),
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent))) + "\n"
}

fn coloured(judgement: Judgement, word: &str) -> String {
    let colour = match judgement {
        Judgement::Ok => "32",
        Judgement::Warn => "33",
        Judgement::Fail => "1;31",
        Judgement::Skip => "2",
    };
    format!("\u{1b}[{colour}m{word}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Finding {
        let message = "closed after 60 s of silence, and the server pings after 120 s only: whoever is silent is cut off \u{1b}[2J";
        let remedies = vec![
            Remedy::lines("nginx, in the location of Sealcast", ["proxy_read_timeout 5m;"]),
            Remedy::advice("or live with it"),
        ];
        DoctorCheck::Idle.fail(message, remedies)
    }

    #[test]
    fn messages_wrap_and_configuration_lines_do_not() {
        let shown = text(&failure(), 70, false);
        let wanted = [
            "15  FAIL  idle       closed after 60 s of silence, and the server",
            "                     pings after 120 s only: whoever is silent is cut",
            "                     off \\u{1b}[2J",
            "                     - nginx, in the location of Sealcast:",
            "                         proxy_read_timeout 5m;",
            "                     - or live with it",
        ];
        assert_eq!(shown.lines().collect::<Vec<_>>(), wanted);
        assert!(text(&failure(), 70, true).contains("\u{1b}[1;31mFAIL\u{1b}[0m"));
    }

    #[test]
    fn no_line_of_words_is_wider_than_the_terminal() {
        for width in MIN_WIDTH..=MAX_WIDTH {
            let shown = text(&failure(), width, false);
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}:\n{shown}");
        }
    }

    #[test]
    fn json_is_one_object_on_a_line() {
        let line = json(&failure()).expect("JSON");
        assert_eq!(line.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(
            (&object["number"], &object["check"], &object["result"]),
            (&15.into(), &"idle".into(), &"fail".into())
        );
        assert_eq!(object["fix"][0]["lines"][0], "proxy_read_timeout 5m;");
        let good = json(&DoctorCheck::Tcp.ok("fine")).expect("JSON");
        assert_eq!(
            good,
            "{\"number\":2,\"check\":\"tcp\",\"result\":\"ok\",\"message\":\"fine\"}\n"
        );
    }
}
