//! Sockudo: what is not needed here, and what has no counterpart.

use super::super::{
    super::{row::Row, take::app},
    lacking, unneeded,
};

/// Sections whose names no other program has. An unknown name in one of them is told.
pub const PREFIXES: &[&str] = &[
    "SOCKUDO_",
    "ADAPTER_",
    "APP_MANAGER_",
    "WEBHOOK_",
    "WEBSOCKET_",
    "RATE_LIMITER_",
    "METRICS_",
    "UNIX_SOCKET_",
    "HTTP_API_",
    "DATABASE_REDIS_",
    "CONNECTION_RECOVERY_",
    "CHANNEL_",
    "PRESENCE_",
    "EVENT_NAME_FILTERING_",
];

const fn feature(variable: &'static str, path: &'static str, note: &'static str) -> Row {
    Row { take: app::feature, ..lacking(variable, path, note) }
}

const V2: &str = "a part of Sockudo's own protocol (V2), which clients of Pusher do not speak";
const HISTORY: &str = "logs are chosen for each channel: see [[apps.ID.channels]] history";
const PUSH: &str = "there are no push notifications";

/// Off is no loss, and then the rest of the section is not needed either.
pub const FEATURES: &[Row] = &[
    feature("HISTORY_ENABLED", "history.**", HISTORY),
    feature("PRESENCE_HISTORY_ENABLED", "presence_history.**", HISTORY),
    feature("", "app_manager.array.apps.*.history.**", HISTORY),
    feature("", "app_manager.array.apps.*.presence_history.**", HISTORY),
    feature("CONNECTION_RECOVERY_ENABLED", "connection_recovery.**", V2),
    feature("", "app_manager.array.apps.*.connection_recovery.**", V2),
    feature("IDEMPOTENCY_ENABLED", "idempotency.**", "an event published twice is sent twice"),
    feature(
        "",
        "app_manager.array.apps.*.idempotency.**",
        "an event published twice is sent twice",
    ),
    feature("", "delta_compression.**", V2),
    feature("", "app_manager.array.apps.*.channel_delta_compression.**", V2),
    feature("", "app_manager.array.apps.*.channel_namespaces", "channels have no namespaces"),
    feature("SOCKUDO_DEFAULT_APP_ANNOTATIONS_ENABLED", "", V2),
    feature("", "app_manager.array.apps.*.annotations_enabled", V2),
    feature("ANNOTATIONS_ENABLED", "annotations.**", V2),
    feature("VERSIONED_MESSAGES_ENABLED", "versioned_messages.**", V2),
    feature("AI_TRANSPORT_ENABLED", "ai_transport.**", V2),
    feature("TAG_FILTERING_ENABLED", "tag_filtering.**", V2),
    feature("EVENT_NAME_FILTERING_ENABLED", "event_name_filtering.**", V2),
    feature("EPHEMERAL_ENABLED", "ephemeral.**", V2),
    feature("ECHO_CONTROL_ENABLED", "echo_control.**", V2),
    feature("SOCKUDO_ABLY_COMPAT_ENABLED", "ably_compat.**", "clients of Ably are not served"),
    lacking("PUSH_STORAGE_DRIVER", "", PUSH),
    lacking("", "push.**", PUSH),
    lacking("", "push_rules", PUSH),
    feature(
        "RATE_LIMITER_ENABLED",
        "rate_limiter.**",
        "addresses are limited by limits.connects_per_ip and auth_per_ip, per second, and found by trusted_proxies",
    ),
    feature(
        "SOCKUDO_MAX_CONNECTIONS",
        "max_connections",
        "connections are limited for each app: limits.connections",
    ),
];

const BY_SERVER: &str = "the server does this by itself";
const IN_SERVER: &str = "webhooks wait in the server";
const NO_DATABASE: &str = "there is no database";

pub const ROWS: &[Row] = &[
    unneeded("ENVIRONMENT", "mode", "there is one mode"),
    unneeded("INSTANCE_PROCESS_ID", "instance.**", BY_SERVER),
    unneeded("SOCKUDO_SERVER_ROLE", "server_role", "each node serves all"),
    unneeded("SOCKUDO_SKIP_INLINE_APPS", "", "the apps are those of the file"),
    unneeded("APP_MANAGER_REGISTER_INLINE_APPS", "", "the apps are those of the file"),
    unneeded("", "app_manager.cache.**", "apps are in memory"),
    unneeded("", "app_manager.scylladb.**", NO_DATABASE),
    unneeded("ADAPTER_*", "adapter.redis.**", BY_SERVER),
    unneeded("", "adapter.buffer_multiplier_per_cpu", BY_SERVER),
    unneeded("", "adapter.enable_socket_counting", BY_SERVER),
    unneeded("", "adapter.aggregate_counts", BY_SERVER),
    unneeded("", "adapter.fast_presence_transitions", BY_SERVER),
    unneeded("", "adapter.fallback_to_local", "see cluster.when_away"),
    unneeded("", "adapter.cluster_health.**", "see cluster.lease_seconds"),
    unneeded("CLUSTER_HEALTH_*", "cluster_health.**", "see cluster.lease_seconds"),
    unneeded("", "adapter.cluster.prefix", "all names in Redis begin with cluster.prefix"),
    unneeded("", "adapter.cluster.request_timeout_ms", BY_SERVER),
    unneeded("", "adapter.cluster.use_connection_manager", BY_SERVER),
    unneeded("NATS_*", "adapter.nats.**", OTHER_BROKER),
    unneeded("PULSAR_*", "adapter.pulsar.**", OTHER_BROKER),
    unneeded("RABBITMQ_*", "adapter.rabbitmq.**", OTHER_BROKER),
    unneeded("GOOGLE_PUBSUB_*", "adapter.google_pubsub.**", OTHER_BROKER),
    unneeded("KAFKA_*", "adapter.kafka.**", OTHER_BROKER),
    unneeded("IGGY_*", "adapter.iggy.**", OTHER_BROKER),
    unneeded("DATABASE_REDIS_SENTINEL_*", "database.redis.sentinel_tls.**", SENTINEL),
    unneeded("", "database.redis.sentinel_password", SENTINEL),
    unneeded("", "database.redis.sentinel_username", SENTINEL),
    unneeded("DATABASE_MYSQL_*", "database.mysql.**", NO_DATABASE),
    unneeded("DATABASE_POSTGRES_*", "database.postgres.**", NO_DATABASE),
    unneeded("DATABASE_DYNAMODB_*", "database.dynamodb.**", NO_DATABASE),
    unneeded("DATABASE_SURREALDB_*", "database.surrealdb.**", NO_DATABASE),
    unneeded("", "database.scylladb.**", NO_DATABASE),
    unneeded("DATABASE_POOL*", "database_pooling.**", NO_DATABASE),
    unneeded("DATABASE_CONNECTION_POOL_SIZE", "", NO_DATABASE),
    unneeded("REDIS_CLUSTER_QUEUE_*", "queue.**", IN_SERVER),
    unneeded("QUEUE_*", "", IN_SERVER),
    unneeded("CACHE_*", "cache.**", "last events are kept in the server"),
    unneeded("RATE_LIMITER_*", "", "addresses are limited by limits.connects_per_ip"),
    unneeded("HTTP_API_USAGE_ENABLED", "http_api.usage_enabled", "/stats on ops_listen"),
    unneeded("CORS_*", "cors.credentials", BY_SERVER),
    unneeded("", "cors.methods", BY_SERVER),
    unneeded("", "cors.allowed_headers", BY_SERVER),
    unneeded("WEBSOCKET_*", "websocket.**", "see outbox_bytes and activity_timeout_seconds"),
    unneeded("PRESENCE_HISTORY_*", "", "only with the history"),
    unneeded("PRESENCE_*", "presence.update_rate_limit_per_member_per_second", BY_SERVER),
    unneeded("", "presence.ungraceful_timeout_seconds", BY_SERVER),
    unneeded("", "presence.v2_ungraceful_timeout_seconds", BY_SERVER),
    unneeded("CLEANUP_*", "cleanup.**", BY_SERVER),
    unneeded("LOG_*", "logging.**", "see log and log_format"),
    unneeded("HEALTH_CHECK_*", "health_check_timeout_ms", BY_SERVER),
    unneeded("HISTORY_*", "", "only with the history"),
    unneeded("CONNECTION_RECOVERY_*", "", "only with the recovery"),
    unneeded("IDEMPOTENCY_*", "", "only with it"),
    unneeded("VERSIONED_MESSAGES_*", "", "only with them"),
    unneeded("AI_TRANSPORT_*", "", "only with it"),
    unneeded("EVENT_NAME_FILTERING_*", "", "only with it"),
    unneeded("ECHO_CONTROL_*", "", "only with it"),
    unneeded("SOCKUDO_ABLY_COMPAT_*", "", "only with it"),
    unneeded("PUSH_*", "", "there are no push notifications"),
    unneeded("SOCKUDO_MEMORY_*", "", "of the container"),
    unneeded("SOCKUDO_CPU_*", "", "of the container"),
    unneeded("SOCKUDO_REPLICAS", "", "of the container"),
];

const OTHER_BROKER: &str = "nodes meet in Redis: see [cluster]";
const SENTINEL: &str = "Sentinels and Redis have one login and one way to speak TLS";
