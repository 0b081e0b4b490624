//! soketi 1.6: variables `SOKETI_...`, or its JSON.

mod apps;
mod nodes;
mod server;

use super::{
    super::{input::dotenv::CommentRule, row::Row},
    AppDatabase, ForeignServer, TheirDefault, default, unneeded,
};

pub static SOKETI: ForeignServer = ForeignServer {
    name: "soketi",
    command: "soketi",
    prefixes: &["SOKETI_"],
    tables: &[server::ROWS, nodes::ROWS, apps::ROWS, REST],
    defaults: DEFAULTS,
    port: 6001,
    is_laravel: false,
    has_default_app: true,
    comments: CommentRule::AnyHash,
    database: Some(AppDatabase {
        name: nodes::MANAGER,
        has_apps: |driver| nodes::DATABASES.contains(&driver),
    }),
};

const REST: &[Row] = &[
    unneeded("", "cors.credentials", "set by the server"),
    unneeded("", "cors.methods", "set by the server"),
    unneeded("", "cors.allowedHeaders", "set by the server"),
    unneeded("SOKETI_QUEUE_*", "queue.**", "webhooks wait in the server"),
    unneeded("SOKETI_CACHE_*", "cache.**", "last events are kept in the server"),
    unneeded("SOKETI_RATE_LIMITER_*", "rateLimiter.**", "each node counts for itself"),
    unneeded("SOKETI_DB_POOLING_*", "databasePooling.**", "there is no database"),
    unneeded("", "instance.**", "set by the server"),
];

const DEFAULTS: &[TheirDefault] = &[
    default("SOKETI_DEFAULT_APP_ID", "app-id"),
    default("SOKETI_DEFAULT_APP_KEY", "app-key"),
    default("SOKETI_DEFAULT_APP_SECRET", "app-secret"),
    default("SOKETI_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC", "-1"),
    default("SOKETI_CHANNEL_CACHE_TTL", "3600"),
    default("SOKETI_EVENT_MAX_SIZE_IN_KB", "100"),
    default("SOKETI_PRESENCE_MAX_MEMBER_SIZE", "2"),
    default("httpApi.requestLimitInMb", "100"),
];
