//! The address of Redis.

use super::StartError;
use crate::cluster::{
    redis::link::{Endpoint, tls},
    settings::RedisTls,
    url::{ClusterUrl, RedisTopology},
};

pub fn endpoint(url: ClusterUrl, certificates: &RedisTls) -> Result<Endpoint, StartError> {
    let ClusterUrl { topology, tls, hosts, login } = url;
    match topology {
        RedisTopology::Single => {}
        RedisTopology::Sentinel { .. } | RedisTopology::Cluster => {
            return Err(StartError::Topology);
        }
    }
    let host = hosts.into_iter().next().ok_or(StartError::Topology)?;
    let tls = tls.then(|| tls::client_config(certificates)).transpose()?;
    Ok(Endpoint { host, login, tls })
}
