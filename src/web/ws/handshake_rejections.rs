//! Refused handshakes caused by a wrong configuration, logged with the setting that would admit
//! them.
//!
//! At `info`, since operators look for it when nothing connects; and bounded, since strangers can
//! cause it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use percent_encoding::percent_decode_str;

use super::socket_path;
use crate::{
    app::App,
    crypto::{
        encoding::{from_any_base64, from_hex},
        signature::AppSecret,
    },
    domain::origins::advice,
    engine::Engine,
    protocol::code::Close,
};

/// Lines per minute and reason.
const LINES_PER_MINUTE: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct HandshakeRejections {
    origins: Mutex<LineBudget>,
    paths: Mutex<LineBudget>,
    keys: Mutex<LineBudget>,
}

/// The relevant parts of the request.
pub struct RejectedHandshake<'a> {
    /// Without the query.
    pub path: &'a str,
    pub origin: Option<&'a str>,
    pub host: Option<&'a str>,
    /// The app of the key in the request.
    pub app: Option<&'a App>,
    /// The prefix of every path.
    pub path_prefix: &'a str,
}

impl HandshakeRejections {
    pub fn note(&self, reason: &Close, handshake: &RejectedHandshake<'_>, engine: &Engine) {
        let (lines, fix): (_, &dyn Fn() -> String) = match reason {
            Close::OriginRefused { .. } => (&self.origins, &|| {
                handshake.app.map(|app| handshake.origin_advice(app)).unwrap_or_default()
            }),
            Close::PathNotFound { .. } => (&self.paths, &|| {
                let may_show = |before: &str, key: &str| {
                    engine.runtimes().by_key(key).is_some() && !has_secret(before, engine)
                };
                socket_path::path_hint(handshake.path, handshake.path_prefix, may_show)
            }),
            Close::UnknownApp { key } => (&self.keys, &|| key_advice(key, engine)),
            _ => return,
        };
        let Some(left_out) = lines.lock().take(Instant::now()) else { return };
        if left_out > 0 {
            tracing::warn!(refusals = left_out, "refused connections were left out of the log");
        }
        tracing::info!(
            close.code = reason.code(),
            close.reason = reason.reason(),
            app.id = handshake.app.map(|app| &*app.id),
            fix = fix(),
            "connection refused"
        );
    }
}

impl RejectedHandshake<'_> {
    /// The server's own address is only suggested, never admitted: a stranger's page can have a
    /// name that leads to this server, and then sends it as both `Origin` and `Host`.
    pub fn origin_advice(&self, app: &App) -> String {
        let origin = self.origin.unwrap_or_default();
        let own = origin.split_once("://").is_some_and(|(_, place)| Some(place) == self.host);
        let advised = advice(origin, &app.id);
        if own && advised.starts_with("if it is yours") {
            return format!(
                "if {origin:?} is this server's own address, as React Native on Android sends it, set public_url = {origin:?} and add \"self\" to origins in [apps.{}]",
                app.id
            );
        }
        advised
    }
}

const SHOWN_BYTES: usize = 100;

/// The text in the place of a key may be a secret: it is shown only if it does not look like one.
fn key_advice(key: &str, engine: &Engine) -> String {
    let runtimes = engine.runtimes();
    let apps = || runtimes.iter().map(|runtime| runtime.app());
    if let Some(app) = apps().find(|app| is_secret_of(key, &app.secret)) {
        return format!(
            "the client names the secret of app {} where its key belongs: every user of the client has the secret now, so replace it",
            app.id
        );
    }
    if key.len() > SHOWN_BYTES || looks_secret(key) {
        return "the client names a key that no app has".into();
    }
    let near = apps().find(|app| strsim::osa_distance(&app.key, key) * 3 <= key.chars().count());
    match near {
        Some(app) => {
            format!("no app has the key {key:?}: did you mean {:?}, of app {}?", app.key, app.id)
        }
        None => format!(
            "no app has the key {key:?}: add [apps.ID] with key = {key:?}, or correct the client"
        ),
    }
}

/// True if a segment of this path may be a secret.
fn has_secret(path: &str, engine: &Engine) -> bool {
    let runtimes = engine.runtimes();
    let is_secret = |part: &str| {
        looks_secret(part)
            || runtimes.iter().any(|runtime| is_secret_of(part, &runtime.app().secret))
    };
    let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    path.split('/').filter(|part| !part.is_empty()).any(|part| is_secret(&decoded(part)))
}

fn is_secret_of(text: &str, secret: &AppSecret) -> bool {
    const PROBE: &[&[u8]] = &[b"a secret in the place of a key"];
    secret.verify(PROBE, &AppSecret::new(text.as_bytes()).sign(PROBE))
}

/// True for text as long as a master key.
fn looks_secret(text: &str) -> bool {
    const BYTES: usize = 32;
    from_hex::<BYTES>(text).is_some() || from_any_base64(text).is_some_and(|b| b.len() == BYTES)
}

/// The lines written in the current minute.
#[derive(Default)]
struct LineBudget {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl LineBudget {
    /// Takes one line from the budget, and returns the number of lines left out since the last one;
    /// `None` if the budget is spent.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.duration_since(began) >= MINUTE) {
            (self.began, self.lines) = (Some(now), 0);
        }
        if self.lines == LINES_PER_MINUTE {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_limited_per_minute_and_counted() {
        let (mut minute, start) = (LineBudget::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let written = (0..60).filter(|n| minute.take(at(*n)).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(minute.take(at(60)), Some(50));
        assert_eq!(minute.take(at(61)), Some(0));
    }

    #[test]
    fn texts_like_secrets_are_recognised() {
        let secret = AppSecret::new(b"app-secret");
        assert!(is_secret_of("app-secret", &secret) && !is_secret_of("app-key", &secret));
        assert!(looks_secret(&"ab".repeat(32)) && !looks_secret("278d425bdf160c739803"));
        assert!(looks_secret("vwTqW/UBENYBOySubUo8fldlMFvCzOY8BFO5xAgnOus="));
    }
}
