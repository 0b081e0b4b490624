//! Check 15: a silent connection lives until the server pings.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    finding::{DoctorCheck, Finding, Remedy},
    front_proxy::{FrontProxy, ProxyFault},
    socket::{PING, ProbeSocket, SocketEnd},
};

/// The longest wait.
pub const MAX_SILENCE: Duration = Duration::from_secs(150);
/// After the moment of the server's ping.
const SPARE: Duration = Duration::from_secs(5);

/// The end of the silence.
#[derive(Debug)]
enum SilenceEnd {
    Ping,
    Ended(SocketEnd),
}

pub async fn stay_silent(mut socket: Box<ProbeSocket>, proxy: FrontProxy) -> Finding {
    let timeout = socket.activity_timeout;
    let start = Instant::now();
    let wait = (Duration::from_secs(timeout) + SPARE).min(MAX_SILENCE);
    let end = loop {
        match socket.next(start + wait).await {
            Ok(event) if event.name == PING => break SilenceEnd::Ping,
            Ok(_) => {}
            Err(end) => break SilenceEnd::Ended(end),
        }
    };
    judge(&end, start.elapsed().as_secs(), timeout, proxy)
}

/// Both times in seconds: until the end, and until the server would ping.
fn judge(end: &SilenceEnd, silence: u64, timeout: u64, proxy: FrontProxy) -> Finding {
    let check = DoctorCheck::Idle;
    match end {
        SilenceEnd::Ping => check.ok(format!("the server pinged after {silence} s of silence")),
        SilenceEnd::Ended(SocketEnd::Silent) if silence < timeout => check.ok(format!(
            "open after {silence} s of silence; the server pings after {timeout} s, longer than this check waits"
        )),
        SilenceEnd::Ended(SocketEnd::Silent) => {
            let message = format!("no ping within {silence} s: the server announced one after {timeout} s");
            check.fail(message, vec![Remedy::advice(KEPT_BACK)])
        }
        SilenceEnd::Ended(SocketEnd::Closed { code, reason }) if *code >= 4000 => {
            check.fail(format!("the server closed with {code}: {reason}"), Vec::new())
        }
        SilenceEnd::Ended(_) => {
            let message = format!(
                "closed after {silence} s of silence, the server pings after {timeout} s: a proxy gives up first"
            );
            let mut remedies = proxy.remedies(ProxyFault::IdleTimeout);
            let less = (silence * 5 / 6).max(1);
            remedies.push(Remedy::sealcast([format!("activity_timeout_seconds = {less}")]));
            check.fail(message, remedies)
        }
    }
}

const KEPT_BACK: &str = "something on the way keeps frames back: look for a proxy that buffers";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Judgement;

    #[test]
    fn the_end_of_a_silence_is_judged() {
        use SocketEnd::{Closed, Lost, Silent};
        let closed = |code| SilenceEnd::Ended(Closed { code, reason: "r".into() });
        for (end, silence, timeout, judgement, says) in [
            (SilenceEnd::Ping, 120, 120, Judgement::Ok, "pinged after 120 s"),
            (SilenceEnd::Ended(Silent), 150, 300, Judgement::Ok, "open after 150 s of silence"),
            (SilenceEnd::Ended(Silent), 125, 120, Judgement::Fail, "no ping within 125 s"),
            (
                SilenceEnd::Ended(Lost),
                60,
                120,
                Judgement::Fail,
                "closed after 60 s of silence, the server pings after 120 s",
            ),
            (closed(1001), 60, 120, Judgement::Fail, "closed after 60 s"),
            (closed(4200), 60, 120, Judgement::Fail, "the server closed with 4200: r"),
        ] {
            let finding = judge(&end, silence, timeout, FrontProxy::Nginx);
            assert_eq!(finding.judgement, judgement, "{finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
        }
    }

    #[test]
    fn the_servers_ping_is_set_before_the_proxys_end() {
        let finding = judge(&SilenceEnd::Ended(SocketEnd::Lost), 60, 120, FrontProxy::Nginx);
        let lines: Vec<_> = finding.remedies.iter().flat_map(|remedy| &remedy.lines).collect();
        assert_eq!(lines, ["proxy_read_timeout 5m;", "activity_timeout_seconds = 50"]);
    }
}
