//! soketi: several nodes, and apps in a database.

use super::super::{
    super::{
        apps,
        draft::Draft,
        input::value,
        redis::{self, RedisKind},
        row::{Given, Remark, Row, RowMark, TakeResult, unneeded as as_unneeded},
    },
    changed, unneeded,
};

const DRIVER: &str = "SOKETI_ADAPTER_DRIVER";
pub const MANAGER: &str = "SOKETI_APP_MANAGER_DRIVER";

pub const ROWS: &[Row] = &[
    changed(DRIVER, "adapter.driver", "[cluster]", "for redis", driver),
    changed(
        "SOKETI_ADAPTER_REDIS_CLUSTER_MODE",
        "adapter.redis.clusterMode",
        "cluster.url",
        "redis-cluster:",
        |draft, given| {
            let on = given.boolean()?;
            redis::part(draft, given, |redis, _| {
                if on {
                    redis.kind = RedisKind::Cluster;
                }
                Ok(())
            })
        },
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
        |draft, given| {
            redis::part(draft, given, |redis, value| {
                redis.sentinels = redis::hosts(value, 26379)?;
                if !redis.sentinels.is_empty() {
                    redis.kind = RedisKind::Sentinel;
                }
                Ok(())
            })
        },
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
        |draft, given| {
            redis::part(draft, given, |redis, value| {
                redis.master = Some(value::text(value)?);
                Ok(())
            })
        },
    ),
    changed(
        "SOKETI_DB_REDIS_CLUSTER_NODES",
        "database.redis.clusterNodes",
        "cluster.url",
        "redis-cluster:",
        |draft, given| {
            redis::part(draft, given, |redis, value| {
                redis.nodes = redis::hosts(value, 6379)?;
                Ok(())
            })
        },
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
    unneeded("SOKETI_CLUSTER_*", "cluster.**", "nodes meet in Redis: see [cluster]"),
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

const TIMEOUT: &str = "an answer of Redis is waited for one second";
const DATABASE: &str = "apps are in the file: see --apps";

fn driver(draft: &mut Draft, given: &Given<'_>) -> TakeResult {
    match given.text()?.as_str() {
        "local" => Ok(Remark::Because(RowMark::Same, "without [cluster] there is one node".into())),
        "redis" => {
            draft.redis.is_used = true;
            draft.redis.origins.push(given.entry.shown.clone());
            Ok(Remark::AsDocumented)
        }
        other => Err(format!(
            "nodes meet in Redis 7 or Valkey, and not in {other}: name it in [cluster]"
        )),
    }
}

fn sentinel_password(draft: &mut Draft, given: &Given<'_>) -> TakeResult {
    let (theirs, of_redis) = (given.text()?, given.other_text("SOKETI_DB_REDIS_PASSWORD"));
    if !draft.redis.is_used {
        return as_unneeded("without several nodes there is no Redis");
    }
    match of_redis == Some(theirs) {
        true => Ok(Remark::AsDocumented),
        false => {
            Err("the login of Redis is shown to the Sentinels, too: give both the same".into())
        }
    }
}

/// Options of the client library, of which TLS alone has a counterpart.
fn options(draft: &mut Draft, given: &Given<'_>) -> TakeResult {
    let options = value::json(&given.entry.value)?;
    let empty = serde_json::Map::new();
    let options = options.as_object().unwrap_or(&empty);
    let others: Vec<&str> = options.keys().map(String::as_str).filter(|k| *k != "tls").collect();
    match (others.as_slice(), options.contains_key("tls")) {
        ([], false) => as_unneeded("no options"),
        ([], true) => redis::part(draft, given, |redis, _| {
            redis.tls = true;
            Ok(())
        }),
        (others, _) => Err(format!("options of their library: {}", others.join(", "))),
    }
}

fn manager(draft: &mut Draft, given: &Given<'_>) -> TakeResult {
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
        other => return Err(format!("{other} is no database of soketi's apps, as far as known")),
    };
    apps::from_database(draft, export)
}

fn mode(_: &mut Draft, given: &Given<'_>) -> TakeResult {
    match given.text()?.as_str() {
        "worker" => Err("webhooks are sent by the server: a worker is not needed".into()),
        _ => Ok(Remark::AsDocumented),
    }
}
