//! Faults of clients before there is anything to refuse: bytes that are not HTTP, failed TLS
//! handshakes, slow readers. Strangers can repeat them at will, so each is one line at `DEBUG`
//! within a rate limit, and one line a minute at `INFO` sums them up.

use std::{
    collections::HashSet,
    fmt::{self, Display},
    net::IpAddr,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    domain::rate_limit::{GcraParams, LocalRateLimiter},
    platform::counting::Count,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientFault {
    NotHttp,
    HeadTooLarge,
    /// TLS on a listener without TLS.
    TlsOnPlain,
    /// Plain HTTP on a listener with TLS.
    PlainOnTls,
    TlsHandshake,
    Http2,
    ProxyHeader,
    SlowReader,
    /// Everything else, such as an upgrade that broke off.
    Other,
}

const FAULTS: usize = 9;
/// Lines at `DEBUG` each second.
const LINES: GcraParams = GcraParams::new(Duration::from_secs(1), 10);
/// Time between two summary lines.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);
/// Networks remembered as already logged, and how long they are remembered.
const MAX_NETWORKS: usize = 1024;
const NETWORK_MEMORY: Duration = Duration::from_secs(60 * 60);

impl ClientFault {
    pub const ALL: [Self; FAULTS] = [
        Self::NotHttp,
        Self::HeadTooLarge,
        Self::TlsOnPlain,
        Self::PlainOnTls,
        Self::TlsHandshake,
        Self::Http2,
        Self::ProxyHeader,
        Self::SlowReader,
        Self::Other,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::NotHttp => "not_http",
            Self::HeadTooLarge => "head_too_large",
            Self::TlsOnPlain => "tls_on_plain",
            Self::PlainOnTls => "plain_on_tls",
            Self::TlsHandshake => "tls_handshake",
            Self::Http2 => "http2",
            Self::ProxyHeader => "proxy_header",
            Self::SlowReader => "slow_reader",
            Self::Other => "other",
        }
    }
}

pub struct ClientFaults {
    /// Indexed like `ClientFault::ALL`.
    counts: [Count; FAULTS],
    room: Mutex<LocalRateLimiter>,
    reported: Mutex<Reported>,
    named: Mutex<LoggedNetworks>,
}

/// The counts as of the last summary line.
#[derive(Default)]
struct Reported {
    counts: [u64; FAULTS],
    at: Option<Instant>,
}

#[derive(Default)]
struct LoggedNetworks {
    networks: HashSet<IpAddr>,
    since: Option<Instant>,
}

impl Default for ClientFaults {
    fn default() -> Self {
        Self {
            counts: Default::default(),
            room: Mutex::new(LocalRateLimiter::new(Instant::now())),
            reported: Mutex::default(),
            named: Mutex::default(),
        }
    }
}

impl ClientFaults {
    pub fn note(&self, fault: ClientFault, cause: impl Display) {
        self.counts[fault as usize].add();
        if tracing::enabled!(tracing::Level::DEBUG)
            && self.room.lock().take(LINES, Instant::now()).is_ok()
        {
            tracing::debug!(client.fault = fault.name(), error = %cause, "connection failed");
        }
    }

    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ClientFault::ALL.iter().map(|fault| (fault.name(), self.counts[*fault as usize].get()))
    }

    /// True if the network should be logged: once while it is remembered. The table is bounded;
    /// when it is full, no other network is logged until it is cleared.
    pub fn should_log_network(&self, network: IpAddr, now: Instant) -> bool {
        let mut named = self.named.lock();
        if named.since.is_none_or(|since| now.duration_since(since) >= NETWORK_MEMORY) {
            *named = LoggedNetworks { networks: HashSet::new(), since: Some(now) };
        }
        named.networks.len() < MAX_NETWORKS && named.networks.insert(network)
    }

    /// Called about once a second, by one thread.
    pub fn tick(&self, now: Instant) {
        self.due(now).iter().for_each(FaultSummary::log);
    }

    /// Logs the faults since the last line, however recent that line is. Called when the server ends.
    pub fn finish(&self) {
        self.unreported(Instant::now()).iter().for_each(FaultSummary::log);
    }

    fn due(&self, now: Instant) -> Option<FaultSummary> {
        let at = self.reported.lock().at;
        let is_due = at.is_none_or(|at| now.duration_since(at) >= SUMMARY_INTERVAL);
        is_due.then(|| self.unreported(now)).flatten()
    }

    fn unreported(&self, now: Instant) -> Option<FaultSummary> {
        let mut reported = self.reported.lock();
        let counts = self.counts.each_ref().map(Count::get);
        let mut news = counts;
        news.iter_mut().zip(reported.counts).for_each(|(count, before)| *count -= before);
        let total = news.iter().sum();
        if total == 0 {
            return None;
        }
        *reported = Reported { counts, at: Some(now) };
        Some(FaultSummary { counts: news, total })
    }
}

/// Faults by kind since the last summary.
struct FaultSummary {
    counts: [u64; FAULTS],
    total: u64,
}

impl FaultSummary {
    fn log(&self) {
        tracing::info!(
            client.faults = self.total,
            client.kinds = %self,
            "connections ended by a fault of their clients"
        );
    }
}

impl Display for FaultSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (fault, count) in ClientFault::ALL.iter().zip(self.counts) {
            if count > 0 {
                write!(f, "{separator}{}={count}", fault.name())?;
                separator = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_own_index_and_name() {
        let names: HashSet<_> = ClientFault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), FAULTS);
        let places = ClientFault::ALL.iter().map(|fault| *fault as usize);
        assert!(places.eq(0..FAULTS));
    }

    #[test]
    fn faults_are_summarised_once_a_minute() {
        let (faults, start) = (ClientFaults::default(), Instant::now());
        let due = |seconds| faults.due(start + Duration::from_secs(seconds)).map(|s| s.to_string());
        assert_eq!(due(0), None);
        (0..5649).for_each(|_| faults.note(ClientFault::NotHttp, "rubbish"));
        faults.note(ClientFault::TlsOnPlain, "TLS");
        assert_eq!(due(1).as_deref(), Some("not_http=5649 tls_on_plain=1"));
        faults.note(ClientFault::NotHttp, "rubbish");
        assert_eq!(due(60), None);
        assert_eq!(due(61).as_deref(), Some("not_http=1"));
        assert_eq!(due(600), None);
    }

    #[test]
    fn last_faults_are_summarised_at_shutdown() {
        let (faults, start) = (ClientFaults::default(), Instant::now());
        let unreported = || faults.unreported(start).map(|summary| summary.to_string());
        faults.note(ClientFault::NotHttp, "rubbish");
        assert!(faults.due(start).is_some());
        faults.note(ClientFault::Http2, "rubbish");
        assert!(faults.due(start).is_none());
        assert_eq!(unreported().as_deref(), Some("http2=1"));
        assert_eq!(unreported(), None);
    }

    #[test]
    fn network_is_named_once_and_the_table_is_bounded() {
        let (faults, start) = (ClientFaults::default(), Instant::now());
        let at = |n: u32, seconds| {
            let now = start + Duration::from_secs(seconds);
            faults.should_log_network(IpAddr::V4((n << 8).into()), now)
        };
        assert!(at(1, 0) && !at(1, 1) && at(2, 1));
        let named = (0..100_000).filter(|n| at(*n, 2)).count();
        assert_eq!(named, MAX_NETWORKS - 2);
        assert!(!at(200_000, 3599) && at(200_000, 3600) && at(1, 3600));
    }
}
