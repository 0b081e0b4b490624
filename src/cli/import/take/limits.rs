//! Limits of an app.

use super::super::{
    draft::Draft,
    row::{GivenSetting, Remark, TakeResult, changed, noted},
};

/// Our largest rate of client events, for servers without a limit: 0 means none here.
pub const MANY_CLIENT_EVENTS: i64 = 1000;

/// Zero and negative numbers stand for any number.
pub fn connections(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let most = given.number()?;
    if most <= 0 {
        return changed("app.limits.connections is left out: any number");
    }
    draft.limit(given, "limits.connections", most);
    Ok(Remark::AsDocumented)
}

/// A negative number stands for any number, as 0 does here.
pub fn rate(draft: &mut Draft, given: &GivenSetting<'_>, name: &'static str) -> TakeResult {
    let rate = given.number()?;
    if rate < 0 {
        draft.limit(given, name, 0);
        return noted("0, which is any number");
    }
    draft.limit(given, name, rate);
    Ok(Remark::AsDocumented)
}

/// `unlimited`: stands for any number. Ours has no such value, and 0 means none.
pub fn client_events(
    draft: &mut Draft,
    given: &GivenSetting<'_>,
    unlimited: impl Fn(i64) -> bool,
) -> TakeResult {
    const NAME: &str = "limits.client_events_per_second";
    let rate = given.number()?;
    if unlimited(rate) {
        draft.limit(given, NAME, MANY_CLIENT_EVENTS);
        return noted(format!("{MANY_CLIENT_EVENTS}, since 0 means none here"));
    }
    draft.limit(given, NAME, rate.max(0));
    Ok(Remark::AsDocumented)
}

/// Attempts in a time, as a rate.
pub fn per_second(attempts: i64, seconds: i64) -> i64 {
    attempts.max(1).saturating_add(seconds.max(1) - 1) / seconds.max(1)
}

pub fn count(draft: &mut Draft, given: &GivenSetting<'_>, name: &'static str) -> TakeResult {
    draft.limit(given, name, given.count()?);
    Ok(Remark::AsDocumented)
}

/// Of events from backends and from clients.
pub fn event_kilobytes(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    event_bytes(draft, given, given.bytes(1024)?)
}

pub fn event_bytes(draft: &mut Draft, given: &GivenSetting<'_>, bytes: i64) -> TakeResult {
    if bytes < 1 {
        return Err("must be 1 or more".into());
    }
    draft.limit(given, "limits.event_bytes", bytes);
    draft.limit(given, "limits.client_event_bytes", bytes);
    Ok(Remark::AsDocumented)
}

/// Theirs is for `user_info` alone, ours for all of `channel_data`.
pub fn member_kilobytes(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    const USER_ID: i64 = 256;
    let bytes = given.bytes(1024)?.saturating_add(USER_ID);
    draft.limit(given, "limits.presence_member_bytes", bytes);
    Ok(Remark::AsDocumented)
}
