//! The address of Redis.

use super::StartError;
use crate::cluster::{
    redis::link::{Endpoint, MasterAddress, tls},
    settings::RedisTls,
    url::{ClusterUrl, RedisTopology, UnsupportedTopology},
};

pub fn endpoint(url: ClusterUrl, certificates: &RedisTls) -> Result<Endpoint, StartError> {
    let address = match (url.topology, url.hosts) {
        (RedisTopology::Single, hosts) => {
            let host = hosts.into_iter().next().ok_or(UnsupportedTopology)?;
            MasterAddress::Fixed(host)
        }
        (RedisTopology::Sentinel { master }, hosts) => MasterAddress::Sentinels { hosts, master },
        (RedisTopology::Cluster, _) => return Err(UnsupportedTopology.into()),
    };
    let tls = url.tls.then(|| tls::client_config(certificates)).transpose()?;
    Ok(Endpoint { address, login: url.login, tls })
}
