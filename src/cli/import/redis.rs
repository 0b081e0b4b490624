//! The section `[cluster]`, from the settings of the other server's Redis.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    draft::{Draft, DraftSettings},
    input::value::{self, Reason},
    row::{GivenSetting, Remark, RowMark, TakeResult, changed, unneeded},
};
use crate::crypto::key::MasterKey;

/// Redis behind several nodes.
#[derive(Default)]
pub struct RedisDraft {
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
    /// A login beside the URL counts if the URL has none, as in Laravel.
    pub takes_login: bool,
    pub settings: DraftSettings,
    /// The names that were taken, with the part of the URL that they give.
    pub origins: Vec<(RedisPart, String)>,
    /// Parts whose values have a line of their own, since they could not be taken.
    failed: Vec<RedisPart>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RedisKind {
    #[default]
    Single,
    Sentinel,
    Cluster,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RedisPart {
    /// In every URL: the kind of Redis, and its database.
    Kind,
    Url,
    Address,
    User,
    Password,
    Tls,
    Sentinels,
    SentinelPassword,
    Master,
    Nodes,
}

const ALONE: &str = "without several nodes there is no Redis";

/// Takes a part of the login or the address; not needed if Redis is not used.
pub fn part(
    draft: &mut Draft,
    given: &GivenSetting<'_>,
    part: RedisPart,
    set: impl FnOnce(&mut RedisDraft, &Value) -> Result<(), Reason>,
) -> TakeResult {
    if !draft.redis.is_used {
        return unneeded(ALONE);
    }
    if let Err(reason) = set(&mut draft.redis, &given.entry.value) {
        draft.redis.failed.push(part);
        return Err(reason);
    }
    // Of two names for one of these the last counts.
    let is_one = [RedisPart::User, RedisPart::Password, RedisPart::Nodes].contains(&part);
    draft.redis.origins.retain(|(other, _)| !is_one || *other != part);
    draft.redis.origins.push((part, given.entry.shown.clone()));
    Ok(Remark::AsDocumented)
}

/// The other server's nodes meet in Redis.
pub fn uses(draft: &mut Draft, given: &GivenSetting<'_>, kind: RedisKind) -> TakeResult {
    draft.redis.is_used = true;
    draft.redis.kind = kind;
    draft.redis.origins.push((RedisPart::Kind, given.entry.shown.clone()));
    Ok(Remark::AsDocumented)
}

pub fn host(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    part(draft, given, RedisPart::Address, |redis, value| {
        let text = value::text(value)?;
        // Laravel takes `tls://HOST`.
        let host = text.strip_prefix("tls://");
        redis.tls |= host.is_some();
        let host = host.unwrap_or(&text);
        check_host(&format!("{}:1", bracketed(host)))?;
        redis.host = Some(host.to_owned());
        Ok(())
    })
}

pub fn port(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    part(draft, given, RedisPart::Address, |redis, value| {
        redis.port = Some(value::port(value)?);
        Ok(())
    })
}

pub fn user(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    part(draft, given, RedisPart::User, |redis, value| {
        redis.user = Some(value::text(value)?);
        Ok(())
    })
}

pub fn password(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    part(draft, given, RedisPart::Password, |redis, value| {
        redis.password = Some(value::text(value)?);
        Ok(())
    })
}

pub fn tls(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    part(draft, given, RedisPart::Tls, |redis, _| {
        redis.tls = true;
        Ok(())
    })
}

pub fn master(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    part(draft, given, RedisPart::Master, |redis, value| {
        let name = value::text(value)?;
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.len() > 100 || !name.bytes().all(is_part) {
            return Err("has other characters than letters, digits, '-', '_' and '.': give the master such a name".into());
        }
        redis.master = Some(name);
        Ok(())
    })
}

/// Redis Cluster has no Sentinels.
pub fn sentinels(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    part(draft, given, RedisPart::Sentinels, |redis, value| {
        redis.sentinels = hosts_of_json(value, 26379)?;
        if !redis.sentinels.is_empty() && redis.kind == RedisKind::Single {
            redis.kind = RedisKind::Sentinel;
        }
        Ok(())
    })
}

pub fn database(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    match given.number()? {
        _ if !draft.redis.is_used => unneeded(ALONE),
        0 => {
            part(draft, given, RedisPart::Kind, |_, _| Ok(()))?;
            Ok(Remark::Noted(RowMark::Same, "database 0".into()))
        }
        _ => changed("database 0 is used here: cluster.prefix tells clusters of one Redis apart"),
    }
}

pub fn prefix(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let text = given.text()?;
    if !draft.redis.is_used {
        return unneeded(ALONE);
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if text.len() > 64 || !text.bytes().all(is_part) {
        return changed("cluster.prefix stays \"sealcast\": it has letters, digits and -_.: only");
    }
    draft.redis.settings.set("prefix", text, given);
    Ok(Remark::AsDocumented)
}

pub fn url(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    draft.redis.takes_login = given.laravel;
    part(draft, given, RedisPart::Url, |redis, value| {
        let url = value::text(value)?;
        let schemes = ["redis://", "rediss://", "tls://"];
        let is_clean = !url.contains(|c: char| c.is_whitespace() || "?#".contains(c));
        if !is_clean || !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            return Err("must be redis://HOST:PORT, or rediss://HOST:PORT with TLS, without blanks and parameters".into());
        }
        // A database in it is refused by the server.
        let (start, path) = url.split_at(url.rfind('/').unwrap_or(url.len()));
        let has_database = path.len() > 1 && path[1..].bytes().all(|b| b.is_ascii_digit());
        redis.url = Some(if has_database { start.to_owned() } else { url.clone() });
        Ok(())
    })
}

/// Texts `HOST:PORT` between commas, or a list in JSON.
pub fn hosts(value: &Value, port: u16) -> Result<Vec<String>, Reason> {
    match value::json(value) {
        Ok(Value::Array(_)) => hosts_of_json(value, port),
        _ => value::texts(value)?.iter().map(|text| named_host(text)).collect(),
    }
}

/// `[{"host": ..., "port": ...}]`
pub fn hosts_of_json(value: &Value, port: u16) -> Result<Vec<String>, Reason> {
    let reason = || {
        format!(
            r#"must be a list in JSON: write it as [{{"host":"10.0.0.1","port":{port}}}], with every host"#
        )
    };
    let Ok(Value::Array(list)) = value::json(value) else { return Err(reason()) };
    let one = |node: &Value| match node {
        Value::String(text) => named_host(text),
        node => {
            let host = node.get("host").and_then(Value::as_str).ok_or_else(reason)?;
            let port = node.get("port").map_or(Ok(port), value::port)?;
            named_host(&format!("{}:{port}", bracketed(host)))
        }
    };
    list.iter().map(one).collect()
}

fn named_host(text: &str) -> Result<String, Reason> {
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    check_host(host)?;
    Ok(host.to_owned())
}

/// `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`. The text is not repeated: it may hold a password.
fn check_host(text: &str) -> Result<(), Reason> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':')),
        None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_address = host.contains(':') && text.starts_with('[');
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_host = !host.is_empty() && host.bytes().all(|b| is_part(b) || is_address && b == b':');
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    match is_host && is_port {
        true => Ok(()),
        false => Err("has a host that is no name and no address: write HOST:PORT, and an IPv6 address in brackets".into()),
    }
}

/// What `finish` has to tell beside the settings.
#[derive(Default)]
pub struct RedisRemarks {
    /// Names that give no part of the URL, with the reason.
    pub unused: Vec<(String, String)>,
    /// The names of a URL that the server would refuse, and the reason.
    pub fault: Option<(String, String)>,
}

impl RedisDraft {
    /// Writes URL and key, if Redis is used.
    pub fn finish(&mut self, settings: &mut DraftSettings) -> std::io::Result<RedisRemarks> {
        let mut remarks = RedisRemarks::default();
        if !self.is_used {
            return Ok(remarks);
        }
        let mut used = Vec::new();
        for (part, name) in &self.origins {
            match self.why_unused(*part) {
                None => used.push(name.as_str()),
                Some(reason) => remarks.unused.push((name.clone(), reason.to_owned())),
            }
        }
        let (url, origin) = (self.cluster_url(), used.join(", "));
        remarks.fault = self.fault().map(|reason| (origin.clone(), reason.to_owned()));
        settings.put("url", url, origin, false);
        for prefix in std::mem::take(&mut self.settings).sorted() {
            settings.put(prefix.name, prefix.value.clone(), prefix.origin.clone(), false);
        }
        let key = MasterKey::generate()?.to_text();
        settings.put("key", &**key, "all nodes have the same".into(), true);
        Ok(remarks)
    }

    /// Their server passes over such parts as well.
    fn why_unused(&self, part: RedisPart) -> Option<&'static str> {
        use RedisKind::{Cluster, Sentinel, Single};
        use RedisPart as P;

        let has_login = self.url.as_ref().is_some_and(|url| url.contains('@') || !self.takes_login);
        let reason = match (part, self.kind) {
            (P::Kind | P::Url, _) => return None,
            (P::User | P::Password, _) if has_login => "the URL of Redis decides",
            (P::User, _) if self.password.is_none() => "a user counts together with a password",
            (P::User | P::Password, _) => return None,
            _ if self.url.is_some() => "the URL of Redis decides",
            (P::Tls, _)
            | (P::Address, Single)
            | (P::Sentinels | P::Master | P::SentinelPassword, Sentinel)
            | (P::Nodes, Cluster) => return None,
            (P::Address, Sentinel) => "the Sentinels name the server",
            (P::Address, Cluster) => "the nodes of Redis Cluster are named instead",
            (P::Nodes, _) => "only for Redis Cluster",
            (P::Sentinels | P::Master | P::SentinelPassword, _) => "only with Sentinels",
        };
        Some(reason)
    }

    fn fault(&self) -> Option<&'static str> {
        let is_told = self.failed.contains(&RedisPart::Nodes);
        let lacks_nodes =
            self.kind == RedisKind::Cluster && self.nodes.is_empty() && self.url.is_none();
        (lacks_nodes && !is_told)
            .then_some("Redis Cluster needs its nodes: write them into cluster.url")
    }

    fn cluster_url(&self) -> String {
        let login = self.login();
        if let Some(url) = &self.url {
            return match url.split_once("://") {
                Some((scheme, rest)) if self.takes_login && !rest.contains('@') => {
                    format!("{scheme}://{login}{rest}")
                }
                _ => url.clone(),
            };
        }
        let s = if self.tls { "s" } else { "" };
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
    fn hosts_are_names_or_addresses() {
        for text in ["a", "a:1", "a-b.example:65535", "10.0.0.1:6379", "[::1]:6379", "[::1]"] {
            assert_eq!(check_host(text), Ok(()), "{text}");
        }
        for text in ["", ":1", "a b", "a:", "a:0", "a:65536", "u:p@a:1", "::1", "[a b]:1", "a/b"] {
            assert!(check_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_kind_of_redis_has_its_url() {
        let single = RedisDraft {
            host: Some("::1".into()),
            user: Some("u".into()),
            password: Some("p@:/?#%".into()),
            ..RedisDraft::default()
        };
        assert_eq!(single.cluster_url(), "redis://u:p%40%3A%2F%3F%23%25@[::1]:6379");
        let sentinel = RedisDraft {
            kind: RedisKind::Sentinel,
            tls: true,
            password: Some("p".into()),
            sentinels: vec!["a:1".into(), "b:2".into()],
            master: Some("shop".into()),
            ..RedisDraft::default()
        };
        assert_eq!(sentinel.cluster_url(), "rediss+sentinel://:p@a:1,b:2/shop");
        let nodes = vec!["a:1".into(), "b:2".into()];
        let cluster = RedisDraft { kind: RedisKind::Cluster, nodes, ..RedisDraft::default() };
        assert_eq!(cluster.cluster_url(), "redis-cluster://a:1,b:2");
    }
}
