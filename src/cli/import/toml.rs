//! The configuration file.

use std::path::{Path, PathBuf};

use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    super::terminal::{harmless, is_visible},
    NameLine,
    draft::{AppDraft, Draft, DraftSetting, DraftSettings, WebhookBatch, WebhookDraft},
    row::RowMark,
};
use crate::{domain::ids::is_app_id, platform::http::EndpointUrl};

const WIDTH: usize = 100;
/// Longer lines have their comment above them.
const MAX_ALIGNED: usize = 56;
/// Bytes of an id in the name of a file, which has 255 at most.
const MAX_FILE_PART: usize = 100;

/// Section and name of the setting whose secret is new.
const GENERATED: (&str, &str) = ("cluster", "key");

/// Where secrets are written.
pub enum SecretPlacement<'a> {
    Inline,
    /// In files with names that begin so.
    Beside(&'a Path),
}

pub struct RenderedConfig {
    pub text: Zeroizing<String>,
    pub files: Vec<SecretFile>,
}

pub struct SecretFile {
    pub path: PathBuf,
    pub text: Zeroizing<String>,
    /// The secret is a new one, and comes from nowhere else.
    pub is_generated: bool,
}

pub fn render(
    draft: &Draft,
    lines: &[NameLine],
    from: &str,
    secrets: SecretPlacement<'_>,
) -> RenderedConfig {
    let mut writer = TomlWriter { text: Zeroizing::default(), files: Vec::new(), secrets, apps: 0 };
    writer.head(lines, from);
    if !draft.server.is_empty() {
        writer.text.push('\n');
        writer.settings("", &draft.server);
    }
    if !draft.cluster.is_empty() {
        writer.text.push_str("\n[cluster]\n");
        writer.settings("cluster", &draft.cluster);
    }
    for app in draft.apps.values() {
        writer.app(app, draft.batch);
    }
    RenderedConfig { text: writer.text, files: writer.files }
}

struct TomlWriter<'a> {
    text: Zeroizing<String>,
    files: Vec<SecretFile>,
    secrets: SecretPlacement<'a>,
    /// Apps so far.
    apps: usize,
}

impl TomlWriter<'_> {
    fn head(&mut self, lines: &[NameLine], from: &str) {
        self.comment(&format!("Made by `{from}`. Behind each setting stands where it comes from."));
        let missing = lines.iter().filter(|line| line.mark == RowMark::Missing);
        for line in missing {
            self.comment(&format!("! {}: {}", line.name, line.text()));
        }
    }

    /// Foreign names are in it: a line break would end the comment.
    fn comment(&mut self, text: &str) {
        for line in wrapped(&harmless(text), WIDTH - 2) {
            self.text.push_str("# ");
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }

    fn settings(&mut self, of: &str, settings: &DraftSettings) {
        let lines: Vec<(String, String)> = settings
            .sorted()
            .into_iter()
            .map(|setting| (self.setting(of, setting), setting.origin.clone()))
            .collect();
        self.aligned(&lines);
    }

    fn setting(&mut self, of: &str, setting: &DraftSetting) -> String {
        let DraftSetting { name, value, is_secret, .. } = setting;
        match (&self.secrets, is_secret, value.as_str()) {
            (SecretPlacement::Beside(start), true, Some(secret)) => {
                let mut file = start.as_os_str().to_owned();
                file.push(format!(".{}.{name}", self.file_part(of)));
                let path = PathBuf::from(file);
                let line = format!("{name}_file = {}", basic(&path.display().to_string()));
                let text = Zeroizing::new(secret.to_owned());
                let is_generated = (of, *name) == GENERATED;
                self.files.push(SecretFile { path, text, is_generated });
                line
            }
            _ => format!("{name} = {}", written(value)),
        }
    }

    /// An id that is none, or too long for the name of a file, is a number instead. The `+` is in no
    /// id.
    fn file_part(&self, of: &str) -> String {
        match is_app_id(of) && of.len() <= MAX_FILE_PART {
            true => of.to_owned(),
            false => format!("app+{}", self.apps),
        }
    }

    fn app(&mut self, app: &AppDraft, batch: Option<WebhookBatch>) {
        self.apps += 1;
        let Some(id) = &app.id else { return };
        let key = bare_or_quoted(id);
        self.text.push_str(&format!("\n[apps.{key}]\n"));
        self.settings(id, &app.settings);
        for webhook in &app.webhooks {
            self.text.push_str(&format!("\n[[apps.{key}.webhooks]]\n"));
            self.webhook(webhook, batch);
        }
    }

    fn webhook(&mut self, webhook: &WebhookDraft, batch: Option<WebhookBatch>) {
        let WebhookDraft { url, events, channels, headers, origin } = webhook;
        let mut lines = vec![(format!("url = {}", basic(url)), origin.clone())];
        let mut add = |text: String| lines.push((text, String::new()));
        if EndpointUrl::parse(url, false).is_err() {
            add("allow_http = true".into());
        }
        for (name, list) in [("events", events), ("channels", channels)] {
            if !list.is_empty() {
                let list: Vec<String> = list.iter().map(|text| basic(text)).collect();
                add(format!("{name} = [{}]", list.join(", ")));
            }
        }
        if !headers.is_empty() {
            let pairs: Vec<String> = headers
                .iter()
                .map(|(name, value)| format!("{} = {}", basic(name), basic(value)))
                .collect();
            add(format!("headers = {{ {} }}", pairs.join(", ")));
        }
        if let Some(WebhookBatch { delay_ms, events }) = batch {
            add(format!("batch_events = {events}"));
            add(format!("batch_delay_ms = {delay_ms}"));
        }
        self.aligned(&lines);
    }

    /// Comments stand in one column, where there is room.
    fn aligned(&mut self, lines: &[(String, String)]) {
        let short = lines.iter().map(|(text, _)| text.chars().count());
        let column = short.filter(|length| *length <= MAX_ALIGNED).max().unwrap_or(0);
        for (text, comment) in lines {
            let fits = text.chars().count() <= MAX_ALIGNED
                && column + comment.chars().count() + 4 <= WIDTH;
            if comment.is_empty() {
                self.text.push_str(text);
            } else if fits {
                self.text.push_str(&format!("{text:<column$}  # {}", harmless(comment)));
            } else {
                self.comment(comment);
                self.text.push_str(text);
            }
            self.text.push('\n');
        }
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => basic(text),
        Value::Array(list) => {
            format!("[{}]", list.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A basic string, in which nothing acts upon a terminal.
pub fn basic(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_visible(c) => quoted.push(c),
            c if c <= '\u{ffff}' => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

pub fn bare_or_quoted(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    match !key.is_empty() && key.bytes().all(is_bare) {
        true => key.to_owned(),
        false => basic(key),
    }
}

/// Lines of whole words.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back() {
        use figment::providers::{Format as _, Toml};

        let nasty = "\u{1b}[2J\u{9b}\r\u{202e}\u{2028}\u{e0001}";
        for text in ["", "a\"b\\c", "a\nb\tc\u{7f}\u{0}", "é'#", "${X}", "😀", nasty] {
            let toml = format!("{} = {}", bare_or_quoted(text), basic(text));
            let read: Value = Toml::from_str(&toml).unwrap_or_else(|e| panic!("{toml}: {e}"));
            assert_eq!(read, serde_json::json!({ text: text }), "{toml}");
            assert!(toml.chars().all(is_visible), "{toml:?}");
        }
    }

    #[test]
    fn long_texts_are_wrapped_between_words() {
        assert_eq!(wrapped("a bb ccc dddd", 6), ["a bb", "ccc", "dddd"]);
        assert_eq!(wrapped("aaaaaaaa b", 4), ["aaaaaaaa", "b"]);
    }
}
