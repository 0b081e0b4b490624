//! Settings of an app.

use zeroize::Zeroizing;

use super::super::{
    draft::Draft,
    input::value,
    origins::{OriginList, of_list},
    row::{GivenSetting, Remark, RowMark, TakeResult, changed, noted, unneeded},
};
use crate::crypto::key::MasterKey;

pub fn id(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let id = given.text()?;
    let taken = draft.apps.iter().any(|(at, app)| *at != given.app && app.id.as_ref() == Some(&id));
    if taken {
        return Err(format!("another app has the id {id}, too"));
    }
    draft.set_id(given, id);
    Ok(Remark::AsDocumented)
}

pub fn key(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let key = given.text()?;
    draft.app(given).settings.set("key", key, given);
    Ok(Remark::AsDocumented)
}

pub fn secret(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let secret = given.text()?;
    draft.app(given).settings.set_secret("secret", &secret, given);
    match given.is_default {
        true => noted("known to everybody, choose another one"),
        false => Ok(Remark::AsDocumented),
    }
}

pub fn master_key(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let key = Zeroizing::new(given.text()?);
    // Another form, such as the name of a file, is none of theirs.
    MasterKey::parse(&key).map_err(|e| format!("is no master key: {e}"))?;
    draft.app(given).settings.set_secret("master_key", &key, given);
    Ok(Remark::AsDocumented)
}

/// True is the default.
pub fn enabled(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    if given.boolean()? {
        return Ok(Remark::Because(RowMark::Same, "an app is enabled by default".into()));
    }
    draft.app(given).settings.set("enabled", false, given);
    Ok(Remark::AsDocumented)
}

/// A switch that is off by default here as well.
pub fn switch(draft: &mut Draft, given: &GivenSetting<'_>, name: &'static str) -> TakeResult {
    let on = given.boolean()?;
    if on || !given.is_default {
        draft.app(given).settings.set(name, on, given);
    }
    Ok(Remark::AsDocumented)
}

pub fn authorization_timeout(
    draft: &mut Draft,
    given: &GivenSetting<'_>,
    seconds: i64,
) -> TakeResult {
    if seconds < 1 {
        return Err("must be at least one second".into());
    }
    draft.limit(given, "authorization_timeout_seconds", seconds);
    Ok(Remark::AsDocumented)
}

pub fn origins(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let OriginList { origins, refused, is_open } = of_list(&value::texts(&given.entry.value)?);
    if is_open {
        return changed(
            "app.origins stays empty: every page may connect, and none calls the auth endpoints here from another origin",
        );
    }
    let is_by_host = origins.iter().any(|origin| origin.ends_with(":*"));
    for entry in &refused {
        draft.aside(
            RowMark::Missing,
            &given.entry.shown,
            format!("{entry:?} has no counterpart: a * stands for one whole label at the left of a host, or for the port"),
        );
    }
    if origins.is_empty() {
        return unneeded("app.origins stays empty: there is no origin that it takes");
    }
    draft.limit(given, "origins", origins);
    match is_by_host {
        true => noted("pages over TLS, on any port"),
        false => noted(""),
    }
}

/// Who may send client events.
pub fn client_events_from(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let from = given.text()?;
    let (on, remark) = match from.as_str() {
        "none" => (false, Ok(Remark::AsDocumented)),
        "members" => (true, Ok(Remark::AsDocumented)),
        "all" => (true, noted("from members of the channel only")),
        _ => return Err("must be all, members or none".into()),
    };
    draft.app(given).settings.set("client_events", on, given);
    remark
}

/// A feature that is missing here, unless it is off there.
pub fn feature(_: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let switch = given.entry.value.get("enabled").unwrap_or(&given.entry.value);
    let is_off = match switch {
        serde_json::Value::Object(map) => map.is_empty(),
        serde_json::Value::Array(list) => list.is_empty(),
        other => value::boolean(other) == Ok(false),
    };
    if is_off {
        return unneeded("off");
    }
    Err(given.row.note.to_owned())
}
