//! Where the master is, and the rights there.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::cluster::{
    redis::checks::Failover,
    url::{RedisHost, RedisLogin},
};

/// The same for all servers. Has no `Debug`.
pub struct RedisAccess {
    pub login: Option<RedisLogin>,
    pub tls: Option<Arc<ClientConfig>>,
}

pub enum MasterAddress {
    Fixed(RedisHost),
    /// They know where it is.
    Sentinels {
        hosts: Vec<RedisHost>,
        /// Its name among them.
        master: Box<str>,
    },
    /// One of the masters of a Redis Cluster.
    OfCluster(RedisHost),
    /// Nothing is opened: what is served waits.
    Nowhere,
}

impl MasterAddress {
    pub fn failover(&self) -> Failover {
        match self {
            Self::Sentinels { .. } => Failover::Expected,
            Self::Fixed(_) | Self::OfCluster(_) | Self::Nowhere => Failover::Unexpected,
        }
    }
}
