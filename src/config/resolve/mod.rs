//! From the written form to the validated configuration.

mod admin;
mod auth;
mod channels;
pub mod checks;
mod cluster;
mod console;
mod edge;
pub mod history;
mod listen;
pub mod public_url;
pub mod sealing;
mod sealing_alias;
pub mod secrets;
mod webhooks;

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use secrecy::ExposeSecret;

use self::{
    admin::{admin_token, warn_of_unused_token},
    auth::authorizer,
    channels::{ChannelSettingsContext, channel_rules, channel_settings},
    checks::{ConfigResult, at_least, error, seconds, wrong},
    cluster::cluster,
    console::console,
    edge::{api_cors, explains, origins, proxies, refuse_unguarded_cookie},
    history::history,
    listen::{addresses, ops_hosts, proxied},
    public_url::{PublicUrl, public_url},
    sealing::{DevKey, StateUse, refuse_shared_key, rotation, sealing},
    sealing_alias::sealing_alias,
    secrets::{checked_secret, stray_hint, warn_of_stray},
    webhooks::webhooks,
};
use super::{Config, LogConfig};
use crate::{
    app::App,
    auth::{access::AccessTokens, revoked::RevokedTokens},
    config::{
        raw::{LogFormat, RawConfig, app::RawApp},
        source::{DEV_APP, Development},
    },
    crypto::{secret::Salt, signature::AppSecret},
    domain::{
        ids::{MAX_WORKER_COUNT, is_app_id},
        limits::Limits,
    },
    history::position::PositionKey,
    observe::explain::SimilarSecrets,
    platform::address::Address,
    web::{ConfigReport, PairFiles, ReloadableSettings, Settings, StartSettings, TlsIdentity},
};

pub fn resolve(
    raw: RawConfig,
    development: Development,
    files: StateUse,
    salt: Salt,
) -> ConfigResult<Config> {
    let dev = development != Development::Off;
    let (mut warnings, mut notes) = (Vec::new(), Vec::new());
    refuse_open_to_all(&raw, development)?;
    if raw.apps.is_empty() {
        return error(
            "apps",
            "there is no app: add [apps.ID] with key and secret to the configuration, or set SEALCAST_APP_ID, SEALCAST_APP_KEY and SEALCAST_APP_SECRET (or try `sealcast serve --dev`)",
        );
    }
    let state_dir = raw.state_dir.clone();
    let public_url = public_url(&raw)?;
    let mut apps = Vec::with_capacity(raw.apps.len());
    let mut shared_keys = HashMap::new();
    for (id, app) in &raw.apps {
        let dev_key = (dev && id == DEV_APP).then_some(DevKey { dir: &state_dir, files });
        let resolved = resolve_app(
            id,
            app,
            &state_dir,
            AppContext {
                key: dev_key,
                pages: dev,
                public_url: public_url.as_ref(),
                clustered: raw.cluster.is_some(),
            },
            salt,
            &mut warnings,
        )?;
        notes.extend(note_of_id(id));
        refuse_shared_key(&mut shared_keys, &resolved)?;
        apps.push(resolved);
    }
    refuse_shared_app_key(&apps)?;
    warn_of_unused_token(&raw, &mut warnings);
    let history = history(&raw.history, &apps, raw.cluster.is_some(), &mut warnings)?;
    Ok(Config {
        addresses: addresses(&raw, &mut warnings)?,
        tls: tls(&raw)?,
        workers: workers(raw.workers)?,
        mailbox_bytes: at_least("mailbox_bytes", raw.mailbox_bytes, 64 * 1024)?,
        cache_bytes: raw.cache_bytes,
        cluster: cluster(raw.cluster.as_ref(), &apps, &mut warnings)?,
        history,
        turns_per_second: at_least("turns_per_second", raw.turns_per_second as usize, 1)? as u32,
        memory_limit: memory_limit(raw.memory_limit_bytes)?,
        settings: settings(&raw, public_url.as_ref(), &mut warnings)?,
        log: LogConfig { filter: raw.log, json: raw.log_format == LogFormat::Json },
        watch: raw.watch_config,
        state_dir,
        audit_file: raw.audit_file,
        apps,
        warnings,
        notes,
    })
}

/// The secret of `--dev` is public, and its authorizer admits every client.
fn refuse_open_to_all(raw: &RawConfig, development: Development) -> ConfigResult<()> {
    if development != Development::Loopback {
        return Ok(());
    }
    let listeners = [("listen", Some(&raw.listen)), ("api_listen", raw.api_listen.as_ref())];
    for (name, address) in listeners {
        if let Some(address) = address.filter(|address| !address.is_local()) {
            if let Address::Name(host) = address
                && let Err(reason) = host.resolve()
            {
                return error(
                    name,
                    format!("{name} is {address}, and that name has no address: {reason}"),
                );
            }
            return error(
                name,
                format!(
                    "--dev admits every client, and {name} is {address}, which other machines reach as well: listen on 127.0.0.1, or add --dev-public if you want that (in a container: docker run -p 127.0.0.1:6001:6001 sealcast serve --dev --dev-public)"
                ),
            );
        }
    }
    Ok(())
}

/// The other SDKs take any id.
fn note_of_id(id: &str) -> Option<String> {
    let digits = id.bytes().all(|b| b.is_ascii_digit());
    (!digits).then(|| {
        format!(
            "the official SDK for Python takes ids of digits only, and refuses {id:?} (\"Invalid app id\"): choose digits if a backend in Python publishes to this app"
        )
    })
}

fn tls(raw: &RawConfig) -> ConfigResult<Option<Arc<TlsIdentity>>> {
    let files = match (&raw.tls_cert_file, &raw.tls_key_file) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => {
            PairFiles { certificate: certificate.clone(), key: key.clone() }
        }
        (Some(_), None) => {
            return error("tls_cert_file", missing_half("tls_cert_file", "tls_key_file"));
        }
        (None, Some(_)) => {
            return error("tls_key_file", missing_half("tls_key_file", "tls_cert_file"));
        }
    };
    match TlsIdentity::load(files) {
        Ok(identity) => Ok(Some(Arc::new(identity))),
        Err(reason) => error("tls_cert_file", format!("tls_cert_file and tls_key_file: {reason}")),
    }
}

fn missing_half(given: &str, missing: &str) -> String {
    format!("{given} is set, but {missing} is not: set both to speak TLS, or neither")
}

fn workers(given: usize) -> ConfigResult<usize> {
    const MAX: usize = MAX_WORKER_COUNT;
    match given {
        0 => Ok(std::thread::available_parallelism().map_or(1, usize::from).min(MAX)),
        1..=MAX => Ok(given),
        _ => error("workers", format!("workers must be at most {MAX}")),
    }
}

fn settings(
    raw: &RawConfig,
    public_url: Option<&PublicUrl>,
    warnings: &mut Vec<String>,
) -> ConfigResult<Settings> {
    let proxies = proxies(raw)?;
    let prefix = raw.path_prefix.trim_end_matches('/');
    if !prefix.is_empty() && !prefix.starts_with('/') {
        return error("path_prefix", "path_prefix must begin with a slash, such as \"/ws\"");
    }
    if prefix.contains(['{', '}', '?', '#', ' ']) {
        return error("path_prefix", "path_prefix must be a plain path, such as \"/ws\"");
    }
    let start = StartSettings {
        path_prefix: prefix.to_owned(),
        proxied: proxied(raw, &proxies, warnings)?,
        keep_alive: seconds("keep_alive_seconds", raw.keep_alive_seconds)?,
    };
    let reloadable = ReloadableSettings {
        strict_protocol: raw.strict_protocol,
        activity_timeout: seconds("activity_timeout_seconds", raw.activity_timeout_seconds)?,
        pong_timeout: seconds("pong_timeout_seconds", raw.pong_timeout_seconds)?,
        stalled: seconds("stalled_seconds", raw.stalled_seconds)?,
        drain: drain(raw.drain_seconds)?,
        capacity_percent: capacity_percent(raw.capacity_percent)?,
        message_bytes: at_least("message_bytes", raw.message_bytes, 1024)?,
        outbox_bytes: at_least("outbox_bytes", raw.outbox_bytes, 16 * 1024)?,
        http_body_bytes: at_least("http_body_bytes", raw.http_body_bytes, 1024)?,
        proxies,
        body_timeout: seconds("body_timeout_seconds", raw.body_timeout_seconds)?,
        admin_token: admin_token(raw, warnings)?,
        live_feed: raw.live_feed,
        ops_hosts: ops_hosts(&raw.ops_hosts)?,
        console: console(raw, public_url)?,
        // Made of the written form and its sources.
        config_report: ConfigReport::default(),
    };
    Ok(Settings { start, reloadable })
}

fn capacity_percent(percent: u64) -> ConfigResult<u64> {
    match percent {
        1..=100 => Ok(percent),
        _ => error(
            "capacity_percent",
            format!("capacity_percent is {percent}, and must be from 1 to 100"),
        ),
    }
}

/// A limit below the server's own needs would admit no client.
fn memory_limit(bytes: Option<usize>) -> ConfigResult<Option<u64>> {
    const MIN: usize = 16 * 1024 * 1024;
    bytes.map(|bytes| Ok(at_least("memory_limit_bytes", bytes, MIN)? as u64)).transpose()
}

/// Bounded: a supervisor waits for the server to end.
fn drain(seconds: u64) -> ConfigResult<Duration> {
    match seconds {
        0..=3600 => Ok(Duration::from_secs(seconds)),
        _ => error("drain_seconds", "drain_seconds must be at most 3600, which is an hour"),
    }
}

/// Values for an app from outside its section.
#[derive(Clone, Copy)]
struct AppContext<'a> {
    /// The key that `--dev` makes.
    key: Option<DevKey<'a>>,
    /// With `--dev`: pages of this machine may connect, and refusals explain themselves.
    pages: bool,
    /// The meaning of "self" in the app's origins.
    public_url: Option<&'a PublicUrl>,
    /// True for a node of a cluster.
    clustered: bool,
}

fn resolve_app(
    id: &str,
    raw: &RawApp,
    state_dir: &Path,
    context: AppContext<'_>,
    salt: Salt,
    warnings: &mut Vec<String>,
) -> ConfigResult<App> {
    let at = |name: &str| format!("apps.{id}.{name}");
    if !is_app_id(id) {
        return error(
            format!("apps.{id}"),
            format!("the app id {id:?} must be letters, digits, '-', '_' or '.'{}", stray_hint(id)),
        );
    }
    let Some(key) = raw.key.clone().filter(|key| !key.is_empty()) else {
        return wrong(at("key"), "is missing (or SEALCAST_APP_KEY)");
    };
    if key.contains([':', '/', '?', '#', '%']) {
        return wrong(at("key"), "must not contain : / ? # or %");
    }
    warn_of_stray(&at("key"), &key, warnings);
    let given = checked_secret(&at("secret"), &raw.secret, &raw.secret_file, warnings)?;
    let Some(secret) = given else {
        return error(
            at("secret"),
            format!(
                "{0} is missing (or {0}_file, SEALCAST_APP_SECRET, SEALCAST_APP_SECRET_FILE)",
                at("secret")
            ),
        );
    };
    if secret.expose_secret().is_empty() {
        return wrong(at("secret"), "is empty");
    }
    let authorizer = authorizer(&at, raw, &secret, warnings)?;
    let origins = origins(&at("origins"), &raw.origins, context.pages, context.public_url)?;
    refuse_unguarded_cookie(&at, &authorizer, &origins)?;
    let sealing = sealing(id, raw, context.key, salt, warnings)?;
    Ok(App {
        id: id.into(),
        key: key.into(),
        channel_rules: channel_rules(raw),
        channel_settings: channel_settings(
            id,
            raw,
            ChannelSettingsContext {
                seals: sealing.keys().is_some(),
                clustered: context.clustered,
            },
            warnings,
        )?,
        sealing,
        shares_master_key: raw.allow_shared_master_key,
        rotation: rotation(&at, &raw.rotation)?,
        authorizer: Arc::new(authorizer),
        access: AccessTokens::new(
            id,
            secret.expose_secret().as_bytes(),
            RevokedTokens::of_app(state_dir, id).into(),
        ),
        positions: PositionKey::derive(secret.expose_secret().as_bytes(), id),
        secret: AppSecret::new(secret.expose_secret().as_bytes()),
        near_secrets: SimilarSecrets::of(secret.expose_secret()),
        enabled: raw.enabled,
        dialect: raw.dialect,
        sealing_alias: sealing_alias(&at, raw, warnings)?,
        allow_mixed: raw.allow_mixed,
        client_events: raw.client_events,
        subscription_count: raw.subscription_count,
        watchlist: raw.watchlist,
        api_cors: api_cors(&at("api_cors"), raw.api_cors, &origins, warnings)?,
        origins,
        authorization_timeout: raw
            .authorized_connections
            .then(|| {
                seconds(&at("authorization_timeout_seconds"), raw.authorization_timeout_seconds)
            })
            .transpose()?,
        webhooks: webhooks(id, raw, warnings)?,
        explains: explains(&at("explain"), raw.explain, context.pages, warnings),
        limits: {
            seconds(&at("limits.cache_ttl_seconds"), raw.limits.cache_ttl_seconds)?;
            let history_bytes = at("limits.history_bytes");
            at_least(&history_bytes, raw.limits.history_bytes, 64 * 1024)?;
            if context.clustered && raw.limits.history_bytes != Limits::default().history_bytes {
                return error(
                    history_bytes.clone(),
                    format!(
                        "{history_bytes} is for logs in the memory of a server, and in a cluster they are in Redis: remove it. The history of a channel bounds its log, and maxmemory bounds Redis"
                    ),
                );
            }
            raw.limits.clone()
        },
    })
}

fn refuse_shared_app_key(apps: &[App]) -> ConfigResult<()> {
    let mut seen = HashMap::new();
    for app in apps {
        if let Some(other) = seen.insert(&app.key, &app.id) {
            return error(
                format!("apps.{}.key", app.id),
                format!("the apps {other} and {} have the same key {:?}", app.id, app.key),
            );
        }
    }
    Ok(())
}
