//! The section `[cluster]`, from the settings of the other server's Redis.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    draft::{Draft, DraftSettings},
    input::value::{self, Reason},
    row::{Given, Remark, TakeResult, changed, unneeded},
};
use crate::crypto::key::MasterKey;

/// Redis behind several nodes.
#[derive(Default)]
pub struct Redis {
    /// True if the other server uses it for its cluster.
    pub is_used: bool,
    pub kind: RedisKind,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub password: Option<String>,
    pub tls: bool,
    pub sentinels: Vec<String>,
    pub master: Option<String>,
    pub nodes: Vec<String>,
    /// A URL given whole.
    pub url: Option<String>,
    pub settings: DraftSettings,
    pub origins: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RedisKind {
    #[default]
    Single,
    Sentinel,
    Cluster,
}

/// Takes a part of the login or the address; not needed if Redis is not used.
pub fn part(
    draft: &mut Draft,
    given: &Given<'_>,
    set: impl FnOnce(&mut Redis, &Value) -> Result<(), Reason>,
) -> TakeResult {
    if !draft.redis.is_used {
        return unneeded("without several nodes there is no Redis");
    }
    set(&mut draft.redis, &given.entry.value)?;
    draft.redis.origins.push(given.entry.shown.clone());
    Ok(Remark::AsDocumented)
}

pub fn host(draft: &mut Draft, given: &Given<'_>) -> TakeResult {
    part(draft, given, |redis, value| {
        let text = value::text(value)?;
        // Laravel takes `tls://HOST`.
        let host = text.strip_prefix("tls://");
        redis.tls |= host.is_some();
        redis.host = Some(host.unwrap_or(&text).to_owned());
        Ok(())
    })
}

pub fn port(draft: &mut Draft, given: &Given<'_>) -> TakeResult {
    part(draft, given, |redis, value| {
        redis.port = Some(value::port(value)?);
        Ok(())
    })
}

pub fn user(draft: &mut Draft, given: &Given<'_>) -> TakeResult {
    part(draft, given, |redis, value| {
        redis.user = Some(value::text(value)?);
        Ok(())
    })
}

pub fn password(draft: &mut Draft, given: &Given<'_>) -> TakeResult {
    part(draft, given, |redis, value| {
        redis.password = Some(value::text(value)?);
        Ok(())
    })
}

pub fn database(draft: &mut Draft, given: &Given<'_>) -> TakeResult {
    part(draft, given, |_, _| Ok(()))?;
    match given.number()? {
        _ if !draft.redis.is_used => unneeded("without several nodes there is no Redis"),
        0 => Ok(Remark::Because(super::row::RowMark::Same, "cluster.url: database 0".into())),
        _ => changed("database 0; cluster.prefix tells clusters of one Redis apart"),
    }
}

pub fn prefix(draft: &mut Draft, given: &Given<'_>) -> TakeResult {
    let text = given.text()?;
    part(draft, given, |_, _| Ok(()))?;
    if !draft.redis.is_used {
        return unneeded("without several nodes there is no Redis");
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if text.len() > 64 || !text.bytes().all(is_part) {
        return changed("cluster.prefix stays \"sealcast\": it has letters, digits and -_.: only");
    }
    draft.redis.settings.set("prefix", text, given);
    changed("cluster.prefix")
}

pub fn url(draft: &mut Draft, given: &Given<'_>) -> TakeResult {
    part(draft, given, |redis, value| {
        let url = value::text(value)?;
        // A database in it is refused by the server.
        let (start, path) = url.split_at(url.rfind('/').unwrap_or(url.len()));
        let has_database = path.len() > 1 && path[1..].bytes().all(|b| b.is_ascii_digit());
        redis.url = Some(if has_database { start.to_owned() } else { url.clone() });
        Ok(())
    })
}

/// `[{"host": ..., "port": ...}]`, or texts `HOST:PORT`.
pub fn hosts(value: &Value, port: u16) -> Result<Vec<String>, Reason> {
    let Ok(Value::Array(list)) = value::json(value) else {
        return Ok(value::texts(value)?.iter().map(|text| without_scheme(text)).collect());
    };
    list.iter()
        .map(|node| match node {
            Value::String(text) => Ok(without_scheme(text)),
            node => {
                let host = value::text(node.get("host").unwrap_or(&Value::Null));
                let host = host.map_err(|_| "must be a list of host and port".to_owned())?;
                let port = node.get("port").map_or(Ok(port), value::port)?;
                Ok(format!("{host}:{port}"))
            }
        })
        .collect()
}

fn without_scheme(text: &str) -> String {
    text.split_once("://").map_or(text, |(_, rest)| rest).to_owned()
}

impl Redis {
    /// Writes URL and key, if Redis is used.
    pub fn finish(&mut self, settings: &mut DraftSettings) -> std::io::Result<()> {
        if !self.is_used {
            return Ok(());
        }
        let origin = self.origins.join(", ");
        settings.put("url", self.cluster_url(), origin, false);
        for prefix in std::mem::take(&mut self.settings).sorted() {
            settings.put(prefix.name, prefix.value.clone(), prefix.origin.clone(), false);
        }
        let key = MasterKey::generate()?.to_text();
        settings.put("key", &**key, "new: give all nodes the same".into(), true);
        Ok(())
    }

    fn cluster_url(&self) -> String {
        if let Some(url) = &self.url {
            return url.clone();
        }
        let s = if self.tls { "s" } else { "" };
        let login = self.login();
        match self.kind {
            RedisKind::Single => {
                let host = self.host.as_deref().unwrap_or("127.0.0.1");
                let port = self.port.unwrap_or(6379);
                format!("redis{s}://{login}{}:{port}", bracketed(host))
            }
            RedisKind::Sentinel => {
                let master = self.master.as_deref().unwrap_or("mymaster");
                format!("redis{s}+sentinel://{login}{}/{master}", self.sentinels.join(","))
            }
            RedisKind::Cluster => {
                format!("redis{s}-cluster://{login}{}", self.nodes.join(","))
            }
        }
    }

    fn login(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        match (&self.user, &self.password) {
            (_, None) => String::new(),
            (user, Some(password)) => {
                format!(
                    "{}:{}@",
                    user.as_deref().map(encoded).unwrap_or_default(),
                    encoded(password)
                )
            }
        }
    }
}

fn bracketed(host: &str) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_redis_has_its_url() {
        let single = Redis {
            host: Some("::1".into()),
            user: Some("u".into()),
            password: Some("p@:/?#%".into()),
            ..Redis::default()
        };
        assert_eq!(single.cluster_url(), "redis://u:p%40%3A%2F%3F%23%25@[::1]:6379");
        let sentinel = Redis {
            kind: RedisKind::Sentinel,
            tls: true,
            password: Some("p".into()),
            sentinels: vec!["a:1".into(), "b:2".into()],
            master: Some("shop".into()),
            ..Redis::default()
        };
        assert_eq!(sentinel.cluster_url(), "rediss+sentinel://:p@a:1,b:2/shop");
        let nodes = vec!["a:1".into(), "b:2".into()];
        let cluster = Redis { kind: RedisKind::Cluster, nodes, ..Redis::default() };
        assert_eq!(cluster.cluster_url(), "redis-cluster://a:1,b:2");
    }
}
