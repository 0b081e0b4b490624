//! The addresses that a start would need: those to listen on, and that of Redis.

use std::{
    io,
    net::SocketAddr,
    os::unix::{fs::FileTypeExt, net::UnixStream},
    path::Path,
    time::Duration,
};

use serde::Deserialize;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    cli::client::{AdminClient, runtime::block_on},
    config::{Config, Findings},
    platform::{address::Address, state_dir::admin_socket_path},
};

const REDIS_TIMEOUT: Duration = Duration::from_secs(2);

/// Finds nothing wrong with the addresses of the server that runs with this state directory. Another
/// process on an address is a warning: the check may run beside the server that is to be replaced.
pub fn check(findings: &mut Findings<'_>) {
    let Some(config) = &findings.config else { return };
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    let running = OwnServer::of(&config.state_dir);
    for (setting, address) in addresses(config) {
        match problem(address) {
            None => {}
            Some(Problem::Taken) if running.listens_on(address) => {}
            Some(Problem::Taken) => warnings.push(format!(
                "{setting} is {address}, which another process listens on: the server would not start beside it"
            )),
            Some(Problem::Refused(reason)) if reason.kind() == io::ErrorKind::AddrNotAvailable => {
                let message = format!("{setting} is {address}, which is no address of this machine");
                faults.push((setting, message));
            }
            Some(Problem::Refused(reason)) => warnings.push(format!(
                "{setting} is {address}, on which this user cannot listen now: {reason}"
            )),
            Some(Problem::Path(reason)) => {
                faults.push((setting, format!("{setting} is {address}: {reason}")));
            }
        }
    }
    // A URL with a fault leads nowhere.
    if findings.is_good()
        && let Some(cluster) = &config.cluster
        && !cluster.url.accepts(REDIS_TIMEOUT)
    {
        warnings.push(
            "cluster.url: nothing accepts a connection there within 2 seconds. The node starts, and is not ready until Redis is".into(),
        );
    }
    findings.warnings.extend(warnings);
    faults.into_iter().for_each(|(setting, message)| findings.add(setting, message));
}

fn addresses(config: &Config) -> impl Iterator<Item = (&'static str, &Address)> {
    let addresses = &config.addresses;
    // The server starts without an operations listener that may fail.
    let operations = addresses.operations.as_ref().filter(|_| !addresses.operations_may_fail);
    let named = [
        ("listen", Some(&addresses.public)),
        ("api_listen", addresses.api.as_ref()),
        ("ops_listen", operations),
    ];
    named.into_iter().filter_map(|(setting, address)| Some((setting, address?)))
}

/// The server with the same state directory.
enum OwnServer {
    Absent,
    /// It does not tell its addresses.
    Unknown,
    ListensOn(Vec<Address>),
}

impl OwnServer {
    fn of(state_dir: &Path) -> Self {
        if UnixStream::connect(admin_socket_path(state_dir)).is_err() {
            return Self::Absent;
        }
        let asked = block_on(async {
            AdminClient::of_state_dir(state_dir)?.get::<ShownConfig>("/admin/config").await
        });
        let Ok(ShownConfig { settings }) = asked else { return Self::Unknown };
        let listeners = settings.iter().filter(|it| it.setting.ends_with("listen"));
        Self::ListensOn(listeners.filter_map(|it| it.value.as_str()?.parse().ok()).collect())
    }

    fn listens_on(&self, address: &Address) -> bool {
        match self {
            Self::Absent => false,
            Self::Unknown => true,
            Self::ListensOn(own) => own.iter().any(|own| are_one_place(own, address)),
        }
    }
}

#[derive(Deserialize)]
struct ShownConfig {
    settings: Vec<ShownValue>,
}

#[derive(Deserialize)]
struct ShownValue {
    setting: String,
    value: serde_json::Value,
}

/// A server on all addresses holds the port of each. `one` is that of the running server.
fn are_one_place(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Tcp(one), Address::Tcp(other)) => {
            let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
            let ports = [one.port(), other.port()];
            // The system has chosen the port of the running server.
            (ports[0] == ports[1] || ports[0] == 0) && (is_any || one.ip() == other.ip())
        }
        (one, other) => one.to_string() == other.to_string(),
    }
}

enum Problem {
    /// Another process listens there.
    Taken,
    Refused(io::Error),
    /// The path of a Unix socket is unusable.
    Path(&'static str),
}

fn problem(address: &Address) -> Option<Problem> {
    match address {
        Address::Tcp(address) => tcp_problem(*address),
        Address::Name(name) => match name.resolve() {
            Ok(addresses) => addresses.into_iter().find_map(tcp_problem),
            Err(error) => Some(Problem::Refused(error)),
        },
        Address::Unix(path) => unix_problem(path),
    }
}

fn tcp_problem(address: SocketAddr) -> Option<Problem> {
    if address.port() == 0 {
        return None;
    }
    let bound = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .and_then(|socket| {
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())
        });
    match bound {
        Ok(()) => None,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Some(Problem::Taken),
        Err(error) => Some(Problem::Refused(error)),
    }
}

fn unix_problem(path: &Path) -> Option<Problem> {
    match path.symlink_metadata() {
        Ok(there) if !there.file_type().is_socket() => {
            Some(Problem::Path("something else than a socket is there; move it away"))
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Some(Problem::Taken),
            Err(_) => None,
        },
        Err(_) if !path.parent().is_some_and(Path::is_dir) => {
            Some(Problem::Path("the directory is missing; make it for the user of the server"))
        }
        Err(_) => None,
    }
}
