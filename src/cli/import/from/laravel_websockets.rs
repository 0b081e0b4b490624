//! laravel-websockets 1.x and 2.x: an `.env` of Laravel, or `config("websockets")` as JSON.

use super::{
    super::{
        apps,
        draft::Draft,
        input::dotenv::CommentRule,
        redis::{self, RedisKind},
        row::{GivenSetting, Row, TakeResult, unneeded as as_unneeded},
        take::{app, limits, server},
    },
    AppDatabase, ForeignServer, TheirDefault, changed, default, lacking, same, unneeded,
};

pub static LARAVEL_WEBSOCKETS: ForeignServer = ForeignServer {
    name: "laravel-websockets",
    command: "laravel-websockets",
    prefixes: &["LARAVEL_WEBSOCKETS_", "WEBSOCKETS_", "PUSHER_", "VITE_PUSHER_", "MIX_PUSHER_"],
    tables: &[SERVER, APP, NODES],
    defaults: DEFAULTS,
    port: 6001,
    is_laravel: true,
    has_default_app: true,
    comments: CommentRule::AnyHash,
    database: Some(AppDatabase {
        name: MANAGER,
        has_apps: |class| DATABASES.contains(&short_name(class)),
    }),
};

const DATABASES: [&str; 2] = ["MysqlAppManager", "SQLiteAppManager"];
const CERTIFICATE: &str = "LARAVEL_WEBSOCKETS_SSL_LOCAL_CERT";
const KEY: &str = "LARAVEL_WEBSOCKETS_SSL_LOCAL_PK";
const MANAGER: &str = "managers.app";
const IN_ENV: &str = "for backends and pages: see below";
const DASHBOARD: &str = "the dashboard of Laravel is gone: see /stats and /metrics on ops_listen";

const SERVER: &[Row] = &[
    same("LARAVEL_WEBSOCKETS_PORT", "dashboard.port", "listen", server::port),
    same(CERTIFICATE, "ssl.local_cert", "tls_cert_file", |draft, given| {
        server::tls_file(draft, given, "tls_cert_file", KEY)
    }),
    same(KEY, "ssl.local_pk", "tls_key_file", |draft, given| {
        server::tls_file(draft, given, "tls_key_file", CERTIFICATE)
    }),
    lacking("LARAVEL_WEBSOCKETS_SSL_PASSPHRASE", "ssl.passphrase", server::PASSPHRASE),
    lacking("LARAVEL_WEBSOCKETS_SSL_CA", "ssl.capath", server::CLIENT_CERTIFICATES),
    unneeded("", "ssl.verify_peer", "clients show no certificates here"),
    unneeded("", "ssl.allow_self_signed", "clients show no certificates here"),
    changed(
        "",
        "max_request_size_in_kb",
        "app.limits.event_bytes, app.limits.client_event_bytes",
        "in bytes; theirs counts the whole request",
        |draft, given| {
            draft.largest_request = Some(given.bytes(1024)?.unsigned_abs());
            limits::event_kilobytes(draft, given)
        },
    ),
    Row { take: server::public_host, ..unneeded("PUSHER_HOST", "", IN_ENV) },
    Row { take: server::public_port, ..unneeded("PUSHER_PORT", "", IN_ENV) },
    Row { take: server::public_scheme, ..unneeded("PUSHER_SCHEME", "", IN_ENV) },
    unneeded("PUSHER_APP_CLUSTER", "", "there are no regions: see below"),
    unneeded("VITE_PUSHER_*", "", IN_ENV),
    unneeded("MIX_PUSHER_*", "", IN_ENV),
    unneeded("LARAVEL_WEBSOCKETS_DOMAIN", "dashboard.domain", DASHBOARD),
    unneeded("LARAVEL_WEBSOCKETS_PATH", "dashboard.path", DASHBOARD),
    unneeded("", "dashboard.middleware", DASHBOARD),
    unneeded("", "path", DASHBOARD),
    unneeded("", "middleware", DASHBOARD),
    unneeded("", "statistics.**", DASHBOARD),
];

const APP: &[Row] = &[
    changed("", MANAGER, "[apps.ID]", "a database: the apps come from --apps FILE", manager),
    unneeded("", "app_provider", "apps are in the file"),
    unneeded("", "managers.sqlite.**", "apps are in the file: see --apps"),
    unneeded("", "managers.mysql.**", "apps are in the file: see --apps"),
    same("PUSHER_APP_ID", "apps.*.id", "[apps.ID]", app::id),
    same("PUSHER_APP_KEY", "apps.*.key", "app.key", app::key),
    same("PUSHER_APP_SECRET", "apps.*.secret", "app.secret", app::secret),
    same("PUSHER_APP_PATH", "apps.*.path", "path_prefix", server::path_prefix),
    unneeded("PUSHER_APP_HOST", "apps.*.host", IN_ENV),
    unneeded("", "apps.*.name", "the id names an app"),
    changed(
        "",
        "apps.*.capacity",
        "app.limits.connections",
        "left out where there is none",
        limits::connections,
    ),
    same("", "apps.*.enable_client_messages", "app.client_events", |draft, given| {
        app::switch(draft, given, "client_events")
    }),
    unneeded("", "apps.*.enable_statistics", DASHBOARD),
    changed(
        "",
        "apps.*.allowed_origins",
        "app.origins",
        "hosts become pages over TLS, on any port",
        app::origins,
    ),
    changed("", "allowed_origins", "app.origins", "of all apps", app::origins),
    changed(
        "",
        RATES,
        "app.limits.client_events_per_second",
        "theirs has no limit",
        |draft, given| limits::client_events(draft, given, |rate| rate < 0),
    ),
    changed(
        "",
        MEMBERS,
        "app.limits.presence_members, app.limits.presence_member_bytes",
        "theirs has no limit",
        |draft, given| {
            draft.limit(given, "limits.presence_member_bytes", 10_000);
            limits::count(draft, given, "limits.presence_members")
        },
    ),
];

/// No settings of theirs: limits that ours has and theirs has not.
const RATES: &str = "apps.*.(client events)";
const MEMBERS: &str = "apps.*.(members of a channel)";

const NODES: &[Row] = &[
    changed(
        "WEBSOCKETS_REPLICATION_MODE",
        "replication.mode",
        "[cluster]",
        "for redis",
        |draft, given| match given.text()?.as_str() {
            "local" => as_unneeded("one node"),
            "redis" => redis::uses(draft, given, RedisKind::Single),
            other => Err(format!("nodes meet in Redis 7 or Valkey, and not in {other}")),
        },
    ),
    unneeded(
        "WEBSOCKETS_REDIS_REPLICATION_CONNECTION",
        "replication.modes.redis.connection",
        "cluster.url names the Redis: compare it with config/database.php",
    ),
    unneeded("", "replication.modes.local.**", "classes of Laravel"),
    unneeded("", "replication.modes.redis.channel_manager", "classes of Laravel"),
    unneeded("", "replication.modes.redis.collector", "classes of Laravel"),
    changed("REDIS_URL", "", "cluster.url", "", redis::url),
    changed("REDIS_HOST", "", "cluster.url", "", redis::host),
    changed("REDIS_PORT", "", "cluster.url", "", redis::port),
    changed("REDIS_USERNAME", "", "cluster.url", "", redis::user),
    changed("REDIS_PASSWORD", "", "cluster.url", "", redis::password),
    changed("REDIS_DB", "", "cluster.url", "database 0", redis::database),
    unneeded("", "handlers.**", "classes of Laravel"),
    unneeded("", "promise_resolver", "a class of Laravel"),
    unneeded("", "channel_manager", "a class of Laravel"),
];

const DEFAULTS: &[TheirDefault] =
    &[default("max_request_size_in_kb", "250"), default(RATES, "-1"), default(MEMBERS, "10000")];

fn manager(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let class = given.text()?;
    match short_name(&class) {
        "ConfigAppManager" => as_unneeded("apps are in the file"),
        "MysqlAppManager" => {
            let table = given.inside("", "managers.mysql", "table");
            let table = table.as_deref().unwrap_or("websockets_apps");
            apps::from_database(draft, apps::mysql(apps::LARAVEL_COLUMNS, table, "DATABASE"))
        }
        "SQLiteAppManager" => {
            let file = "storage/laravel-websockets.sqlite";
            apps::from_database(draft, apps::sqlite("apps", file))
        }
        other => apps::elsewhere(draft, other),
    }
}

fn short_name(class: &str) -> &str {
    class.rsplit('\\').next().unwrap_or(class)
}
