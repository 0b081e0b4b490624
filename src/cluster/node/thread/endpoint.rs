//! The address of Redis.

use super::StartError;
use crate::cluster::{
    redis::link::{Endpoint, tls},
    settings::RedisTls,
    url::ClusterUrl,
};

pub fn endpoint(url: ClusterUrl, certificates: &RedisTls) -> Result<Endpoint, StartError> {
    let host = url.single_host()?.clone();
    let tls = url.tls.then(|| tls::client_config(certificates)).transpose()?;
    Ok(Endpoint { host, login: url.login, tls })
}
