//! The address of Redis.

use super::StartError;
use crate::cluster::{
    redis::{
        link::{MasterAddress, RedisAccess, tls},
        links::EngineAddress,
    },
    settings::RedisTls,
    url::{ClusterUrl, RedisTopology},
};

pub fn address(
    url: ClusterUrl,
    certificates: &RedisTls,
) -> Result<(EngineAddress, RedisAccess), StartError> {
    let ClusterUrl { topology, tls, hosts, login } = url;
    let address = match topology {
        RedisTopology::Single => {
            let host = hosts.into_iter().next();
            EngineAddress::One(host.map_or(MasterAddress::Nowhere, MasterAddress::Fixed))
        }
        RedisTopology::Sentinel { master } => {
            EngineAddress::One(MasterAddress::Sentinels { hosts, master })
        }
        RedisTopology::Cluster => EngineAddress::Cluster(hosts),
    };
    let tls = tls.then(|| tls::client_config(certificates)).transpose()?;
    Ok((address, RedisAccess { login, tls }))
}
