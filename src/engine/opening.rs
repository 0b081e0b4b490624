//! An application that begins to be served: what it left behind is read, and may be good for nothing.

use std::{io, path::Path, sync::Arc};

use super::{Engine, Tenant};
use crate::{
    app::App,
    auth::revoked,
    crypto::keytable::{KeyError, unix_now},
    keyfile::{KeyFile, KeyFileError},
    live::Feed,
    state_dir::Staged,
    webhook::Webhooks,
};

/// Where applications leave what outlives the server.
#[derive(Clone, Copy)]
pub struct StateFiles<'a> {
    pub dir: &'a Path,
    /// Whether it is this server's: without that, nothing is kept but keys are looked for.
    pub claimed: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    #[error(transparent)]
    RevokedTokens(#[from] revoked::Unusable),
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    #[error("the master key that the configuration of app {app} names: {reason}")]
    MasterKey { app: Arc<str>, reason: KeyError },
    #[error(
        "the configuration of app {app} names another master key, and that cannot be written to the state directory: {reason}"
    )]
    NotWritten { app: Arc<str>, reason: io::Error },
    #[error(
        "the dead-letter file of app {app} cannot be used: {reason}. Move it out of the state directory, and the server begins a new one"
    )]
    DeadLetters { app: Arc<str>, reason: io::Error },
}

/// Ready to be served.
#[must_use]
pub struct Opened {
    tenant: Tenant,
    keys: Option<Staged>,
}

impl Opened {
    /// Writes down which key the configuration has named.
    pub fn settle(self) -> Result<Arc<Tenant>, NotOpened> {
        let Self { tenant, keys } = self;
        let written = keys.map_or(Ok(()), Staged::publish);
        written.map_err(|reason| NotOpened::NotWritten { app: tenant.id.clone(), reason })?;
        Ok(Arc::new(tenant))
    }
}

pub fn open(mut app: App, files: StateFiles<'_>, engine: &Engine) -> Result<Opened, NotOpened> {
    app.access.revoked.load()?;
    app.access.revoked.newest().into_iter().for_each(|at| engine.clock.has_been(at));
    let key_file = KeyFile::of_app(files.dir, &app.id);
    let keys = take_up_keys(&app, &key_file)?;
    let ring = app.sealing.keys();
    let newest = ring.and_then(|ring| ring.table().revocations().iter().map(|r| r.at).max());
    newest.into_iter().for_each(|at| engine.clock.has_been(at));
    let webhooks = open_webhooks(&mut app, files, &engine.live)?;
    let tenant = Tenant::new(app, key_file, engine.hub.clone());
    tenant.set_webhooks(webhooks);
    Ok(Opened { tenant, keys })
}

/// The keys as they stood when the server ended, or as the configuration has changed them since.
fn take_up_keys(app: &App, key_file: &KeyFile) -> Result<Option<Staged>, NotOpened> {
    let Some(ring) = app.sealing.keys() else { return Ok(None) };
    let Some(kept) = key_file.load()? else { return Ok(None) };
    let configured = ring.table().active().master.clone().expect("an active key has its bytes");
    let reconciled = kept.reconciled(&configured, unix_now(), app.rotation.grace_seconds);
    let failed = |reason| NotOpened::MasterKey { app: app.id.clone(), reason };
    let Some(changed) = reconciled.map_err(failed)? else {
        ring.install(kept);
        return Ok(None);
    };
    let staged = key_file.stage(&changed);
    let staged = staged.map_err(|reason| NotOpened::NotWritten { app: app.id.clone(), reason })?;
    ring.install(changed);
    Ok(Some(staged))
}

/// The app's webhooks, if it has any.
pub(super) fn open_webhooks(
    app: &mut App,
    files: StateFiles<'_>,
    live: &Arc<Feed>,
) -> Result<Option<Arc<Webhooks>>, NotOpened> {
    let endpoints = std::mem::take(&mut app.webhooks);
    if !files.claimed && !endpoints.is_empty() {
        tracing::warn!(
            app.id = &*app.id,
            "without a state directory, webhooks that cannot be delivered are lost"
        );
    }
    let dir = files.claimed.then_some(files.dir);
    let opened = Webhooks::of_app(&app.id, app.signer(), endpoints, dir, live.clone());
    opened.map_err(|reason| NotOpened::DeadLetters { app: app.id.clone(), reason })
}
