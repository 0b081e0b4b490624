//! One channel, for operators: subscribers, members, keys, cached event, log.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    channels::members::Members,
    cluster::node::queries::QueryError,
    crypto::{
        key::Fingerprint,
        keytable::{KeyTable, Version},
    },
    domain::channel::Channel,
    engine::{AppRuntime, Engine, queries::Attributes},
    hub::record::LockedRecord,
};

#[derive(Serialize, Deserialize, Debug, utoipa::ToSchema)]
pub struct ChannelDetail {
    pub name: Arc<str>,
    pub kind: String,
    pub subscription_count: u32,
    /// With `members`, on presence channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_count: Option<usize>,
    /// One page, ordered by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<MemberRow>>,
    /// The value of `after` for the next page of members; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// On encrypted channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionDetail>,
    /// The cached event, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheDetail>,
    /// The log in this server's memory or on its disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<LogDetail>,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, utoipa::ToSchema)]
pub struct MemberRow {
    pub id: String,
    /// Absent in a cluster: a node knows the members of all nodes, and not their connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, utoipa::ToSchema)]
pub struct EncryptionDetail {
    /// `sealed` or `blind`.
    pub mode: String,
    /// The key and the epoch that seal new events; absent in blind mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<Fingerprint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Subscriptions to this server with the secret of another key or epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<VersionDetail>,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, utoipa::ToSchema)]
pub struct VersionDetail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<Fingerprint>,
    pub epoch: u64,
    pub subscriptions: u32,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, utoipa::ToSchema)]
pub struct CacheDetail {
    /// Bytes of the event's data; on an encrypted channel, of its envelope.
    pub bytes: usize,
    pub age_seconds: u64,
    /// Seconds until it is dropped.
    pub ttl: u64,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, utoipa::ToSchema)]
pub struct LogDetail {
    pub events: usize,
    pub bytes: usize,
    /// Their bounds.
    pub max_events: u32,
    pub max_bytes: usize,
}

/// The page of members.
#[derive(Clone, Default, Debug)]
pub struct MembersQuery {
    pub after: Option<String>,
    pub limit: usize,
}

impl Engine {
    /// In a cluster, of all nodes. A channel without subscribers is no error.
    pub async fn channel_detail(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        query: &MembersQuery,
    ) -> Result<ChannelDetail, QueryError> {
        let app = runtime.app_snapshot();
        let asked = Attributes { subscription_count: true, cache: true, ..Attributes::default() };
        let info = self.attributes(runtime, channel, asked).await?;
        let mut detail = ChannelDetail {
            name: channel.name().clone(),
            kind: channel.kind().label().to_owned(),
            subscription_count: info.subscription_count.unwrap_or(0),
            user_count: None,
            members: None,
            next: None,
            encryption: runtime.encryption_detail(&app, channel),
            cache: None,
            history: runtime.log_detail(channel),
        };
        detail.cache = info.cache.flatten().map(|cached| CacheDetail {
            bytes: cached.data.len(),
            age_seconds: app.cache_ttl(channel).as_secs().saturating_sub(cached.ttl),
            ttl: cached.ttl,
        });
        if channel.kind().has_members() {
            let members = match self.cluster.node() {
                None => runtime.members(channel),
                Some(_) => {
                    let users = self.users(runtime, channel).await?;
                    users.into_iter().map(|id| MemberRow { id, connections: None }).collect()
                }
            };
            detail.set_members(members, query);
        }
        Ok(detail)
    }
}

impl ChannelDetail {
    fn set_members(&mut self, mut members: Vec<MemberRow>, query: &MembersQuery) {
        self.user_count = Some(members.len());
        members.retain(|member| query.after.as_ref().is_none_or(|after| member.id > *after));
        members.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        let has_more = members.len() > query.limit;
        members.truncate(query.limit);
        self.next = members.last().filter(|_| has_more).map(|last| last.id.clone());
        self.members = Some(members);
    }
}

impl AppRuntime {
    fn with_record<T>(
        &self,
        channel: &Channel,
        read: impl FnOnce(&LockedRecord<'_>) -> T,
    ) -> Option<T> {
        self.directory.with_existing(channel.name(), |_, locked| read(&locked))
    }

    fn members(&self, channel: &Channel) -> Vec<MemberRow> {
        let rows = |members: &Members| {
            let rows = members.connections().map(|(id, connections)| MemberRow {
                id: id.to_owned(),
                connections: Some(connections),
            });
            rows.collect()
        };
        self.with_record(channel, |locked| rows(locked.members())).unwrap_or_default()
    }

    fn encryption_detail(&self, app: &App, channel: &Channel) -> Option<EncryptionDetail> {
        if !channel.kind().is_encrypted() {
            return None;
        }
        let Some(ring) = app.ring(channel) else {
            let (key, epoch, behind) = (None, None, Vec::new());
            return Some(EncryptionDetail { mode: "blind".into(), key, epoch, behind });
        };
        let (table, target) = (ring.table(), ring.target(channel));
        let counts = self.with_record(channel, |locked| {
            locked.keys().map(|keys| keys.counts().collect::<BTreeMap<Version, u32>>())
        });
        let counts = counts.flatten().unwrap_or_default().into_iter();
        let behind = counts.filter(|(version, _)| *version != target).map(|(version, count)| {
            let (key, epoch) = (fingerprint(&table, version), version.epoch);
            VersionDetail { key, epoch, subscriptions: count }
        });
        Some(EncryptionDetail {
            mode: "sealed".into(),
            key: fingerprint(&table, target),
            epoch: Some(target.epoch),
            behind: behind.collect(),
        })
    }

    fn log_detail(&self, channel: &Channel) -> Option<LogDetail> {
        let now = Instant::now();
        let detail = self.with_record(channel, |locked| {
            let log = locked.log().filter(|log| log.is_live(now))?;
            let settings = log.settings();
            Some(LogDetail {
                events: log.len(),
                bytes: log.bytes(),
                max_events: settings.events,
                max_bytes: settings.bytes,
            })
        });
        detail.flatten()
    }
}

fn fingerprint(table: &KeyTable, version: Version) -> Option<Fingerprint> {
    Some(table.by_number(version.key)?.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_paged_by_id() {
        let row = |id: &str| MemberRow { id: id.into(), connections: Some(1) };
        let mut detail = ChannelDetail {
            name: "presence-room".into(),
            kind: "presence".into(),
            subscription_count: 3,
            user_count: None,
            members: None,
            next: None,
            encryption: None,
            cache: None,
            history: None,
        };
        let query = MembersQuery { after: None, limit: 2 };
        detail.set_members(vec![row("c"), row("a"), row("b")], &query);
        assert_eq!(detail.members, Some(vec![row("a"), row("b")]));
        assert_eq!((detail.user_count, detail.next.as_deref()), (Some(3), Some("b")));
        let query = MembersQuery { after: detail.next.clone(), limit: 2 };
        detail.set_members(vec![row("c"), row("a"), row("b")], &query);
        assert_eq!((detail.members, detail.next), (Some(vec![row("c")]), None));
        assert_eq!(detail.user_count, Some(3));
    }
}
