//! What a listener prints: a line for each event and each change of members.

use std::{
    io::{self, IsTerminal},
    time::SystemTime,
};

use serde::Serialize;
use serde_json::Value;

use super::frames::{MemberData, ServerFrame};
use crate::{
    cli::{
        amounts::{bytes, time_of_day, timestamp},
        exit::CliResult,
        output::{print, print_json},
        terminal::{harmless, wants_colours},
    },
    crypto::key::Fingerprint,
};

/// An event as it is shown.
pub struct PrintedEvent<'a> {
    pub frame: &'a ServerFrame,
    pub content: PrintedContent<'a>,
}

pub enum PrintedContent<'a> {
    Clear(&'a str),
    /// It was sealed, and is opened.
    Opened {
        data: &'a str,
        key: Option<&'a Fingerprint>,
    },
    /// Ciphertext.
    Envelope {
        envelope: &'a str,
        key: Option<&'a Fingerprint>,
    },
}

#[derive(Serialize, Default)]
struct EventLine<'a> {
    time: &'a str,
    r#type: &'a str,
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Fingerprint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    envelope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_info: Option<&'a Value>,
}

pub struct ListenPrinter {
    json: bool,
    colours: bool,
}

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

impl ListenPrinter {
    pub fn new(json: bool) -> Self {
        Self { json, colours: wants_colours(io::stdout().is_terminal()) }
    }

    pub fn event(&self, event: &PrintedEvent<'_>) -> CliResult<()> {
        let time = timestamp(SystemTime::now());
        if self.json { print_json(&event.line(&time)) } else { print(&self.text(&time, event)) }
    }

    pub fn member(&self, channel: &str, member: &MemberData, joined: bool) -> CliResult<()> {
        let time = timestamp(SystemTime::now());
        if self.json {
            return print_json(&EventLine {
                time: &time,
                r#type: if joined { "member_added" } else { "member_removed" },
                channel,
                user_id: Some(&member.user_id),
                user_info: member.user_info.as_ref(),
                ..EventLine::default()
            });
        }
        let what = if joined { "joins" } else { "leaves" };
        print(&format!(
            "{}  {} {what}  {}\n",
            self.coloured(DIM, time_of_day(&time)),
            self.coloured(GREEN, &harmless(&member.user_id)),
            harmless(channel)
        ))
    }

    fn text(&self, time: &str, event: &PrintedEvent<'_>) -> String {
        let PrintedEvent { frame, content } = event;
        let key =
            |key: &Option<&Fingerprint>| key.map_or_else(String::new, |key| format!(" {key}"));
        let content = match content {
            PrintedContent::Clear(data) => harmless(data),
            PrintedContent::Opened { data, key: by } => {
                format!("sealed{}  {}", key(by), harmless(data))
            }
            PrintedContent::Envelope { envelope, key: by } => {
                format!("sealed{}  {} of ciphertext", key(by), bytes(envelope.len() as u64))
            }
        };
        let user = frame.user_id.as_ref();
        let user = user.map_or_else(String::new, |user| format!("  by {}", harmless(user)));
        format!(
            "{}  {}  {}{user}  {content}\n",
            self.coloured(DIM, time_of_day(time)),
            self.coloured(BOLD, &harmless(&frame.event)),
            harmless(&frame.channel)
        )
    }

    fn coloured(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }
}

impl PrintedEvent<'_> {
    fn line<'a>(&'a self, time: &'a str) -> EventLine<'a> {
        let line = EventLine {
            time,
            r#type: "event",
            channel: &self.frame.channel,
            event: Some(&self.frame.event),
            user_id: self.frame.user_id.as_deref(),
            ..EventLine::default()
        };
        match self.content {
            PrintedContent::Clear(data) => {
                EventLine { data: Some(data), sealed: Some(false), ..line }
            }
            PrintedContent::Opened { data, key } => {
                EventLine { data: Some(data), sealed: Some(true), key, ..line }
            }
            PrintedContent::Envelope { envelope, key } => {
                EventLine { envelope: Some(envelope), sealed: Some(true), key, ..line }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-01-31T14:32:31.882Z";

    fn frame() -> ServerFrame {
        let text = r#"{"event":"order.paid","channel":"private-encrypted-orders-eu","data":"x"}"#;
        ServerFrame::parse(text).expect("a frame")
    }

    #[test]
    fn events_are_lines() {
        let (frame, printer) = (frame(), ListenPrinter { json: false, colours: false });
        let key = serde_json::from_str(r#""310d0c348ad5""#).expect("a fingerprint");
        let key = Some(&key);
        let data = r#"{"order":4821}"#;
        for (content, text, json) in [
            (
                PrintedContent::Opened { data, key },
                r#"sealed 310d0c348ad5  {"order":4821}"#,
                r#""data":"{\"order\":4821}","sealed":true,"key":"310d0c348ad5""#,
            ),
            (
                PrintedContent::Envelope { envelope: "{...}", key: None },
                "sealed  5 B of ciphertext",
                r#""sealed":true,"envelope":"{...}""#,
            ),
            (PrintedContent::Clear("\u{1b}"), "\\u{1b}", r#""data":"\u001b","sealed":false"#),
        ] {
            let event = PrintedEvent { frame: &frame, content };
            let wanted = format!("14:32:31.882  order.paid  private-encrypted-orders-eu  {text}\n");
            assert_eq!(printer.text(TIME, &event), wanted);
            let line = serde_json::to_string(&event.line(TIME)).expect("JSON");
            let head = format!(
                r#"{{"time":"{TIME}","type":"event","channel":"private-encrypted-orders-eu","event":"order.paid","#
            );
            assert_eq!(line, format!("{head}{json}}}"));
        }
    }
}
