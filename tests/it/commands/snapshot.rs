//! Outputs as files, with a name in place of each value that differs from run to run.

use std::path::PathBuf;

use crate::support::*;

/// Compares with the file of this name, or writes it.
pub fn compare(name: &str, text: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/snapshots")
        .join(format!("{}.txt", name.replace(' ', "-")));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, text).expect("the snapshot can be written");
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, committed, "{}", file.display());
}

/// Command, exit code, and what is on standard output and standard error.
pub fn section(command: &str, output: &Output) -> String {
    let exit = output.status.code().map_or_else(|| "signal".into(), |code| code.to_string());
    let mut text = format!("$ sealcast {command}\n{}", output.stdout);
    for line in output.stderr.lines() {
        text += &format!("stderr: {line}\n");
    }
    text + &format!("exit {exit}\n\n")
}

/// Times, fingerprints, keys and durations by their form.
pub fn neutral(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_+/=-:.".contains(c);
    let mut neutral = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        match is_part(c) {
            true => word.push(c),
            false => {
                neutral += &name_of(&std::mem::take(&mut word), &neutral);
                neutral.push(c);
            }
        }
    }
    neutral.pop();
    neutral
}

fn name_of(word: &str, before: &str) -> String {
    // The colon of a member of JSON belongs to no value.
    let value = word.trim_start_matches(':');
    let (lead, bare) = (&word[..word.len() - value.len()], value.trim_end_matches(['.', ':']));
    let all = |is: fn(&char) -> bool| !bare.is_empty() && bare.chars().all(|c| is(&c));
    // Milliseconds, and the seconds that are left of a token.
    let is_count = lead == ":" && before.ends_with("milliseconds\"")
        || before.ends_with('(')
        || before.ends_with("  for: ");
    let name = match bare.len() {
        20 | 24 if bare.ends_with('Z') && bare.as_bytes()[10] == b'T' => "TIME",
        12 if all(char::is_ascii_hexdigit) && bare != "0123456789ab" => "KEY-ID",
        10 | 13 if all(char::is_ascii_digit) => "SECONDS",
        64 if all(char::is_ascii_hexdigit) => "HASH",
        44 if bare.ends_with('=') => "BASE64",
        51 if bare.starts_with("base64:") => "base64:BASE64",
        60.. if bare.matches('.').count() == 2 && !bare.contains('/') => "TOKEN",
        _ if is_count && all(char::is_ascii_digit) => "N",
        _ if before.ends_with("\"position\":\"") => "POSITION",
        _ if before.ends_with("\"jti\":\"") => "JTI",
        _ => return word.to_owned(),
    };
    format!("{lead}{name}{}", &value[bare.len()..])
}

#[test]
fn c_values_become_names() {
    let text = r#"{"at":"2026-01-31T12:00:00.123Z","id":"310d0c348ad5","since":1700000000,"milliseconds":12}"#;
    let wanted = r#"{"at":"TIME","id":"KEY-ID","since":SECONDS,"milliseconds":N}"#;
    assert_eq!(neutral(text), wanted);
    assert_eq!(neutral("taken (3 ms): 5 lines"), "taken (N ms): 5 lines");
}
