//! soketi: several nodes, and apps in a database.

use serde_json::Value;

use super::super::{
    super::{
        apps,
        draft::Draft,
        input::value,
        redis::{self, RedisKind, RedisPart},
        row::{GivenSetting, Remark, Row, RowMark, TakeResult, unneeded as as_unneeded},
    },
    changed, unneeded,
};

/// Drivers with apps outside of the settings.
pub const DATABASES: &[&str] = &["mysql", "postgres", "dynamodb"];
const DRIVER: &str = "SOKETI_ADAPTER_DRIVER";
pub const MANAGER: &str = "SOKETI_APP_MANAGER_DRIVER";

pub const ROWS: &[Row] = &[
    changed(DRIVER, "adapter.driver", "[cluster]", "for redis", driver),
    changed(
        "SOKETI_ADAPTER_REDIS_CLUSTER_MODE",
        "adapter.redis.clusterMode",
        "cluster.url",
        "redis-cluster:",
        cluster_mode,
    ),
    changed("SOKETI_DB_REDIS_HOST", "database.redis.host", "cluster.url", "", redis::host),
    changed("SOKETI_DB_REDIS_PORT", "database.redis.port", "cluster.url", "", redis::port),
    changed("SOKETI_DB_REDIS_DB", "database.redis.db", "cluster.url", "", redis::database),
    changed("SOKETI_DB_REDIS_USERNAME", "database.redis.username", "cluster.url", "", redis::user),
    changed(
        "SOKETI_DB_REDIS_PASSWORD",
        "database.redis.password",
        "cluster.url",
        "",
        redis::password,
    ),
    changed(
        "SOKETI_DB_REDIS_SENTINELS",
        "database.redis.sentinels",
        "cluster.url",
        "redis+sentinel:",
        redis::sentinels,
    ),
    changed(
        "SOKETI_DB_REDIS_SENTINEL_PASSWORD",
        "database.redis.sentinelPassword",
        "cluster.url",
        "Sentinels and Redis have one login: give both the same",
        sentinel_password,
    ),
    changed(
        "SOKETI_DB_REDIS_INSTANCE_NAME",
        "database.redis.name",
        "cluster.url",
        "the name of the master",
        redis::master,
    ),
    changed(
        "SOKETI_DB_REDIS_CLUSTER_NODES",
        "database.redis.clusterNodes",
        "cluster.url",
        "redis-cluster:",
        nodes,
    ),
    changed(
        "SOKETI_ADAPTER_REDIS_PREFIX",
        "adapter.redis.prefix",
        "cluster.prefix",
        "",
        redis::prefix,
    ),
    unneeded(
        "SOKETI_DB_REDIS_KEY_PREFIX",
        "database.redis.keyPrefix",
        "all names in Redis begin with cluster.prefix",
    ),
    changed(
        "SOKETI_ADAPTER_REDIS_SUB_OPTIONS",
        "adapter.redis.redisSubOptions",
        "cluster.url",
        "tls is rediss:",
        options,
    ),
    changed(
        "SOKETI_ADAPTER_REDIS_PUB_OPTIONS",
        "adapter.redis.redisPubOptions",
        "cluster.url",
        "tls is rediss:",
        options,
    ),
    unneeded("SOKETI_ADAPTER_REDIS_REQUESTS_TIMEOUT", "adapter.redis.requestsTimeout", TIMEOUT),
    unneeded("SOKETI_ADAPTER_CLUSTER_REQUESTS_TIMEOUT", "adapter.cluster.requestsTimeout", TIMEOUT),
    unneeded("SOKETI_ADAPTER_NATS_*", "adapter.nats.**", "nodes meet in Redis: see [cluster]"),
    unneeded("SOKETI_CLUSTER_*", "cluster.**", DISCOVERY),
    Row {
        variable: MANAGER,
        path: "appManager.driver",
        ours: "[apps.ID]",
        mark: RowMark::Changed,
        note: "a database: the apps come from --apps FILE",
        take: manager,
    },
    unneeded("SOKETI_APP_MANAGER_CACHE_*", "appManager.cache.**", "apps are in memory"),
    unneeded("SOKETI_APP_MANAGER_MYSQL_*", "appManager.mysql.**", DATABASE),
    unneeded("SOKETI_APP_MANAGER_POSTGRES_*", "appManager.postgres.**", DATABASE),
    unneeded("SOKETI_APP_MANAGER_DYNAMODB_*", "appManager.dynamodb.**", DATABASE),
    unneeded("SOKETI_DB_MYSQL_*", "database.mysql.**", DATABASE),
    unneeded("SOKETI_DB_POSTGRES_*", "database.postgres.**", DATABASE),
    Row {
        variable: "SOKETI_MODE",
        path: "mode",
        ours: "",
        mark: RowMark::Unneeded,
        note: "the server sends its webhooks itself",
        take: mode,
    },
];

/// The line of the driver says that its nodes do not meet here; these names add no loss.
const DISCOVERY: &str = "how nodes find each other with the driver cluster, and nothing without it";
const TIMEOUT: &str = "an answer of Redis is waited for one second";
const DATABASE: &str = "apps are in the file: see --apps";

fn driver(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    match given.text()?.as_str() {
        "local" => Ok(Remark::Because(RowMark::Same, "without [cluster] there is one node".into())),
        "redis" => redis::uses(draft, given, RedisKind::Single),
        other => Err(format!(
            "nodes meet in Redis 7 or Valkey, and not in {other}: name it in [cluster]"
        )),
    }
}

fn cluster_mode(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    match given.boolean()? {
        _ if !draft.redis.is_used => as_unneeded("without several nodes there is no Redis"),
        false => as_unneeded("off"),
        true => redis::uses(draft, given, RedisKind::Cluster),
    }
}

/// soketi looks at the nodes in cluster mode only.
fn nodes(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    if draft.redis.is_used && draft.redis.kind != RedisKind::Cluster {
        return as_unneeded("only with SOKETI_ADAPTER_REDIS_CLUSTER_MODE");
    }
    redis::part(draft, given, RedisPart::Nodes, |redis, value| {
        redis.nodes = redis::hosts_of_json(value, 6379)?;
        match redis.nodes.is_empty() {
            true => Err("Redis Cluster needs its nodes: name one at least".into()),
            false => Ok(()),
        }
    })
}

fn sentinel_password(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let (theirs, of_redis) = (given.text()?, given.other_text("SOKETI_DB_REDIS_PASSWORD"));
    if !draft.redis.is_used {
        return as_unneeded("without several nodes there is no Redis");
    }
    if draft.redis.kind != RedisKind::Sentinel {
        return as_unneeded("only with Sentinels");
    }
    match of_redis == Some(theirs) {
        true => redis::part(draft, given, RedisPart::SentinelPassword, |_, _| Ok(())),
        false => {
            Err("the login of Redis is shown to the Sentinels, too: give both the same".into())
        }
    }
}

/// Options of the client library, of which TLS alone has a counterpart.
fn options(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    if !draft.redis.is_used {
        return as_unneeded("without several nodes there is no Redis");
    }
    let options = value::json(&given.entry.value)?;
    let empty = serde_json::Map::new();
    let options = options.as_object().unwrap_or(&empty);
    let others: Vec<&str> = options.keys().map(String::as_str).filter(|k| *k != "tls").collect();
    let is_tls = |tls: &Value| ![Value::Null, Value::Bool(false)].contains(tls);
    match (others.as_slice(), options.get("tls").is_some_and(is_tls)) {
        ([], false) => as_unneeded("no options"),
        ([], true) => redis::tls(draft, given),
        (others, _) => Err(format!("options of their library: {}", others.join(", "))),
    }
}

fn manager(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let table = |driver: &str| {
        let variable = format!("SOKETI_APP_MANAGER_{}_TABLE", driver.to_uppercase());
        let table = given.inside(&variable, &format!("appManager.{driver}"), "table");
        table.unwrap_or_else(|| "apps".to_owned())
    };
    let database = |driver: &str| {
        let variable = format!("SOKETI_DB_{}_DATABASE", driver.to_uppercase());
        let name = given.inside(&variable, &format!("database.{driver}"), "database");
        name.unwrap_or_else(|| "main".to_owned())
    };
    let driver = given.text()?;
    let table = table(&driver);
    let export = match driver.as_str() {
        "array" => return as_unneeded("apps are in the file"),
        "mysql" => apps::mysql(apps::SOKETI_COLUMNS, &table, &database(&driver)),
        "postgres" => apps::postgres(&table, &database(&driver)),
        "dynamodb" => apps::dynamodb(&table),
        other => return apps::elsewhere(draft, other),
    };
    apps::from_database(draft, export)
}

fn mode(_: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    match given.text()?.as_str() {
        "worker" => Err("webhooks are sent by the server: a worker is not needed".into()),
        _ => Ok(Remark::AsDocumented),
    }
}
