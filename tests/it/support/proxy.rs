//! nginx, Caddy and HAProxy in front of a server.
//!
//! Each begins with a configuration that is right. A test takes a line away or puts another in its
//! place.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{DEADLINE, TempDir};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProgram {
    Nginx,
    Caddy,
    Haproxy,
}

impl ProxyProgram {
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Caddy, Self::Haproxy];

    /// The name in messages of the doctor; HAProxy names itself in no answer of the server.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "Caddy",
            Self::Haproxy => "HAProxy",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
        }
    }

    /// True if it is on this machine. With `IT_PROXIES`, which tests/run sets, a missing one fails
    /// the test; without, the test says that it is skipped.
    pub fn is_installed(self) -> bool {
        let found = Command::new(self.program())
            .arg(if self == Self::Caddy { "version" } else { "-v" })
            .env("PATH", search_path())
            .output()
            .is_ok();
        assert!(
            found || std::env::var_os("IT_PROXIES").is_none(),
            "{} is not installed, and IT_PROXIES is set",
            self.name()
        );
        if !found {
            eprintln!("skipped: {} is not installed", self.name());
        }
        found
    }

    fn arguments(self, file: &str, dir: &str) -> Vec<String> {
        match self {
            Self::Nginx => ["-c", file, "-p", dir, "-e", "stderr"].map(str::to_owned).to_vec(),
            Self::Caddy => {
                ["run", "--config", file, "--adapter", "caddyfile"].map(str::to_owned).to_vec()
            }
            Self::Haproxy => ["-db", "-f", file].map(str::to_owned).to_vec(),
        }
    }

    /// `tls`: with `chain.pem`, `key.pem` and, for HAProxy, `both.pem` of the directory.
    fn configuration(self, dir: &str, port: u16, tls: bool) -> String {
        match (self, tls) {
            (Self::Nginx, _) => nginx(dir, port, tls),
            (Self::Caddy, _) => caddy(dir, port, tls),
            (Self::Haproxy, _) => haproxy(dir, port, tls),
        }
    }
}

/// Debian has nginx and HAProxy where only root looks for programs.
fn search_path() -> String {
    format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default())
}

fn nginx(dir: &str, port: u16, tls: bool) -> String {
    let (ssl, files) = match tls {
        true => {
            (" ssl", format!("ssl_certificate {dir}/chain.pem; ssl_certificate_key {dir}/key.pem;"))
        }
        false => ("", String::new()),
    };
    format!(
        "daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr error;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; \"\" \"\"; }}
  upstream sealcast {{ server UPSTREAM; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port}{ssl};
    {files}
    location / {{
      proxy_pass http://sealcast;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_read_timeout 5m;
    }}
  }}
}}
"
    )
}

fn caddy(dir: &str, port: u16, tls: bool) -> String {
    let (scheme, files) = match tls {
        true => ("https", format!("tls {dir}/chain.pem {dir}/key.pem")),
        false => ("http", String::new()),
    };
    format!(
        "{{
	admin off
	auto_https off
}}
{scheme}://:{port} {{
	bind 127.0.0.1
	{files}
	reverse_proxy UPSTREAM {{
	}}
}}
"
    )
}

fn haproxy(dir: &str, port: u16, tls: bool) -> String {
    let files = if tls { format!(" ssl crt {dir}/both.pem alpn http/1.1") } else { String::new() };
    format!(
        "global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 5m
    timeout server 5m
    timeout tunnel 1h
frontend public
    bind 127.0.0.1:{port}{files}
    default_backend sealcast
backend sealcast
    option forwardfor
    server one UPSTREAM
"
    )
}

/// A proxy before its start.
pub struct ProxyLaunch {
    program: ProxyProgram,
    pub dir: TempDir,
    port: u16,
    text: String,
}

/// Stopped on drop.
pub struct RunningProxy {
    child: Child,
    pub addr: SocketAddr,
    _dir: TempDir,
}

impl ProxyLaunch {
    /// In front of this server, without TLS.
    pub fn new(program: ProxyProgram, upstream: SocketAddr) -> Self {
        Self::of(program, upstream, false)
    }

    /// With these certificates, the server's first, and its key.
    pub fn with_tls(program: ProxyProgram, upstream: SocketAddr, chain: &str, key: &str) -> Self {
        let launch = Self::of(program, upstream, true);
        launch.dir.write("chain.pem", chain);
        launch.dir.write("key.pem", key);
        launch.dir.write("both.pem", &format!("{chain}{key}"));
        launch
    }

    fn of(program: ProxyProgram, upstream: SocketAddr, tls: bool) -> Self {
        let (dir, port) = (TempDir::new(), free_port());
        let path = dir.path().display().to_string();
        let text = program.configuration(&path, port, tls);
        Self { program, dir, port, text: text.replace("UPSTREAM", &upstream.to_string()) }
    }

    /// The configuration with another text in the place of this one.
    pub fn replace(mut self, found: &str, other: &str) -> Self {
        assert!(self.text.contains(found), "{found:?} is not in:\n{}", self.text);
        self.text = self.text.replace(found, other);
        self
    }

    pub fn without(self, line: &str) -> Self {
        self.replace(line, "")
    }

    /// Waits until it accepts connections.
    pub async fn start(self) -> RunningProxy {
        let Self { program, dir, port, text } = self;
        let file = dir.write("proxy.conf", &text).display().to_string();
        let path = dir.path().display().to_string();
        let mut child = Command::new(program.program())
            .args(program.arguments(&file, &path))
            .env("PATH", search_path())
            .env("HOME", &path)
            .env("XDG_DATA_HOME", &path)
            .env("XDG_CONFIG_HOME", &path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.path().join("stderr")).expect("a file"))
            .spawn()
            .expect("an installed proxy");
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let end = Instant::now() + DEADLINE;
        while TcpStream::connect(addr).is_err() {
            let ended = child.try_wait().expect("the child can be asked");
            if ended.is_some() || Instant::now() > end {
                let _ = child.kill();
                let said = std::fs::read_to_string(dir.path().join("stderr")).unwrap_or_default();
                panic!("{} does not start ({ended:?}):\n{text}\n{said}", program.name());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        RunningProxy { child, addr, _dir: dir }
    }
}

/// Free at this moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Drop for RunningProxy {
    fn drop(&mut self) {
        // nginx ends its workers then; a kill would leave them.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &pid]).status();
        let _ = self.child.wait();
    }
}
