//! `auth_timestamp` of signed requests (protocol.md 7.1).

use crate::{
    domain::{refusal::RefusalCode, time::UnixSeconds},
    web::http::error::ApiError,
};

/// Allowed clock difference between a backend and this server, in seconds.
const CLOCK_WINDOW: u64 = 600;

/// `given`: the parameter as it was sent.
pub fn check_timestamp(given: Option<&str>, now: UnixSeconds) -> Result<(), ApiError> {
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        return Err(ApiError::new(
            RefusalCode::MissingTimestamp,
            "Timestamp required: auth_timestamp in seconds since 1970",
        ));
    };
    let Ok(seconds) = given.parse::<u64>() else {
        return Err(invalid(given, "which is no whole number", now));
    };
    if let Some(unit) = finer_unit(seconds, now) {
        return Err(invalid(given, &format!("which are {unit}"), now));
    }
    let skew = now.abs_diff(seconds);
    if skew < CLOCK_WINDOW {
        return Ok(());
    }
    let relation = if seconds < now { "behind" } else { "ahead of" };
    let message = format!(
        "Timestamp expired: Given timestamp ({seconds}) not within {CLOCK_WINDOW}s of server time ({now}): it is {skew} seconds {relation} it. Set the clocks, or look for a request that was kept and sent late"
    );
    Err(ApiError::new(RefusalCode::TimestampExpired, message))
}

fn invalid(given: &str, why: &str, now: UnixSeconds) -> ApiError {
    const CHARS: usize = 40;
    let given: String = given.chars().take(CHARS).collect();
    let message = format!(
        "Timestamp invalid: auth_timestamp is {given:?}, {why}: send whole seconds since 1970, now {now}"
    );
    ApiError::new(RefusalCode::InvalidTimestamp, message)
}

/// The unit in which the number is a plausible time.
fn finer_unit(given: u64, now: UnixSeconds) -> Option<&'static str> {
    const YEARS: u64 = 20 * 365 * 24 * 3600;
    let units =
        [("milliseconds", 1_000), ("microseconds", 1_000_000), ("nanoseconds", 1_000_000_000)];
    let is_recent = |per_second: u64| (given / per_second).abs_diff(now) < YEARS;
    units.into_iter().find(|(_, per_second)| is_recent(*per_second)).map(|(unit, _)| unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_794_135_752;

    #[test]
    fn refused_timestamps_name_their_fault() {
        for (given, code, says) in [
            (None, RefusalCode::MissingTimestamp, "Timestamp required"),
            (Some(""), RefusalCode::MissingTimestamp, "Timestamp required"),
            (Some("1794135752.74"), RefusalCode::InvalidTimestamp, "no whole number"),
            (Some("2026-11-08T12:00:00Z"), RefusalCode::InvalidTimestamp, "no whole number"),
            (Some("-1"), RefusalCode::InvalidTimestamp, "no whole number"),
            (Some("now"), RefusalCode::InvalidTimestamp, "\"now\""),
            (Some("1794135752740"), RefusalCode::InvalidTimestamp, "milliseconds"),
            (Some("1794135752740123"), RefusalCode::InvalidTimestamp, "microseconds"),
            (Some("1794135752740123456"), RefusalCode::InvalidTimestamp, "nanoseconds"),
            (Some("1353088179"), RefusalCode::TimestampExpired, "seconds behind"),
            (Some("1794136352"), RefusalCode::TimestampExpired, "600 seconds ahead"),
            (Some("18446744073709551615"), RefusalCode::TimestampExpired, "ahead"),
        ] {
            let error = check_timestamp(given, NOW).expect_err("refused");
            assert_eq!(error.code(), code, "{given:?}: {error}");
            assert!(error.to_string().contains(says), "{given:?}: {error}");
            assert!(error.to_string().starts_with("Timestamp "), "{error}");
        }
        for good in [NOW, NOW - 599, NOW + 599] {
            assert!(check_timestamp(Some(&good.to_string()), NOW).is_ok());
        }
    }
}
