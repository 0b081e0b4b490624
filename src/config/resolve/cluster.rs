//! The section `[cluster]`.

use std::{path::Path, time::Duration};

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::{
    checks::{ConfigResult, SettingError, between, error},
    sealing::{parse_key, refuse_master_key},
    secrets::secret,
};
use crate::{
    app::App,
    cluster::{
        settings::{ClientCertificate, ClusterSettings, KeyPrefix, RedisTls},
        url::{ClusterUrl, RedisTopology},
    },
    config::raw::cluster::RawCluster,
    crypto::key::MasterKey,
    platform::{http::roots_of_pem, text_file},
    web::PairFiles,
};

/// Nodes raise their beats four times in a lease, each second at most.
const LEASE_SECONDS: (u64, u64) = (4, 600);

/// Nodes return at different times after a failover, up to ten seconds apart.
const FAILOVER_LEASE_SECONDS: u64 = 12;

const BACKLOG_BYTES: (usize, usize) = (1 << 20, 1 << 40);

/// `None` for a server alone.
pub fn cluster(
    raw: Option<&RawCluster>,
    apps: &[App],
    warnings: &mut Vec<String>,
) -> ConfigResult<Option<ClusterSettings>> {
    let Some(raw) = raw else { return Ok(None) };
    let url = url(raw)?;
    let tls = tls(raw, &url)?;
    let key = key(raw, warnings)?;
    // A key that gives others access must not fall with them.
    refuse_master_key(
        "cluster.key",
        &key.fingerprint(),
        apps,
        "give the cluster a key of its own",
    )?;
    let prefix = KeyPrefix::parse(&raw.prefix);
    let backlog_bytes = between("cluster.backlog_bytes", raw.backlog_bytes, BACKLOG_BYTES)?;
    let lease = between("cluster.lease_seconds", raw.lease_seconds, LEASE_SECONDS)?;
    if url.topology != RedisTopology::Single && lease < FAILOVER_LEASE_SECONDS {
        warnings.push(format!(
            "cluster.lease_seconds is {lease}, and nodes return from a failover up to 10 s apart: with less than {FAILOVER_LEASE_SECONDS}, some may count as dead meanwhile"
        ));
    }
    Ok(Some(ClusterSettings {
        url,
        key: key.into(),
        prefix: prefix
            .map_err(|e| SettingError::new("cluster.prefix", format!("cluster.prefix {e}")))?,
        lease: Duration::from_secs(lease),
        when_away: raw.when_away,
        backlog_bytes,
        tls,
    }))
}

/// The text is not repeated: a password may be in any part of it.
fn url(raw: &RawCluster) -> ConfigResult<ClusterUrl> {
    match &raw.url {
        Some(url) if !url.expose_secret().is_empty() => ClusterUrl::parse(url.expose_secret())
            .map_err(|e| SettingError::new("cluster.url", format!("cluster.url {e}"))),
        _ => error(
            "cluster.url",
            "cluster.url is missing: name the Redis that all nodes share, such as \"redis://redis.internal\" (or SEALCAST_CLUSTER__URL)",
        ),
    }
}

fn key(raw: &RawCluster, warnings: &mut Vec<String>) -> ConfigResult<MasterKey> {
    const KEY: &str = "cluster.key";
    match secret(KEY, &raw.key, &raw.key_file)? {
        Some(text) => parse_key(KEY, text.expose_secret(), warnings),
        None => error(
            KEY,
            "cluster.key is missing: without it, Redis would read all events. Make one with `sealcast keys generate`, and give it to all nodes of the cluster, and to nobody else (or cluster.key_file, SEALCAST_CLUSTER__KEY_FILE)",
        ),
    }
}

fn tls(raw: &RawCluster, url: &ClusterUrl) -> ConfigResult<RedisTls> {
    let files = [
        ("ca_file", &raw.ca_file),
        ("client_cert_file", &raw.client_cert_file),
        ("client_key_file", &raw.client_key_file),
    ];
    if let Some((name, _)) = files.iter().find(|(_, file)| file.is_some() && !url.tls) {
        return error(
            format!("cluster.{name}"),
            format!(
                "cluster.{name} is set, and cluster.url is {url}, on which no TLS is spoken: begin the URL with rediss, or remove cluster.{name}"
            ),
        );
    }
    let client = match (&raw.client_cert_file, &raw.client_key_file) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(client_certificate(certificate, key)?),
        (certificate, _) => {
            let (given, missing) = match certificate {
                Some(_) => ("client_cert_file", "client_key_file"),
                None => ("client_key_file", "client_cert_file"),
            };
            return error(
                format!("cluster.{given}"),
                format!(
                    "cluster.{given} is set, but cluster.{missing} is not: set both to show Redis a client certificate, or neither"
                ),
            );
        }
    };
    Ok(RedisTls { ca: raw.ca_file.as_deref().map(ca).transpose()?, client })
}

fn ca(file: &Path) -> ConfigResult<Zeroizing<Vec<u8>>> {
    let failed = |e: &dyn std::fmt::Display| {
        SettingError::new("cluster.ca_file", format!("cluster.ca_file: {}: {e}", file.display()))
    };
    let pem = text_file::read_bytes(file).map_err(|e| failed(&e))?;
    roots_of_pem(&pem).map_err(|e| failed(&e))?;
    Ok(pem)
}

fn client_certificate(certificate: &Path, key: &Path) -> ConfigResult<ClientCertificate> {
    let failed = |e: &dyn std::fmt::Display| {
        SettingError::new(
            "cluster.client_cert_file",
            format!("cluster.client_cert_file and cluster.client_key_file: {e}"),
        )
    };
    let pair = PairFiles { certificate: certificate.to_owned(), key: key.to_owned() };
    pair.load().map_err(|e| failed(&e))?;
    Ok(ClientCertificate {
        chain: text_file::read_bytes(certificate).map_err(|e| failed(&e))?,
        key: text_file::read_bytes(key).map_err(|e| failed(&e))?,
    })
}

#[cfg(test)]
mod tests;
