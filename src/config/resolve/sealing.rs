//! The keys of an app, and the settings of its rotation.

use std::{collections::HashMap, path::Path};

use secrecy::ExposeSecret;

use super::{
    checks::{ConfigResult, SettingError, at_least, error, seconds},
    secrets::{Stray, secret, stray_hint, warn_of_stray},
};
use crate::{
    app::App,
    config::raw::{
        app::{RawApp, RawDerivation},
        mode::RawMode,
    },
    crypto::{
        key::{Fingerprint, KeyFormat, MasterKey},
        keyring::KeyRing,
        keytable::KeyTable,
        sealer::Sealing,
        secret::{Derivation, Salt},
    },
    domain::limits::Rotation,
    platform::{
        clock::unix_now,
        state_dir::{self, Staged},
    },
    protocol::dialect::is_reserved,
};

pub fn rotation(at: &impl Fn(&str) -> String, raw: &Rotation) -> ConfigResult<Rotation> {
    let at = |name: &str| at(&format!("rotation.{name}"));
    seconds(&at("grace_seconds"), raw.grace_seconds)?;
    at_least(&at("turns_per_second"), raw.turns_per_second as usize, 1)?;
    if raw.hold_ms == 0 || raw.hold_ms > 60_000 || raw.settle_ms >= raw.hold_ms {
        return error(
            at("hold_ms"),
            format!("{} must be 1 to 60000, and more than {}", at("hold_ms"), at("settle_ms")),
        );
    }
    let name = &raw.nudge_event;
    let reserved = is_reserved(name) && *name != Rotation::default().nudge_event;
    if name.is_empty() || name.len() > 200 || reserved {
        return error(
            at("nudge_event"),
            format!(
                "{} must be 1 to 200 bytes and must not begin with pusher:, jetsocket: or sealcast:, which belong to the protocol",
                at("nudge_event")
            ),
        );
    }
    Ok(raw.clone())
}

pub fn sealing(
    id: &str,
    raw: &RawApp,
    dev_key: Option<DevKey<'_>>,
    salt: Salt,
    warnings: &mut Vec<String>,
) -> ConfigResult<Sealing> {
    let name = format!("apps.{id}.master_key");
    let given = secret(&name, &raw.master_key, &raw.master_key_file)?;
    if raw.mode == Some(RawMode::Blind) {
        if given.is_some() {
            return error(
                name.clone(),
                format!(
                    "{name} is given, but mode is \"blind\", in which the server holds no key: remove one of them"
                ),
            );
        }
        return Ok(Sealing::Blind);
    }
    let derivation = match raw.derivation {
        RawDerivation::Pusher => Derivation::Pusher,
        RawDerivation::Dotnet => Derivation::Dotnet,
        RawDerivation::Hkdf => Derivation::Hkdf,
    };
    let key = match (given, dev_key) {
        (Some(text), _) => parse_key(&name, text.expose_secret(), warnings)?,
        (None, Some(dev_key)) => load_or_create_dev_key(dev_key, warnings)?,
        (None, None) if raw.mode == Some(RawMode::Auto) => {
            return error(
                name.clone(),
                format!(
                    "{name} is missing, and mode \"auto\" needs it (`sealcast keys generate` makes one)"
                ),
            );
        }
        (None, None) => {
            if raw.mode.is_none() {
                warnings.push(format!("{name} is not set: encrypted channels are relayed blindly (mode = \"blind\" confirms it)"));
            }
            return Ok(Sealing::Blind);
        }
    };
    let ring = KeyRing::new(id, KeyTable::new(key, unix_now()), derivation, salt, raw.padding);
    Ok(Sealing::Auto(ring.into()))
}

/// A key in one of the forms of master keys.
pub fn parse_key(name: &str, text: &str, warnings: &mut Vec<String>) -> ConfigResult<MasterKey> {
    let (key, format) = MasterKey::parse(text)
        .map_err(|e| SettingError::new(name, format!("{name}: {e}{}", stray_hint(text))))?;
    match Stray::of(text) {
        Some(stray) if stray.is_trimmed() => {
            warnings.push(format!("{name} {stray}, which is left out"));
        }
        _ => warn_of_stray(name, text, warnings),
    }
    if format == KeyFormat::Raw {
        warnings.push(format!("{name} is 32 printable characters, taken as they are; a random key is stronger (`sealcast keys generate`)"));
    }
    Ok(key)
}

/// Refuses a key for another purpose that is the master key of an app.
pub fn refuse_master_key(
    name: &str,
    id: &Fingerprint,
    apps: &[App],
    advice: &str,
) -> ConfigResult<()> {
    let has_it = |app: &&App| {
        let keys = app.sealing.keys();
        keys.is_some_and(|ring| ring.table().by_id(id.as_str()).is_some())
    };
    match apps.iter().find(has_it) {
        None => Ok(()),
        Some(app) => error(
            name,
            format!(
                "{name} is the master key of app {} (fingerprint {id}): {advice} (`sealcast keys generate` makes one)",
                app.id
            ),
        ),
    }
}

/// The access of a command to the state directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StateUse {
    /// A server keeps there what its next start needs.
    Keep,
    /// Other commands leave nothing behind.
    LookOnly,
}

/// Where `--dev` keeps its key.
#[derive(Clone, Copy)]
pub struct DevKey<'a> {
    pub dir: &'a Path,
    pub files: StateUse,
}

/// The development key, made at the first start and kept for the next.
fn load_or_create_dev_key(
    DevKey { dir, files }: DevKey<'_>,
    warnings: &mut Vec<String>,
) -> ConfigResult<MasterKey> {
    let path = dir.join(state_dir::DEV_KEY);
    let failed = |what: &str, e: &dyn std::fmt::Display| {
        SettingError::new("state_dir", format!("cannot {what} {}: {e}", path.display()))
    };
    let mut kept = || -> ConfigResult<Option<MasterKey>> {
        let text = match files {
            StateUse::Keep => {
                state_dir::read_reporting(&path, |closed| warnings.push(closed.to_string()))
            }
            StateUse::LookOnly => state_dir::look(&path),
        };
        let Some(text) = text.map_err(|e| failed("use", &e))? else { return Ok(None) };
        let text = std::str::from_utf8(&text).map_err(|e| failed("use", &e))?;
        MasterKey::parse(text).map(|(key, _)| Some(key)).map_err(|e| failed("use", &e))
    };
    if let Some(key) = kept()? {
        return Ok(key);
    }
    let key = MasterKey::generate().map_err(|e| failed("make", &e))?;
    if files == StateUse::LookOnly {
        return Ok(key);
    }
    let is_new = !dir.exists();
    state_dir::make(dir).map_err(|e| failed("make a directory for", &e))?;
    if is_new {
        keep_out_of_git(dir);
    }
    let made = state_dir::stage(&path, key.to_text().as_bytes())
        .and_then(Staged::publish_first)
        .map_err(|e| failed("write", &e))?;
    // Another process may have been faster: its key counts.
    if made { Ok(key) } else { kept()?.ok_or_else(|| failed("use", &"it has just been removed")) }
}

/// A project's `git add .` would take the key along. For a directory that is new: one that is there
/// already is not ours to exclude, since the whole project may be in it.
fn keep_out_of_git(dir: &Path) {
    // The key is worth more than this file: where neither can be written, the key says so.
    let _ = state_dir::write_new(&dir.join(".gitignore"), b"*\n");
}

/// Two apps with one master key could read each other's channels, which is hardly ever meant.
pub fn refuse_shared_key(
    seen: &mut HashMap<Fingerprint, (String, bool)>,
    app: &App,
) -> ConfigResult<()> {
    let allowed = app.shares_master_key;
    let Some(ring) = app.sealing.keys() else { return Ok(()) };
    let id = ring.table().active().id.clone();
    match seen.insert(id.clone(), (app.id.to_string(), allowed)) {
        Some((other, other_allowed)) if !(allowed && other_allowed) => error(
            format!("apps.{}.master_key", app.id),
            format!(
                "the apps {other} and {} have the same master key (fingerprint {id}): give each its own, or set allow_shared_master_key = true in both",
                app.id
            ),
        ),
        _ => Ok(()),
    }
}
