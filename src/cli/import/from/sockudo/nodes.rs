//! Sockudo: several nodes, and apps in a database.

use super::super::{
    super::{
        apps,
        draft::Draft,
        redis::{self, RedisKind, RedisPart},
        row::{GivenSetting, Remark, Row, RowMark, Take, TakeResult, unneeded as as_unneeded},
    },
    changed,
};

pub const MANAGER: &str = "APP_MANAGER_DRIVER";
/// Drivers with apps outside of the settings.
pub const DATABASES: &[&str] =
    &["mysql", "pgsql", "postgres", "postgresql", "dynamodb", "surrealdb", "scylladb"];
const ADAPTER: &str = "ADAPTER_DRIVER";

pub const ROWS: &[Row] = &[
    changed(
        MANAGER,
        "app_manager.driver",
        "[apps.ID]",
        "a database: the apps come from --apps FILE",
        manager,
    ),
    changed(ADAPTER, "adapter.driver", "[cluster]", "for redis and redis-cluster", adapter),
    changed("REDIS_URL", "", "cluster.url", "", redis::url),
    changed("DATABASE_REDIS_HOST", "database.redis.host", "cluster.url", "", redis::host),
    changed("DATABASE_REDIS_PORT", "database.redis.port", "cluster.url", "", redis::port),
    changed("DATABASE_REDIS_DB", "database.redis.db", "cluster.url", "database 0", redis::database),
    changed("DATABASE_REDIS_USERNAME", "database.redis.username", "cluster.url", "", redis::user),
    changed(
        "DATABASE_REDIS_PASSWORD",
        "database.redis.password",
        "cluster.url",
        "",
        redis::password,
    ),
    changed(
        "DATABASE_REDIS_KEY_PREFIX",
        "database.redis.key_prefix",
        "cluster.prefix",
        "without a colon at its end",
        |draft, given| {
            let text = given.text()?;
            if !draft.redis.is_used {
                return as_unneeded("without several nodes there is no Redis");
            }
            draft.redis.settings.set("prefix", text.trim_end_matches(':'), given);
            Ok(Remark::AsDocumented)
        },
    ),
    changed(
        "DATABASE_REDIS_MASTER_TLS",
        "database.redis.master_tls.enabled",
        "cluster.url",
        "rediss:",
        tls_on,
    ),
    changed("", "database.redis.master_tls.ca_path", "cluster.ca_file", "", |draft, given| {
        let path = given.text()?;
        if !draft.redis.is_used {
            return as_unneeded("without several nodes there is no Redis");
        }
        draft.redis.settings.set("ca_file", path, given);
        Ok(Remark::AsDocumented)
    }),
    changed("", "database.redis.sentinels", "cluster.url", "redis+sentinel:", redis::sentinels),
    changed("", "database.redis.name", "cluster.url", "the name of the master", redis::master),
    changed(
        "DATABASE_REDIS_CLUSTER_NODES",
        "database.redis.cluster.nodes",
        "cluster.url",
        "redis-cluster:",
        nodes,
    ),
    changed("REDIS_CLUSTER_NODES", "adapter.cluster.nodes", "cluster.url", "redis-cluster:", nodes),
    changed(
        "DATABASE_REDIS_CLUSTER_USERNAME",
        "database.redis.cluster.username",
        "cluster.url",
        "",
        |draft, given| of_cluster(draft, given, redis::user),
    ),
    changed(
        "DATABASE_REDIS_CLUSTER_PASSWORD",
        "database.redis.cluster.password",
        "cluster.url",
        "",
        |draft, given| of_cluster(draft, given, redis::password),
    ),
    changed(
        "DATABASE_REDIS_CLUSTER_USE_TLS",
        "database.redis.cluster.use_tls",
        "cluster.url",
        "rediss-cluster:",
        |draft, given| of_cluster(draft, given, tls_on),
    ),
];

fn tls_on(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    if !given.boolean()? {
        return as_unneeded("without TLS");
    }
    redis::tls(draft, given)
}

fn of_cluster(draft: &mut Draft, given: &GivenSetting<'_>, take: Take) -> TakeResult {
    match draft.redis.kind {
        RedisKind::Cluster => take(draft, given),
        _ => as_unneeded("only for redis-cluster"),
    }
}

fn nodes(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    of_cluster(draft, given, take_nodes)
}

fn take_nodes(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    redis::part(draft, given, RedisPart::Nodes, |redis, value| {
        redis.nodes = redis::hosts(value, 6379)?;
        Ok(())
    })
}

fn adapter(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    match given.text()?.as_str() {
        "local" => Ok(Remark::Because(RowMark::Same, "without [cluster] there is one node".into())),
        "redis" => redis::uses(draft, given, RedisKind::Single),
        "redis-cluster" => redis::uses(draft, given, RedisKind::Cluster),
        other => Err(format!(
            "nodes meet in Redis 7 or Valkey, and not in {other}: name it in [cluster]"
        )),
    }
}

fn manager(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let name = |section: &str, field: &str, default: &str| {
        let variable = format!("DATABASE_{section}_{field}").to_uppercase();
        let found = given.inside(&variable, &format!("database.{section}"), field);
        found.unwrap_or_else(|| default.to_owned())
    };
    let export = match given.text()?.as_str() {
        "memory" => return as_unneeded("apps are in the file"),
        "mysql" => apps::mysql(
            apps::SOCKUDO_COLUMNS,
            &name("mysql", "table_name", "applications"),
            &name("mysql", "database", "sockudo"),
        ),
        "pgsql" | "postgres" | "postgresql" => {
            apps::postgres("applications", &name("postgres", "database", "sockudo"))
        }
        "dynamodb" => apps::dynamodb(&name("dynamodb", "table_name", "sockudo-applications")),
        other => return apps::elsewhere(draft, other),
    };
    apps::from_database(draft, export)
}
