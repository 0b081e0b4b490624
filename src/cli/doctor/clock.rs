//! Check 9: this machine's clock beside the server's.

use super::{
    answer::ServerRefusal,
    finding::{DoctorCheck, Finding, Remedy},
};

/// The server refuses signatures from here on (protocol.md 7.1).
const REFUSED_SECONDS: u64 = 600;
/// Nearer to the end than a clock with NTP ever comes.
const MUCH: u64 = 60;

pub fn judge_clock(here: u64, there: u64) -> Finding {
    let (check, skew) = (DoctorCheck::Clock, here.abs_diff(there));
    let relation = if here > there { "ahead of" } else { "behind" };
    let message = format!(
        "this machine is {skew} s {relation} the server: signatures are refused from {REFUSED_SECONDS} s"
    );
    let remedy = || vec![Remedy::advice("set the clocks of both by NTP: timedatectl set-ntp true")];
    match skew {
        0..=2 => check.ok("as the server's"),
        3..MUCH => check.ok(format!("{skew} s {relation} the server")),
        MUCH..REFUSED_SECONDS => check.warn(message, remedy()),
        _ => check.fail(message, remedy()),
    }
}

/// The server's clock less this one, from the refusal of a signature that is too old or too new.
pub fn offset_in(refusal: &ServerRefusal, here: u64) -> Option<i64> {
    if refusal.code != "timestamp_expired" {
        return None;
    }
    let (_, rest) = refusal.message.split_once("server time (")?;
    let there: u64 = rest.split_once(')')?.0.parse().ok()?;
    there.checked_signed_diff(here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Judgement;

    #[test]
    fn clocks_are_compared_in_both_directions() {
        for (here, there, judgement, message) in [
            (1000, 1000, Judgement::Ok, "as the server's"),
            (1030, 1000, Judgement::Ok, "30 s ahead of the server"),
            (
                1000,
                1100,
                Judgement::Warn,
                "this machine is 100 s behind the server: signatures are refused from 600 s",
            ),
            (
                1742,
                1000,
                Judgement::Fail,
                "this machine is 742 s ahead of the server: signatures are refused from 600 s",
            ),
        ] {
            let finding = judge_clock(here, there);
            assert_eq!((finding.judgement, finding.message.as_str()), (judgement, message));
        }
    }

    #[test]
    fn the_servers_time_is_in_its_refusal() {
        let refusal = |code: &str, message: &str| ServerRefusal {
            code: code.into(),
            message: message.into(),
            limit: None,
        };
        let message = "Timestamp expired: Given timestamp (1742) not within 600s of server time (1000): it is 742 seconds ahead of it";
        assert_eq!(offset_in(&refusal("timestamp_expired", message), 1742), Some(-742));
        assert_eq!(offset_in(&refusal("invalid_signature", message), 1742), None);
        assert_eq!(offset_in(&refusal("timestamp_expired", "server time (x)"), 1742), None);
    }
}
