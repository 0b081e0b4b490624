//! Reverb 1.x: an `.env` of Laravel, or `config("reverb")` as JSON.

use super::{
    super::{
        draft::Draft,
        input::{dotenv::CommentRule, value},
        redis::{self, RedisKind},
        row::{GivenSetting, Remark, Row, TakeResult, unneeded as as_unneeded},
        take::{app, limits, server},
    },
    ForeignServer, TheirDefault, changed, default, lacking, same, unneeded,
};

pub static REVERB: ForeignServer = ForeignServer {
    name: "Reverb",
    command: "reverb",
    prefixes: &["REVERB_", "VITE_REVERB_"],
    tables: &[SERVER, APP, NODES],
    defaults: DEFAULTS,
    port: 8080,
    is_laravel: true,
    has_default_app: true,
    comments: CommentRule::AnyHash,
    database: None,
};

const RATES: &str = "REVERB_APP_RATE_LIMITING_ENABLED";
const ATTEMPTS: &str = "REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS";
const DECAY: &str = "REVERB_APP_RATE_LIMIT_DECAY_SECONDS";
const SCALING: &str = "REVERB_SCALING_ENABLED";

const SERVER: &[Row] = &[
    same("REVERB_SERVER_HOST", "servers.reverb.host", "listen", server::host),
    same("REVERB_SERVER_PORT", "servers.reverb.port", "listen", server::port),
    same("REVERB_SERVER_PATH", "servers.reverb.path", "path_prefix", server::path_prefix),
    unneeded("REVERB_SERVER", "default", "there is one server"),
    same("", "servers.reverb.options.tls.local_cert", "tls_cert_file", |draft, given| {
        let key = "servers.reverb.options.tls.local_pk";
        server::tls_file(draft, given, "tls_cert_file", key)
    }),
    same("", "servers.reverb.options.tls.local_pk", "tls_key_file", |draft, given| {
        let certificate = "servers.reverb.options.tls.local_cert";
        server::tls_file(draft, given, "tls_key_file", certificate)
    }),
    lacking("", "servers.reverb.options.tls.passphrase", server::PASSPHRASE),
    unneeded("", "servers.reverb.options.tls.verify_peer", "clients show no certificates here"),
    changed(
        "REVERB_MAX_REQUEST_SIZE",
        "servers.reverb.max_request_size",
        "app.limits.event_bytes",
        "theirs counts the whole request; http_body_bytes grows with it",
        request_size,
    ),
    Row { take: server::public_host, ..unneeded("REVERB_HOST", "servers.reverb.hostname", IN_ENV) },
    Row { take: server::public_port, ..unneeded("REVERB_PORT", "", IN_ENV) },
    Row { take: server::public_scheme, ..unneeded("REVERB_SCHEME", "", IN_ENV) },
    unneeded("VITE_REVERB_*", "", "pages follow REVERB_HOST, REVERB_PORT and REVERB_SCHEME"),
];

const IN_ENV: &str = "for backends and pages: see below";

const APP: &[Row] = &[
    changed("", "apps.provider", "[apps.ID]", "for config", provider),
    same("REVERB_APP_ID", "apps.apps.*.app_id", "[apps.ID]", app::id),
    same("REVERB_APP_KEY", "apps.apps.*.key", "app.key", app::key),
    same("REVERB_APP_SECRET", "apps.apps.*.secret", "app.secret", app::secret),
    unneeded("", "apps.apps.*.options.**", IN_ENV),
    same(
        "REVERB_APP_MAX_CONNECTIONS",
        "apps.apps.*.max_connections",
        "app.limits.connections",
        |draft, given| limits::count(draft, given, "limits.connections"),
    ),
    changed(
        "REVERB_APP_MAX_MESSAGE_SIZE",
        "apps.apps.*.max_message_size",
        "app.limits.client_event_bytes, app.limits.presence_member_bytes",
        "theirs counts the whole message; message_bytes grows with it",
        message_size,
    ),
    changed(
        "REVERB_APP_ACTIVITY_TIMEOUT",
        "apps.apps.*.activity_timeout",
        "activity_timeout_seconds",
        "one for all apps",
        server::activity_timeout,
    ),
    unneeded(
        "REVERB_APP_PING_INTERVAL",
        "apps.apps.*.ping_interval",
        "the server pings after activity_timeout_seconds of silence",
    ),
    changed(
        "REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM",
        "apps.apps.*.accept_client_events_from",
        "app.client_events",
        "members or none",
        app::client_events_from,
    ),
    changed(
        RATES,
        "apps.apps.*.rate_limiting.enabled",
        "app.limits.client_events_per_second",
        "attempts in a second, rounded up; of client events alone. Off is 1000",
        rates,
    ),
    changed(
        ATTEMPTS,
        "apps.apps.*.rate_limiting.max_attempts",
        "app.limits.client_events_per_second",
        "",
        of_rates,
    ),
    changed(
        DECAY,
        "apps.apps.*.rate_limiting.decay_seconds",
        "app.limits.client_events_per_second",
        "",
        of_rates,
    ),
    Row {
        take: terminate,
        ..lacking(
            "REVERB_APP_RATE_LIMIT_TERMINATE",
            "apps.apps.*.rate_limiting.terminate_on_limit",
            "the event is refused with 4301, and the connection stays",
        )
    },
    changed(
        "",
        "apps.apps.*.allowed_origins",
        "app.origins",
        "hosts become pages over TLS, on any port; * is the empty list",
        app::origins,
    ),
    changed(
        "",
        MEMBERS,
        "app.limits.presence_members, app.limits.presence_member_bytes",
        "theirs has no limit but that of a message",
        members,
    ),
    changed(
        "",
        CACHE_TTL,
        "app.limits.cache_ttl_seconds",
        "theirs keeps a last event as long as the channel has subscribers",
        |draft, given| limits::count(draft, given, "limits.cache_ttl_seconds"),
    ),
];

/// No settings of theirs: limits that ours has and theirs has not.
const MEMBERS: &str = "apps.apps.*.(members of a channel)";
const CACHE_TTL: &str = "apps.apps.*.(time of a last event)";

const NODES: &[Row] = &[
    changed(SCALING, "servers.reverb.scaling.enabled", "[cluster]", "", |draft, given| {
        if !given.boolean()? {
            return as_unneeded("one node");
        }
        redis::uses(draft, given, RedisKind::Single)
    }),
    changed(
        "REVERB_SCALING_CHANNEL",
        "servers.reverb.scaling.channel",
        "cluster.prefix",
        "",
        redis::prefix,
    ),
    changed("REDIS_URL", "servers.reverb.scaling.server.url", "cluster.url", "", redis::url),
    changed("REDIS_HOST", "servers.reverb.scaling.server.host", "cluster.url", "", redis::host),
    changed("REDIS_PORT", "servers.reverb.scaling.server.port", "cluster.url", "", redis::port),
    changed(
        "REDIS_USERNAME",
        "servers.reverb.scaling.server.username",
        "cluster.url",
        "",
        redis::user,
    ),
    changed(
        "REDIS_PASSWORD",
        "servers.reverb.scaling.server.password",
        "cluster.url",
        "",
        redis::password,
    ),
    changed(
        "REDIS_DB",
        "servers.reverb.scaling.server.database",
        "cluster.url",
        "database 0",
        redis::database,
    ),
    unneeded(
        "REDIS_TIMEOUT",
        "servers.reverb.scaling.server.timeout",
        "an answer of Redis is waited for one second",
    ),
    unneeded(
        "REVERB_PULSE_INGEST_INTERVAL",
        "servers.reverb.pulse_ingest_interval",
        "see /metrics on ops_listen",
    ),
    unneeded(
        "REVERB_TELESCOPE_INGEST_INTERVAL",
        "servers.reverb.telescope_ingest_interval",
        "see /metrics on ops_listen",
    ),
];

const DEFAULTS: &[TheirDefault] = &[
    default("REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM", "members"),
    default(RATES, "false"),
    default(MEMBERS, "10000"),
    default(CACHE_TTL, "86400"),
];

fn request_size(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let bytes = given.count()?;
    draft.largest_request = Some(bytes.unsigned_abs());
    draft.limit(given, "limits.event_bytes", bytes);
    Ok(Remark::AsDocumented)
}

fn message_size(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let bytes = given.count()?;
    let largest = draft.largest_message.unwrap_or(0).max(bytes.unsigned_abs());
    draft.largest_message = Some(largest);
    draft.limit(given, "limits.presence_member_bytes", bytes);
    draft.limit(given, "limits.client_event_bytes", bytes);
    Ok(Remark::AsDocumented)
}

fn members(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    const BYTES: &str = "limits.presence_member_bytes";
    if draft.app(given).settings.get(BYTES).is_none() {
        draft.limit(given, BYTES, 10_000);
    }
    limits::count(draft, given, "limits.presence_members")
}

fn rates(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let number = |name, default| given.other(name).map_or(Ok(default), value::number);
    let rate = match given.boolean()? {
        true => limits::per_second(number(ATTEMPTS, 60)?, number(DECAY, 60)?),
        false => limits::MANY_CLIENT_EVENTS,
    };
    draft.limit(given, "limits.client_events_per_second", rate);
    Ok(Remark::AsDocumented)
}

fn of_rates(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    if !given.is_on(RATES) {
        return as_unneeded("the rate is not limited");
    }
    draft.app(given).settings.credit("limits.client_events_per_second", given);
    Ok(Remark::AsDocumented)
}

fn terminate(_: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    match given.boolean()? && given.is_on(RATES) {
        true => Err(given.row.note.to_owned()),
        false => as_unneeded("off"),
    }
}

fn provider(_: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    match given.text()?.as_str() {
        "config" => as_unneeded("apps are in the file"),
        other => {
            Err(format!("the provider {other:?} has apps of its own: write them into [apps.ID]"))
        }
    }
}
