//! Applies one reading of the configuration.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use arc_swap::ArcSwap;

use super::{FileStamps, LoadedConfig, ReloadCause, read};
use crate::{
    app::App,
    cli::{
        ServerResult, cluster,
        history::stores,
        log::{self, LogFilter},
    },
    config::{Config, ConfigHashes, Environment, Flags, TakesEffect},
    crypto::secret::Salt,
    engine::{
        Engine,
        app_update::AppUpdate,
        facts::Fact,
        keys::waiting_keys::WaitingKey,
        opening::StateFiles,
        process_control::{AppliedReload, ReloadError},
        reconfigure::Reconfigured,
    },
    observe::{audit::AuditFact, webhook::Runner},
    web::{Console, ReloadableSettings, TlsIdentity},
};

/// The parts of a running server that a reload changes.
pub struct RunningServer {
    pub engine: Arc<Engine>,
    pub settings: Arc<ArcSwap<ReloadableSettings>>,
    pub console: Arc<Console>,
    pub identity: Option<Arc<TlsIdentity>>,
    pub webhooks: Arc<Runner>,
    pub log: LogFilter,
    pub state_dir: PathBuf,
    /// True if this server holds the lock of the state directory.
    pub claimed: bool,
    /// The file system of the state directory, if it is volatile.
    pub volatile: Option<&'static str>,
    pub watch: bool,
}

/// The sources of the configuration, and its content at the start.
pub struct StartupConfig {
    pub flags: Flags,
    pub environment: Environment,
    /// One per start, used for apps of a reload as well.
    pub salt: Salt,
    pub hashes: ConfigHashes,
    pub files: FileStamps,
}

/// The sources of the configuration, and the content in force.
pub struct Reloader {
    flags: Flags,
    environment: Environment,
    salt: Salt,
    in_force: ConfigHashes,
    /// File stamps of the last reading, applied or refused.
    files: FileStamps,
    server: RunningServer,
}

type Changes = BTreeMap<Vec<String>, TakesEffect>;

/// An app's settings that make up its authorizer.
const AUTHORIZER: [&str; 8] = [
    "authorizer",
    "forward",
    "jwt",
    "jwt_secret",
    "jwt_secret_file",
    "rules",
    "secret",
    "secret_file",
];

impl Reloader {
    pub fn new(start: StartupConfig, server: RunningServer) -> Self {
        let StartupConfig { flags, environment, salt, hashes, files } = start;
        Self { flags, environment, salt, in_force: hashes, files, server }
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.server.engine
    }

    pub fn watches(&self) -> bool {
        self.server.watch
    }

    pub fn files(&self) -> &FileStamps {
        &self.files
    }

    pub fn apply(&mut self, cause: ReloadCause) -> Result<AppliedReload, ReloadError> {
        let engine = self.server.engine.clone();
        if engine.hub.is_draining() {
            tracing::info!("the configuration is not read again: the server is shutting down");
            return Err(ReloadError::ShuttingDown);
        }
        match self.load().and_then(|read| self.take(read)) {
            Ok((changes, waiting)) => {
                let report = ReloadReport::of(changes, &waiting);
                waiting.iter().for_each(WaitingKey::warn);
                report.log(cause);
                let applied = report.applied();
                let ReloadReport { taken, later, waits } = report;
                engine.reloads.note_taken(&later);
                engine.note(Fact::Audited(AuditFact::ConfigReloaded {
                    by: cause.name(),
                    taken,
                    later,
                    waits,
                }));
                Ok(applied)
            }
            Err(error) => {
                engine.reloads.note_refused(error.to_string());
                engine.note(Fact::Audited(AuditFact::ConfigRefused { by: cause.name() }));
                tracing::error!(
                    config.by = cause.name(),
                    %error,
                    "the configuration was read again and is refused; everything stays as it is"
                );
                Err(ReloadError::Refused(error.to_string()))
            }
        }
    }

    fn load(&mut self) -> ServerResult<LoadedConfig> {
        let Self { flags, environment, salt, files, server, .. } = self;
        read(flags, environment, Some(&server.state_dir), *salt, files)
    }

    /// Returns the changed settings, and the keys among them that are not in force yet.
    fn take(&mut self, read: LoadedConfig) -> ServerResult<(Changes, Vec<WaitingKey>)> {
        let LoadedConfig { config, hashes } = read;
        let filter = log::filter(&config.log)?;
        let Config {
            apps,
            settings,
            tls,
            turns_per_second,
            mailbox_bytes,
            cache_bytes,
            history: history_settings,
            watch,
            warnings,
            ..
        } = config;
        let mut changes = self.in_force.changes(&hashes);
        self.defer(&mut changes, &apps, tls.is_some());
        let server = &mut self.server;
        // A node stays one until its next start, even if [cluster] is gone.
        let is_node = server.engine.cluster.node().is_some();
        cluster::refuse_other_logs(&apps, is_node)?;
        if stores::needs_disk(&apps) && !server.engine.history.journal.is_on_disk() {
            return Err("a channel now has a history with store = \"disk\", which the running server has not opened: restart the server, or use store = \"memory\"".into());
        }
        if apps.iter().any(|app| !app.webhooks.is_empty()) {
            server.webhooks.start()?;
        }
        let files = StateFiles {
            dir: &server.state_dir,
            claimed: server.claimed,
            volatile: server.volatile,
        };
        let wanted = apps.into_iter().map(|app| app_change(app, &changes)).collect();
        let Reconfigured { undelivered, waiting } =
            server.engine.reconfigure(wanted, files, || {
                server.log.change(filter);
                let after = Arc::new(settings.reloadable);
                let before = server.settings.swap(after.clone());
                server.console.settings_changed(&server.engine, &before, &after);
                if let (Some(shown), Some(next)) = (&server.identity, tls) {
                    shown.replace_with(&next);
                }
                server.engine.hub.turns.change(turns_per_second);
                server.engine.hub.set_mailbox_bytes(mailbox_bytes);
                server.engine.hub.cache.set_limit(cache_bytes);
                server.engine.hub.history.set_limit(history_settings.bytes);
            })?;
        undelivered.into_iter().for_each(|webhooks| server.webhooks.adopt(webhooks));
        server.watch = watch;
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let later = changes.iter().filter(|(_, effect)| effect.waits_for_restart());
        let later: BTreeSet<_> = later.map(|(path, _)| path.clone()).collect();
        self.in_force.take(hashes, &later);
        Ok((changes, waiting))
    }

    /// Marks changes as waiting for the next start if the running server cannot make them, although
    /// others of their kind take effect at once.
    fn defer(&self, changes: &mut Changes, apps: &[App], tls: bool) {
        let engine = &self.server.engine;
        let changes_mode = |id: &str| {
            let runtimes = engine.runtimes();
            let before = runtimes.by_id(id).map(|runtime| runtime.keys().is_some());
            let after =
                apps.iter().find(|app| *app.id == *id).map(|app| app.sealing.keys().is_some());
            before.is_some_and(|before| after.is_some_and(|after| before != after))
        };
        let changes_tls = tls != self.server.identity.is_some();
        for (path, effect) in changes {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            match *path {
                ["apps", id, "master_key" | "master_key_file"] if changes_mode(id) => {
                    *effect = TakesEffect::AfterRestart;
                }
                ["tls_cert_file" | "tls_key_file"] if changes_tls => {
                    *effect = TakesEffect::AfterRestart
                }
                _ => {}
            }
        }
    }
}

fn app_change(app: App, changes: &Changes) -> AppUpdate {
    let same = |concerns: &dyn Fn(&str) -> bool| {
        !changes.keys().any(|path| match &**path {
            [apps, id, rest @ ..] => {
                // An app that is enabled again has no earlier state.
                let concerns = rest.first().is_none_or(|name| concerns(name));
                apps == "apps" && **id == *app.id && concerns
            }
            _ => false,
        })
    };
    let same_authorizer = same(&|name| AUTHORIZER.contains(&name));
    let same_webhooks = same(&|name| name == "webhooks");
    AppUpdate { app, same_authorizer, same_webhooks }
}

/// Names of changed settings, by the time when they take effect.
struct ReloadReport {
    taken: Vec<String>,
    /// At the next start.
    later: Vec<String>,
    /// At the end of a rotation.
    waits: Vec<String>,
}

impl ReloadReport {
    fn of(changes: Changes, waiting: &[WaitingKey]) -> Self {
        let waits = |path: &[String]| match path {
            [apps, id, name] => {
                let is_key = matches!(name.as_str(), "master_key" | "master_key_file");
                apps == "apps" && is_key && waiting.iter().any(|key| *key.app == **id)
            }
            _ => false,
        };
        let mut report = Self { taken: Vec::new(), later: Vec::new(), waits: Vec::new() };
        for (path, effect) in changes.into_iter().filter(|(path, _)| !waits(path)) {
            let name = path.join(".");
            match effect.waits_for_restart() {
                false => report.taken.push(name),
                true => report.later.push(name),
            }
        }
        report.waits = waiting.iter().map(|key| format!("apps.{}.master_key", key.app)).collect();
        report
    }

    fn applied(&self) -> AppliedReload {
        AppliedReload {
            applied: self.taken.clone(),
            waits_for_restart: self.later.clone(),
            waits_for_rotation: self.waits.clone(),
        }
    }

    fn log(&self, cause: ReloadCause) {
        let listed = |names: &[String]| (!names.is_empty()).then(|| names.join(", "));
        let (by, changed) = (cause.name(), listed(&self.taken));
        let (later, waits) = (listed(&self.later), listed(&self.waits));
        let but = match (&later, &waits) {
            (None, None) => "",
            (Some(_), None) => ", but for what waits for the next start",
            (None, Some(_)) => ", but for keys that wait for a rotation to end",
            (Some(_), Some(_)) => {
                ", but for what waits for the next start and keys that wait for a rotation to end"
            }
        };
        if but.is_empty() {
            tracing::info!(
                config.by = by,
                config.changed = changed,
                "the configuration was read again and is in force"
            );
        } else {
            tracing::warn!(
                config.by = by,
                config.changed = changed,
                config.later = later,
                config.waits = waits,
                "the configuration was read again and is in force{but}"
            );
        }
    }
}
