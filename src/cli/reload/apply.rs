//! Applies one reading of the configuration.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use arc_swap::ArcSwap;

use super::{Cause, Read, Stamps, read};
use crate::{
    app::App,
    audit::Fact,
    cli::{
        Result,
        log::{self, LogFilter},
    },
    config::{Config, Effect, Environment, Flags, Written},
    crypto::secret::Salt,
    engine::{
        Engine,
        opening::StateFiles,
        reconfigure::{Reconfigured, Wanted},
        waiting_keys::WaitingKey,
    },
    tls::Identity,
    web::Settings,
    webhook::Runner,
};

/// The parts of a running server that a reload changes.
pub struct Live {
    pub engine: Arc<Engine>,
    pub settings: Arc<ArcSwap<Settings>>,
    pub identity: Option<Arc<Identity>>,
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
pub struct Start {
    pub flags: Flags,
    pub environment: Environment,
    /// One per start, used for apps of a reload as well.
    pub salt: Salt,
    pub written: Written,
    pub files: Stamps,
}

/// The sources of the configuration, and the content in force.
pub struct Reload {
    flags: Flags,
    environment: Environment,
    salt: Salt,
    in_force: Written,
    /// File stamps of the last reading, applied or refused.
    files: Stamps,
    live: Live,
}

type Changes = BTreeMap<Vec<String>, Effect>;

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

impl Reload {
    pub fn new(start: Start, live: Live) -> Self {
        let Start { flags, environment, salt, written, files } = start;
        Self { flags, environment, salt, in_force: written, files, live }
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.live.engine
    }

    pub fn watches(&self) -> bool {
        self.live.watch
    }

    pub fn files(&self) -> &Stamps {
        &self.files
    }

    pub fn apply(&mut self, cause: Cause) {
        let engine = self.live.engine.clone();
        if engine.hub.is_draining() {
            return tracing::info!(
                "the configuration is not read again: the server is shutting down"
            );
        }
        match self.load().and_then(|read| self.take(read)) {
            Ok((changes, waiting)) => {
                engine.reloads.note_taken();
                let named = Named::of(changes, &waiting);
                waiting.iter().for_each(WaitingKey::warn);
                named.tell(cause);
                let Named { taken, later, waits } = named;
                engine.audit.note(Fact::ConfigReloaded { by: cause.name(), taken, later, waits });
            }
            Err(error) => {
                engine.reloads.refused.add();
                engine.audit.note(Fact::ConfigRefused { by: cause.name() });
                tracing::error!(
                    config.by = cause.name(),
                    %error,
                    "the configuration was read again and is refused; everything stays as it is"
                );
            }
        }
    }

    fn load(&mut self) -> Result<Read> {
        let Self { flags, environment, salt, files, live, .. } = self;
        read(flags, environment, Some(&live.state_dir), *salt, files)
    }

    /// Returns the changed settings, and the keys among them that are not in force yet.
    fn take(&mut self, read: Read) -> Result<(Changes, Vec<WaitingKey>)> {
        let Read { config, written } = read;
        let filter = log::filter(&config.log)?;
        let Config {
            apps,
            settings,
            tls,
            turns_per_second,
            mailbox_bytes,
            cache_bytes,
            watch,
            warnings,
            ..
        } = config;
        let mut changes = self.in_force.differing(&written);
        self.put_off(&mut changes, &apps, tls.is_some());
        let live = &mut self.live;
        if apps.iter().any(|app| !app.webhooks.is_empty()) {
            live.webhooks.start()?;
        }
        let files =
            StateFiles { dir: &live.state_dir, claimed: live.claimed, volatile: live.volatile };
        let wanted = apps.into_iter().map(|app| wanted(app, &changes)).collect();
        let Reconfigured { undelivered, waiting } =
            live.engine.reconfigure(wanted, files, || {
                live.log.change(filter);
                let path_prefix = live.settings.load().path_prefix.clone();
                live.settings.store(Arc::new(Settings { path_prefix, ..settings }));
                if let (Some(shown), Some(next)) = (&live.identity, tls) {
                    shown.become_like(&next);
                }
                live.engine.hub.turns.change(turns_per_second);
                live.engine.hub.set_mailbox_bytes(mailbox_bytes);
                live.engine.hub.cache.set_limit(cache_bytes);
            })?;
        undelivered.into_iter().for_each(|webhooks| live.webhooks.take_up(webhooks));
        live.watch = watch;
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let later = changes.iter().filter(|(_, effect)| **effect == Effect::AtNextStart);
        let later: BTreeSet<_> = later.map(|(path, _)| path.clone()).collect();
        self.in_force.take(written, &later);
        Ok((changes, waiting))
    }

    /// Marks changes as waiting for the next start if the running server cannot make them, although
    /// others of their kind take effect at once.
    fn put_off(&self, changes: &mut Changes, apps: &[App], tls: bool) {
        let engine = &self.live.engine;
        let changes_mode = |id: &str| {
            let tenants = engine.tenants();
            let before = tenants.by_id(id).map(|tenant| tenant.keys().is_some());
            let after =
                apps.iter().find(|app| *app.id == *id).map(|app| app.sealing.keys().is_some());
            before.is_some_and(|before| after.is_some_and(|after| before != after))
        };
        let changes_tls = tls != self.live.identity.is_some();
        for (path, effect) in changes {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            match *path {
                ["apps", id, "master_key" | "master_key_file"] if changes_mode(id) => {
                    *effect = Effect::AtNextStart;
                }
                ["tls_cert_file" | "tls_key_file"] if changes_tls => *effect = Effect::AtNextStart,
                _ => {}
            }
        }
    }
}

fn wanted(app: App, changes: &Changes) -> Wanted {
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
    Wanted { app, same_authorizer, same_webhooks }
}

/// Names of changed settings, by the time when they take effect.
struct Named {
    taken: Vec<String>,
    /// At the next start.
    later: Vec<String>,
    /// At the end of a rotation.
    waits: Vec<String>,
}

impl Named {
    fn of(changes: Changes, waiting: &[WaitingKey]) -> Self {
        let waits = |path: &[String]| match path {
            [apps, id, name] => {
                let is_key = matches!(name.as_str(), "master_key" | "master_key_file");
                apps == "apps" && is_key && waiting.iter().any(|key| *key.app == **id)
            }
            _ => false,
        };
        let mut named = Self { taken: Vec::new(), later: Vec::new(), waits: Vec::new() };
        for (path, effect) in changes.into_iter().filter(|(path, _)| !waits(path)) {
            let name = path.join(".");
            match effect {
                Effect::Now => named.taken.push(name),
                Effect::AtNextStart => named.later.push(name),
            }
        }
        named.waits = waiting.iter().map(|key| format!("apps.{}.master_key", key.app)).collect();
        named
    }

    fn tell(&self, cause: Cause) {
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
