//! Checks 1 and 2: the name's addresses, and a TCP connection to each.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
};

use tokio::task::JoinSet;

use super::{
    dial::NetworkPlace,
    finding::{DoctorCheck, Finding, Remedy},
};
use crate::cli::client::{
    ClientError,
    connect::{resolve, tcp},
};

/// `given`: addresses to use in place of the name's.
pub async fn find_addresses(place: &NetworkPlace, given: &[IpAddr]) -> (Finding, Vec<SocketAddr>) {
    let check = DoctorCheck::Name;
    let with_port = |ip: &IpAddr| SocketAddr::new(*ip, place.port);
    if !given.is_empty() {
        let list = listed(given.iter());
        return (
            check.skip(format!("not asked for: --address {list}")),
            given.iter().map(with_port).collect(),
        );
    }
    if let Some(ip) = place.ip() {
        return (check.skip(format!("{ip} is an address and no name")), vec![with_port(&ip)]);
    }
    match resolve(&place.host, place.port).await {
        Ok(addresses) => {
            let ips: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
            (check.ok(format!("{} is {}", place.host, listed(ips.iter()))), addresses)
        }
        Err(error) => {
            let remedy = format!(
                "make a record A (and AAAA, if the server has IPv6) for {}, and look at the spelling",
                place.host
            );
            (check.fail(reason_of(&error, &place.host), vec![Remedy::advice(remedy)]), Vec::new())
        }
    }
}

fn reason_of(error: &ClientError, host: &str) -> String {
    match error {
        ClientError::Unresolved { reason, .. } => format!("{host} has no address: {reason}"),
        other => other.to_string(),
    }
}

fn listed<'a>(ips: impl Iterator<Item = &'a IpAddr>) -> String {
    ips.map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

/// The reason for which an address did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    Refused,
    TimedOut,
    /// This machine has no way to the address: often no IPv6 at all.
    NoRoute,
    Other,
}

impl Silence {
    fn of(error: &ClientError) -> Self {
        let ClientError::Refused { error, .. } = error else { return Self::Other };
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::AddrNotAvailable => Self::NoRoute,
            _ => Self::Other,
        }
    }

    /// Behind the address.
    fn words(self) -> &'static str {
        match self {
            Self::Refused => "refuses the connection",
            Self::TimedOut | Self::Other => "does not answer",
            Self::NoRoute => "cannot be reached from this machine",
        }
    }
}

type TcpOutcome = (SocketAddr, Result<(), Silence>);

/// All at once: a silent address takes its whole deadline. The answering ones are in the given order.
pub async fn connect_to_each(addresses: &[SocketAddr]) -> (Finding, Vec<SocketAddr>) {
    let mut connecting = JoinSet::new();
    for (index, address) in addresses.iter().copied().enumerate() {
        connecting.spawn(async move {
            let outcome = tcp(address).await.map(|_| ()).map_err(|error| Silence::of(&error));
            (index, (address, outcome))
        });
    }
    let mut outcomes: Vec<(usize, TcpOutcome)> = Vec::new();
    while let Some(outcome) = connecting.join_next().await {
        outcomes.extend(outcome);
    }
    outcomes.sort_by_key(|(index, _)| *index);
    let outcomes: Vec<TcpOutcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    let answering = outcomes.iter().filter(|(_, result)| result.is_ok());
    (judge(&outcomes), answering.map(|(address, _)| *address).collect())
}

fn judge(outcomes: &[TcpOutcome]) -> Finding {
    let check = DoctorCheck::Tcp;
    let answering: Vec<String> = outcomes
        .iter()
        .filter(|(_, result)| result.is_ok())
        .map(|(address, _)| address.to_string())
        .collect();
    let silent: Vec<(SocketAddr, Silence)> =
        outcomes.iter().filter_map(|(address, result)| Some((*address, result.err()?))).collect();
    let plural = if answering.len() == 1 { "answers" } else { "answer" };
    let answers = format!("{} {plural}", answering.join(" and "));
    let told = silent.iter().map(|(address, why)| format!("{address} {}", why.words()));
    let told = told.collect::<Vec<_>>().join(", ");
    if silent.is_empty() {
        return check.ok(answers);
    }
    if answering.is_empty() {
        return check.fail(told, vec![Remedy::advice(NOBODY)]);
    }
    let only_ipv6 = silent.iter().all(|(address, _)| address.is_ipv6());
    if only_ipv6 && silent.iter().all(|(_, why)| *why == Silence::NoRoute) {
        let message = format!("{answers}; {told}: IPv6 is not checked from here");
        return check.warn(message, vec![Remedy::advice(OTHER_MACHINE)]);
    }
    let mut remedies = vec![Remedy::advice(ONE_SILENT)];
    let clients = match only_ipv6 {
        true => {
            remedies.extend(silent.first().map(|(address, _)| ipv6_listener(address.port())));
            "clients with IPv6 will wait"
        }
        false => "clients that take the other address will wait",
    };
    check.fail(format!("{told}, {answers}: {clients}"), remedies)
}

/// Most proxies listen on IPv4 alone unless they are told otherwise.
fn ipv6_listener(port: u16) -> Remedy {
    Remedy::lines("nginx, beside the line for IPv4", [format!("listen [::]:{port} ssl;")])
}

const NOBODY: &str = "start the proxy or the server, and open the port in the firewall: listen in Sealcast's configuration, or the proxy's, names address and port";
const ONE_SILENT: &str =
    "let the proxy listen on every address of the name, or remove the record of the silent one";
const OTHER_MACHINE: &str = "run it from a machine with IPv6 as well";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Judgement;

    const V4: &str = "203.0.113.7:443";
    const V6: &str = "[2001:db8::1]:443";

    fn judged(outcomes: &[(&str, Result<(), Silence>)]) -> (Judgement, String) {
        let outcomes: Vec<TcpOutcome> = outcomes
            .iter()
            .map(|(address, result)| (address.parse().expect("an address"), *result))
            .collect();
        let finding = judge(&outcomes);
        (finding.judgement, finding.message)
    }

    #[test]
    fn silent_addresses_are_judged_by_what_clients_feel() {
        for (outcomes, judgement, message) in [
            (vec![(V4, Ok(()))], Judgement::Ok, "203.0.113.7:443 answers"),
            (
                vec![(V6, Err(Silence::TimedOut)), (V4, Ok(()))],
                Judgement::Fail,
                "[2001:db8::1]:443 does not answer, 203.0.113.7:443 answers: clients with IPv6 will wait",
            ),
            (
                vec![(V4, Err(Silence::Refused)), (V6, Ok(()))],
                Judgement::Fail,
                "203.0.113.7:443 refuses the connection, [2001:db8::1]:443 answers: clients that take the other address will wait",
            ),
            (
                vec![(V6, Err(Silence::NoRoute)), (V4, Ok(()))],
                Judgement::Warn,
                "203.0.113.7:443 answers; [2001:db8::1]:443 cannot be reached from this machine: IPv6 is not checked from here",
            ),
            (
                vec![(V6, Err(Silence::NoRoute)), (V4, Err(Silence::TimedOut))],
                Judgement::Fail,
                "[2001:db8::1]:443 cannot be reached from this machine, 203.0.113.7:443 does not answer",
            ),
        ] {
            assert_eq!(judged(&outcomes), (judgement, message.to_owned()));
        }
    }
}
