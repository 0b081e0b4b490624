//! Opens an app: reads the state it left behind, which may be unusable.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::cluster::ClusterLetters;
use super::{AppRuntime, Engine};
use crate::{
    app::App,
    auth::revoked,
    crypto::{
        key::MasterKey,
        keytable::{KeyError, KeyTable},
        secret::Derivation,
    },
    engine::keys::keyfile::{KeyFile, KeyFileError},
    observe::webhook::{DeadLetters, LetterStore, Webhooks},
    platform::{
        clock::unix_now,
        state_dir::{self, Staged},
    },
};

/// Location of the state that outlives the server.
#[derive(Clone, Copy)]
pub struct StateFiles<'a> {
    pub dir: &'a Path,
    /// True if the directory belongs to this server. Otherwise nothing is written, and only keys
    /// are read.
    pub claimed: bool,
    /// Type of the file system, if it does not survive the container or machine.
    pub volatile: Option<&'static str>,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenAppError {
    #[error(transparent)]
    RevokedTokens(#[from] revoked::RevokedTokensFileError),
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    #[error("the master key in the configuration of app {app}: {reason}")]
    MasterKey { app: Arc<str>, reason: KeyError },
    #[error(
        "the configuration of app {app} names another master key, and that cannot be written to the state directory: {reason}"
    )]
    NotWritten { app: Arc<str>, reason: io::Error },
    #[error(
        "the dead-letter file {} cannot be used: {reason}. If it cannot be mended, move it out of the state directory, and the server begins a new one",
        file.display()
    )]
    DeadLetters { file: PathBuf, reason: io::Error },
}

/// An app ready to be served.
#[must_use]
pub struct PreparedApp {
    runtime: AppRuntime,
    keys: Option<Staged>,
}

impl PreparedApp {
    /// Persists the key named by the configuration.
    pub fn commit(self) -> Result<Arc<AppRuntime>, OpenAppError> {
        let Self { runtime, keys } = self;
        let written = keys.map_or(Ok(()), Staged::publish);
        written.map_err(|reason| OpenAppError::NotWritten { app: runtime.id.clone(), reason })?;
        Ok(Arc::new(runtime))
    }
}

pub fn open(
    mut app: App,
    files: StateFiles<'_>,
    engine: &Engine,
) -> Result<PreparedApp, OpenAppError> {
    app.access.revoked.load()?;
    app.access.revoked.newest().into_iter().for_each(|at| engine.clock.advance_to(at));
    let key_file = KeyFile::of_app(files.dir, &app.id);
    let is_alone = engine.cluster.node().is_none();
    let LoadedKeys { staged: keys, waiting } = load_keys(&app, &key_file, is_alone)?;
    let ring = app.sealing.keys();
    let newest = ring.and_then(|ring| ring.table().revocations().iter().map(|r| r.at).max());
    newest.into_iter().for_each(|at| engine.clock.advance_to(at));
    warn_volatile_state(&app, files);
    // Nodes share their salt, and have kept the epochs of the app.
    if is_alone {
        begin_epochs(&app, engine);
    }
    let webhooks = open_webhooks(&mut app, files, engine)?;
    let runtime = AppRuntime::new(app, key_file, engine.hub.clone())
        .with_journal(engine.history.journal.clone());
    runtime.set_webhooks(webhooks);
    runtime.set_waiting_key(waiting);
    Ok(PreparedApp { runtime, keys })
}

/// Checks what `open` would refuse, without changing anything.
pub fn check(app: &App, dir: &Path) -> Result<(), OpenAppError> {
    app.access.revoked.check()?;
    if let Some(ring) = app.sealing.keys()
        && let Some(kept) = KeyFile::of_app(dir, &app.id).look()?
    {
        reconciled(app, &ring.table(), &kept)?;
    }
    if !app.webhooks.is_empty() {
        let file = DeadLetters::path_of(dir, &app.id);
        let looked_at = state_dir::look_at(&file);
        looked_at.map_err(|reason| OpenAppError::DeadLetters { file, reason })?;
    }
    Ok(())
}

/// `None` if the configuration names the key that it named before.
fn reconciled(
    app: &App,
    configured: &KeyTable,
    kept: &KeyTable,
) -> Result<Option<KeyTable>, OpenAppError> {
    let configured = configured.active().master.clone().expect("an active key has its bytes");
    kept.reconciled(&configured, unix_now(), app.rotation.grace_seconds)
        .map_err(|reason| OpenAppError::MasterKey { app: app.id.clone(), reason })
}

/// The keys of an app as they were kept.
#[derive(Default)]
struct LoadedKeys {
    staged: Option<Staged>,
    /// The key of the configuration, if all nodes of a cluster have to take it first.
    waiting: Option<Arc<MasterKey>>,
}

/// Loads the persisted keys and reconciles them with the configuration.
fn load_keys(app: &App, key_file: &KeyFile, is_alone: bool) -> Result<LoadedKeys, OpenAppError> {
    let Some(ring) = app.sealing.keys() else { return Ok(LoadedKeys::default()) };
    let Some(kept) = key_file.load()? else { return Ok(LoadedKeys::default()) };
    let configured = ring.table();
    let changed = match reconciled(app, &configured, &kept) {
        Ok(None) => {
            ring.install(kept);
            return Ok(LoadedKeys::default());
        }
        // All nodes have to take it, after the one that they are about to take.
        Ok(Some(_)) | Err(OpenAppError::MasterKey { reason: KeyError::Pending(_), .. })
            if !is_alone && kept.is_shared() =>
        {
            ring.install(kept);
            return Ok(LoadedKeys { staged: None, waiting: configured.active().master.clone() });
        }
        Ok(Some(changed)) => changed,
        Err(refused) => return Err(refused),
    };
    let staged = key_file.stage(&changed);
    let staged =
        staged.map_err(|reason| OpenAppError::NotWritten { app: app.id.clone(), reason })?;
    ring.install(changed);
    Ok(LoadedKeys { staged: Some(staged), waiting: None })
}

/// With `hkdf`, revocations are only as durable as the state directory.
fn warn_volatile_state(app: &App, files: StateFiles<'_>) {
    if !app.sealing.keys().is_some_and(|ring| ring.derivation() == Derivation::Hkdf) {
        return;
    }
    if !files.claimed {
        tracing::warn!(
            app.id = &*app.id,
            "derivation hkdf without a state directory: a restart forgets who was taken off a channel"
        );
    } else if let Some(kind) = files.volatile {
        tracing::warn!(
            app.id = &*app.id,
            state.file = %files.dir.display(),
            state.filesystem = kind,
            "derivation hkdf, and the state directory is on a file system that goes with the container or the machine: mount a volume there, or who was taken off a channel is forgotten"
        );
    }
}

/// An app that was served before under the salt of this start must not reuse its epochs, even if
/// its key file was lost or restored since.
fn begin_epochs(app: &App, engine: &Engine) {
    let first = engine.runtimes().iter().next().is_none();
    let ring = app.sealing.keys().filter(|ring| ring.derivation() == Derivation::Hkdf);
    if let Some(ring) = ring.filter(|_| !first) {
        let table = KeyTable::clone(&ring.table());
        ring.install(table.raised_to(unix_now()));
    }
}

/// Opens the app's webhooks, if it has any.
pub(super) fn open_webhooks(
    app: &mut App,
    files: StateFiles<'_>,
    engine: &Engine,
) -> Result<Option<Arc<Webhooks>>, OpenAppError> {
    let endpoints = std::mem::take(&mut app.webhooks);
    if endpoints.is_empty() {
        return Ok(None);
    }
    let file = DeadLetters::path_of(files.dir, &app.id);
    let failed = |reason| OpenAppError::DeadLetters { file: file.clone(), reason };
    let letters: Arc<dyn LetterStore> = match engine.cluster.node() {
        Some(node) => Arc::new(ClusterLetters::new(node.letters(&app.id))),
        None => Arc::new(DeadLetters::open(files.claimed.then(|| file.clone())).map_err(failed)?),
    };
    if !files.claimed && !letters.is_shared() {
        tracing::warn!(
            app.id = &*app.id,
            "without a state directory, webhooks that cannot be delivered are lost"
        );
    }
    let opened = Webhooks::of_app(&app.id, app.signer(), endpoints, letters, engine.live.clone());
    opened.map_err(failed)
}
