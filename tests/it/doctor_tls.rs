//! Certificates that clients refuse, behind each proxy, as `sealcast doctor` sees them.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};

use crate::support::*;

const NAME: &str = "ws.example.com";

/// A root, an intermediate, and a server's certificate.
struct Authority {
    root: Certificate,
    intermediate: Certificate,
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
}

fn params(name: &str, is_authority: bool) -> CertificateParams {
    let names = if is_authority { Vec::new() } else { vec![name.to_owned()] };
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

impl Authority {
    fn new() -> Self {
        let key = || KeyPair::generate().expect("a key");
        let (root_key, intermediate_key) = (key(), key());
        let root = params("Test Root", true);
        let certificate = root.self_signed(&root_key).expect("a root");
        let root_issuer = Issuer::new(root, root_key);
        let middle = params("Test R11", true);
        let intermediate =
            middle.signed_by(&intermediate_key, &root_issuer).expect("a certificate");
        let issuer = Issuer::new(middle, intermediate_key);
        Self { root: certificate, intermediate, issuer, key: key() }
    }

    fn leaf(&self, params: &CertificateParams) -> String {
        params.signed_by(&self.key, &self.issuer).expect("a certificate").pem()
    }

    fn chain(&self, params: &CertificateParams) -> String {
        self.leaf(params) + &self.intermediate.pem()
    }

    async fn proxy(&self, program: ProxyProgram, server: &TestServer, chain: &str) -> RunningProxy {
        let key = self.key.serialize_pem();
        ProxyLaunch::with_tls(program, server.addr, chain, &key).start().await
    }

    /// The findings of this proxy under the name, for a client that trusts the root.
    async fn examined(&self, proxy: &RunningProxy) -> Examined {
        let url = format!("https://{NAME}:{}", proxy.addr.port());
        let doctor = Doctor::of(&url).arg("--address", "127.0.0.1");
        doctor.file("--ca-file", &self.root.pem()).examine().await
    }
}

async fn start() -> TestServer {
    let top = "trusted_proxies = [\"127.0.0.1\"]";
    Launch::serve_plain(&config_of(top, &[(APP, "authorizer = \"open\"")])).start().await
}

#[tokio::test]
async fn c_whole_chain_is_well_behind_each_proxy() {
    let (server, authority) = (start().await, Authority::new());
    for program in ProxyProgram::ALL.into_iter().filter(|program| program.is_installed()) {
        let chain = authority.chain(&params(NAME, false));
        let proxy = authority.proxy(program, &server, &chain).await;
        let examined = authority.examined(&proxy).await;
        assert_eq!(examined.output.status.code(), Some(0), "{program:?}: {examined:#?}");
        let message = examined.message("tls");
        // nginx 1.22 offers TLS 1.3 only if asked to.
        let words = ", the certificate is for ws.example.com, ";
        assert!(message.starts_with("TLS 1.") && message.contains(words), "{message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn c_missing_intermediate_is_told_with_its_issuer() {
    if !ProxyProgram::Nginx.is_installed() {
        return;
    }
    let (server, authority) = (start().await, Authority::new());
    let leaf = authority.leaf(&params(NAME, false));
    let proxy = authority.proxy(ProxyProgram::Nginx, &server, &leaf).await;
    let examined = authority.examined(&proxy).await;
    let words = "the chain ends at \"ws.example.com\", and the certificate of its issuer \"Test R11\" is neither sent nor trusted";
    examined.expect_only_fault("tls", words, "ssl_certificate fullchain.pem;");
    // What carries no secret goes on; nothing is signed.
    assert_eq!(examined.result("handshake"), "ok", "{examined:#?}");
    assert!(examined.message("api").contains("nothing signed is sent"), "{examined:#?}");
    assert_eq!(examined.result("events"), "skip", "{examined:#?}");
    server.stop().await;
}

#[tokio::test]
async fn c_certificate_of_another_name_is_told_with_its_names() {
    if !ProxyProgram::Caddy.is_installed() {
        return;
    }
    let (server, authority) = (start().await, Authority::new());
    let chain = authority.chain(&params("www.example.com", false));
    let proxy = authority.proxy(ProxyProgram::Caddy, &server, &chain).await;
    let examined = authority.examined(&proxy).await;
    let words = "the certificate is for www.example.com, and not for this name";
    examined.expect_only_fault("tls", words, "get a certificate for ws.example.com");
    server.stop().await;
}

#[tokio::test]
async fn c_days_left_are_counted() {
    if !ProxyProgram::Haproxy.is_installed() {
        return;
    }
    let (server, authority) = (start().await, Authority::new());
    let mut expired = params(NAME, false);
    (expired.not_before, expired.not_after) =
        (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 4, 1));
    let proxy = authority.proxy(ProxyProgram::Haproxy, &server, &authority.chain(&expired)).await;
    let examined = authority.examined(&proxy).await;
    examined.expect_only_fault("tls", "the certificate expired ", "renew the certificate");

    // The whole seconds of the six days are over when the proxy has started.
    let mut ending = params(NAME, false);
    let end = unix_now() + 7 * 24 * 60 * 60 - 60;
    ending.not_after = date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(end as u64);
    let proxy = authority.proxy(ProxyProgram::Haproxy, &server, &authority.chain(&ending)).await;
    let examined = authority.examined(&proxy).await;
    assert_eq!(examined.result("tls"), "warn", "{examined:#?}");
    assert_eq!(examined.message("tls"), "the certificate expires in 6 days");
    assert_eq!(examined.output.status.code(), Some(0), "{examined:#?}");
    server.stop().await;
}

#[tokio::test]
async fn c_self_signed_certificate_and_no_tls_are_told() {
    let made = TestCertificate::new();
    let server = Launch::serve_plain(&config("")).tls(&made).start().await;
    let port = server.addr.port();
    let doctor = Doctor::of(&format!("https://localhost:{port}")).arg("--address", "127.0.0.1");
    let examined = doctor.examine().await;
    examined.expect_only_fault("tls", "is signed by itself", "--ca-file");
    server.stop().await;
    let plain = Launch::serve_plain(&config("")).start().await;
    let examined = Doctor::of(&format!("https://{}", plain.addr)).examine().await;
    examined.expect_only_fault("tls", "does not speak TLS", "use http:// or ws://");
    assert_eq!(examined.result("health"), "skip", "{examined:#?}");
    plain.stop().await;
}
