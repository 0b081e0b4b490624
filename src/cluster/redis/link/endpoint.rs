//! Where the master is, and the rights there.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::cluster::{
    redis::checks::Failover,
    url::{RedisHost, RedisLogin},
};

/// Has no `Debug`.
pub struct Endpoint {
    pub address: MasterAddress,
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
}

impl MasterAddress {
    pub fn failover(&self) -> Failover {
        match self {
            Self::Fixed(_) => Failover::Unexpected,
            Self::Sentinels { .. } => Failover::Expected,
        }
    }
}
