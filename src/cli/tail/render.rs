//! Rendering of an entry as a line for people.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::cli::terminal::is_visible;

const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Characters of a value: a ciphertext is not for reading.
const MAX_VALUE_CHARS: usize = 80;
/// Fields of a call to the API, printed first and without their names.
const CALL_FIELDS: [&str; 3] = ["method", "route", "status"];
/// Common fields, printed next and in this order.
const LEADING_FIELDS: [&str; 4] = ["app", "socket_id", "channel", "user"];
/// The longest field, printed last.
const ENVELOPE: &str = "envelope";

pub fn render(line: &str, colours: bool) -> String {
    let Ok(Value::Object(mut entry)) = serde_json::from_str(line) else {
        return plain(line);
    };
    let mut take = |name: &str| entry.remove(name).map(|value| text(&value));
    let (time, kind) = (take("time").unwrap_or_default(), take("type").unwrap_or_default());
    // Without the date: it is today's.
    let time = time.get(11..23).unwrap_or(&time);
    let mut rendered = match colours {
        true => format!("{DIM}{time}{PLAIN} {}{kind:18}{PLAIN}", colour(&kind)),
        false => format!("{time} {kind:18}"),
    };
    if entry.contains_key("route") {
        call(&mut rendered, &mut entry, colours);
    }
    for name in LEADING_FIELDS {
        if let Some(value) = entry.remove(name) {
            field(&mut rendered, name, &value);
        }
    }
    let envelope = entry.remove(ENVELOPE);
    entry.iter().for_each(|(name, value)| field(&mut rendered, name, value));
    envelope.iter().for_each(|value| field(&mut rendered, ENVELOPE, value));
    rendered
}

/// `POST /apps/{app}/events 200`, with the status of an error in red.
fn call(rendered: &mut String, entry: &mut Map<String, Value>, colours: bool) {
    for name in CALL_FIELDS {
        let Some(value) = entry.remove(name) else { continue };
        let is_error = value.as_u64().is_some_and(|status| status >= 400);
        let _ = match colours && is_error {
            true => write!(rendered, " {RED}{}{PLAIN}", text(&value)),
            false => write!(rendered, " {}", text(&value)),
        };
    }
}

fn field(rendered: &mut String, name: &str, value: &Value) {
    // Writing to a string cannot fail.
    let _ = write!(rendered, " {}={}", plain(name), text(value));
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Array(all) => plain(&all.iter().map(bare).collect::<Vec<_>>().join(",")),
        other => plain(&other.to_string()),
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Strangers choose names, so control characters are escaped: they must not reach the terminal.
fn plain(text: &str) -> String {
    let clipped = match text.char_indices().nth(MAX_VALUE_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    };
    let is_plain =
        !clipped.is_empty() && clipped.chars().all(|c| !matches!(c, ' ' | '\\') && is_visible(c));
    if is_plain { clipped } else { format!("\"{}\"", clipped.escape_debug()) }
}

fn colour(kind: &str) -> &'static str {
    let has = |parts: &[&str]| parts.iter().any(|part| kind.contains(part));
    match kind {
        _ if has(&["refused", "denied", "failed", "revoked", "tripwire", "lost"]) => RED,
        _ if has(&["key_", "rotation_", "server_", "watch_", "admin_"]) => YELLOW,
        _ if has(&["granted", "opened", "delivered"]) => GREEN,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_rendered_as_lines() {
        let line = r#"{"time":"2026-01-31T12:00:00.123Z","type":"event","app":"shop","name":"two words","channel":"c","bytes":3,"list":["a","b"],"envelope":{"nonce":"n"}}"#;
        let wanted = r#"12:00:00.123 event              app=shop channel=c bytes=3 list=a,b name="two words" envelope={"nonce":"n"}"#;
        assert_eq!(render(line, false), wanted);
        let colourful = render(&line.replace("event", "refused"), true);
        assert!(colourful.contains(RED) && colourful.contains(PLAIN), "{colourful:?}");
    }

    #[test]
    fn calls_begin_with_method_route_and_status() {
        let line = r#"{"time":"2026-01-31T12:00:00.123Z","type":"api_call","app":"shop","bytes":3,"method":"POST","route":"/apps/{app}/events","status":401}"#;
        let wanted = "12:00:00.123 api_call           POST /apps/{app}/events 401 app=shop bytes=3";
        assert_eq!(render(line, false), wanted);
        assert!(render(line, true).contains("\u{1b}[31m401\u{1b}[0m"));
        // A status alone keeps its name.
        let denied = render(r#"{"type":"auth_denied","status":403}"#, false);
        assert!(denied.ends_with("status=403"), "{denied}");
    }

    #[test]
    fn names_cannot_control_the_terminal() {
        for nasty in ["\u{1b}[2J", "\u{9b}2J", "a\nb", "\u{202e}x", "a\rb", "\0"] {
            let line = serde_json::json!({"type": nasty, "user": nasty, nasty: nasty}).to_string();
            let rendered = render(&line, false);
            assert!(
                rendered.chars().all(|c| c == ' ' || is_visible(c) || c == '\\'),
                "{rendered:?}"
            );
        }
        assert!(render("no \u{1b}JSON", false).starts_with('"'));
        let long = serde_json::json!({"type": "x", "user": "u".repeat(1000)}).to_string();
        assert!(render(&long, false).len() < 200);
    }
}
