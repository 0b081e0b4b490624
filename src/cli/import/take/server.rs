//! Settings of the server.

use super::super::{
    draft::Draft,
    input::value,
    row::{GivenSetting, Remark, TakeResult, noted, unneeded},
};

pub fn host(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    draft.listen.host = Some(given.text()?);
    draft.listen.from(given);
    Ok(Remark::AsDocumented)
}

pub fn port(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    draft.listen.port = Some(value::port(&given.entry.value)?);
    draft.listen.from(given);
    Ok(Remark::AsDocumented)
}

pub fn path_prefix(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let text = given.text()?;
    let path = text.trim_matches('/');
    if path.is_empty() {
        return unneeded("empty here, too");
    }
    let path = format!("/{path}");
    if draft.server.get("path_prefix").is_some_and(|other| *other != *path) {
        return Err("path_prefix is one for all apps, and another app has another".into());
    }
    draft.server.set("path_prefix", path, given);
    Ok(Remark::AsDocumented)
}

/// A certificate counts only together with its key.
pub fn tls_file(
    draft: &mut Draft,
    given: &GivenSetting<'_>,
    name: &'static str,
    with: &str,
) -> TakeResult {
    if given.other(with).is_none() {
        return Err(format!("{with} is missing beside it: {name} needs both"));
    }
    draft.server.set(name, given.text()?, given);
    Ok(Remark::AsDocumented)
}

pub const PASSPHRASE: &str = "the key must have no passphrase: write it without one, `openssl pkey -in KEY -out NEW_KEY`, and name that file in tls_key_file";
pub const CLIENT_CERTIFICATES: &str =
    "clients show no certificates here: have a proxy ask for them";

pub fn debug(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    if !given.boolean()? {
        return unneeded("log = \"info\" is the default");
    }
    draft.server.set("log", "debug", given);
    Ok(Remark::AsDocumented)
}

/// Rounded up to whole seconds.
pub fn drain_ms(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    drain(draft, given, seconds_of_ms(given.number()?))
}

pub fn drain_seconds(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    drain(draft, given, given.number()?)
}

fn drain(draft: &mut Draft, given: &GivenSetting<'_>, seconds: i64) -> TakeResult {
    if !(0..=3600).contains(&seconds) {
        return Err("drain_seconds is at most 3600".into());
    }
    draft.server.set("drain_seconds", seconds, given);
    Ok(Remark::AsDocumented)
}

pub fn seconds_of_ms(ms: i64) -> i64 {
    ms.max(0).saturating_add(999) / 1000
}

pub fn capacity_percent(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let percent = given.decimal()?.round();
    if !(1.0..=100.0).contains(&percent) {
        return Err("capacity_percent is from 1 to 100".into());
    }
    draft.server.set("capacity_percent", percent as i64, given);
    Ok(Remark::AsDocumented)
}

/// The server answers the shortest of the apps' times.
pub fn activity_timeout(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    const NAME: &str = "activity_timeout_seconds";
    let seconds = given.count()?;
    match draft.server.number(NAME) {
        Some(other) if other <= seconds.unsigned_abs() => {
            draft.server.credit(NAME, given);
            noted(format!("stays {other}, one for all apps"))
        }
        _ => {
            draft.server.set(NAME, seconds, given);
            Ok(Remark::AsDocumented)
        }
    }
}

pub fn request_megabytes(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    draft.server.set("http_body_bytes", given.bytes(1024 * 1024)?.max(1024), given);
    Ok(Remark::AsDocumented)
}

/// `on` names the switch; without it theirs listens, and has nothing that ours lacks.
pub fn metrics_on(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    if !given.boolean()? {
        return unneeded("ops_listen is off by default");
    }
    draft.ops.host.get_or_insert_with(|| "0.0.0.0".into());
    draft.ops.from(given);
    Ok(Remark::AsDocumented)
}

pub fn metrics_host(draft: &mut Draft, given: &GivenSetting<'_>, switch: &str) -> TakeResult {
    if !given.is_on(switch) {
        return unneeded("the metrics are off");
    }
    draft.ops.host = Some(given.text()?);
    draft.ops.from(given);
    Ok(Remark::AsDocumented)
}

pub fn metrics_port(draft: &mut Draft, given: &GivenSetting<'_>, switch: &str) -> TakeResult {
    if !given.is_on(switch) {
        return unneeded("the metrics are off");
    }
    draft.ops.port = Some(value::port(&given.entry.value)?);
    draft.ops.from(given);
    Ok(Remark::AsDocumented)
}

pub const METRICS: &str = "the metrics have other names: docs/migrating.md has a table";

pub fn public_host(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    draft.public.host = Some(given.text()?);
    Ok(Remark::AsDocumented)
}

pub fn public_port(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    draft.public.port = Some(value::port(&given.entry.value)?);
    Ok(Remark::AsDocumented)
}

pub fn public_scheme(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    draft.public.scheme = Some(given.text()?);
    Ok(Remark::AsDocumented)
}
