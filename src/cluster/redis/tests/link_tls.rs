//! TLS to Redis, with the client's certificate.

use std::{path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use zeroize::Zeroizing;

use super::{
    engine::ACL,
    link_scene::{USER, add_user, endpoint, link_to},
    server::{RedisServer, free_port},
};
use crate::cluster::{
    redis::{
        backlog::Backlog,
        link::{
            LinkError, LinkEvent,
            tls::{InvalidTls, client_config},
        },
        scripts::Scripts,
    },
    settings::{ClientCertificate, RedisTls},
};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A certificate with the name of its issuer would count as signed by itself.
        params.distinguished_name.push(DnType::CommonName, "authority");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn sign(&self, name: &str) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    fn trusting(&self, client: Option<Pair>) -> RedisTls {
        let bytes = |text: String| Zeroizing::new(text.into_bytes());
        let client = client.map(|Pair { certificate, key }| ClientCertificate {
            chain: bytes(certificate),
            key: bytes(key),
        });
        RedisTls { ca: Some(bytes(self.certificate.clone())), client }
    }
}

/// The files that Redis reads.
struct TlsFiles(PathBuf);

impl TlsFiles {
    fn write(authority: &Authority, server: &Pair) -> Self {
        let directory = std::env::temp_dir().join(format!("sealcast-tls-{}", free_port()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let files = [
            ("ca.pem", &authority.certificate),
            ("server.pem", &server.certificate),
            ("server.key", &server.key),
        ];
        for (name, text) in files {
            std::fs::write(directory.join(name), text).expect("a file");
        }
        Self(directory)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path").to_owned()
    }
}

impl Drop for TlsFiles {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn first_event(tls: &RedisTls, port: u16) -> LinkEvent<u64> {
    let config = client_config(tls).expect("valid settings");
    let mut endpoint = endpoint(port, USER);
    endpoint.access.tls = Some(config);
    let mut link = link_to(endpoint, &Arc::new(Scripts::new()), &Backlog::new(1));
    loop {
        match link.next().await {
            LinkEvent::Subscribed(_) => {}
            event => return event,
        }
    }
}

#[tokio::test]
async fn tls_needs_a_trusted_server_and_the_certificate_of_the_client() {
    let authority = Authority::new();
    let files = TlsFiles::write(&authority, &authority.sign("127.0.0.1"));
    let port = free_port();
    let paths = ["ca.pem", "server.pem", "server.key"].map(|name| files.path(name));
    let options = [
        ["--tls-port", &port.to_string()],
        ["--tls-ca-cert-file", &paths[0]],
        ["--tls-cert-file", &paths[1]],
        ["--tls-key-file", &paths[2]],
    ];
    let server = RedisServer::start_with(options.as_flattened());
    add_user(&server, ACL);
    let known = authority.trusting(Some(authority.sign("node")));
    if let LinkEvent::Away { error, .. } = first_event(&known, port).await {
        panic!("{error}");
    }
    let untrusted = Authority::new().trusting(Some(authority.sign("node")));
    let refused = first_event(&untrusted, port).await;
    assert!(matches!(refused, LinkEvent::Away { error: LinkError::Tls, .. }));
    let unknown = authority.trusting(None);
    assert!(matches!(first_event(&unknown, port).await, LinkEvent::Away { .. }));
    let plain = first_event(&known, server.port()).await;
    assert!(matches!(plain, LinkEvent::Away { error: LinkError::Tls, .. }));
}

#[test]
fn wrong_parts_of_the_settings_are_named() {
    let authority = Authority::new();
    let bytes = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
    let error = |settings: &RedisTls| client_config(settings).map(|_| ()).unwrap_err();
    let mut settings = authority.trusting(Some(authority.sign("node")));
    settings.ca = Some(bytes("no certificate"));
    assert_eq!(error(&settings), InvalidTls::Authority);
    let mut pair = authority.sign("node");
    pair.certificate.clear();
    assert_eq!(error(&authority.trusting(Some(pair))), InvalidTls::Chain);
    let mut pair = authority.sign("node");
    pair.key = authority.sign("node").key;
    assert_eq!(error(&authority.trusting(Some(pair))), InvalidTls::Key);
    assert!(client_config(&RedisTls::default()).is_ok());
}
