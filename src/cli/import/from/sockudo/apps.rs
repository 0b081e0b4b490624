//! The apps of Sockudo.

use super::super::{
    super::{
        draft::Draft,
        input::value,
        row::{GivenSetting, Remark, Row, TakeResult, unneeded as as_unneeded},
        take::{
            app, limits,
            webhooks::{self, FilterNames},
        },
    },
    changed, lacking, same, unneeded,
};

const FILTER: FilterNames = FilterNames { start: "channel_prefix", end: "channel_suffix" };

pub const ROWS: &[Row] = &[
    same("SOCKUDO_DEFAULT_APP_ID", "app_manager.array.apps.*.id", "[apps.ID]", app::id),
    same("SOCKUDO_DEFAULT_APP_KEY", "app_manager.array.apps.*.key", "app.key", app::key),
    same(
        "SOCKUDO_DEFAULT_APP_SECRET",
        "app_manager.array.apps.*.secret",
        "app.secret",
        app::secret,
    ),
    same(
        "SOCKUDO_DEFAULT_APP_ENABLED",
        "app_manager.array.apps.*.enabled",
        "app.enabled",
        app::enabled,
    ),
    same(
        "SOCKUDO_DEFAULT_APP_ENABLE_CLIENT_MESSAGES",
        "app_manager.array.apps.*.enable_client_messages",
        "app.client_events",
        |draft, given| app::switch(draft, given, "client_events"),
    ),
    same("SOCKUDO_ENABLE_CLIENT_MESSAGES", "", "app.client_events", |draft, given| {
        if given.other("SOCKUDO_DEFAULT_APP_ENABLE_CLIENT_MESSAGES").is_some() {
            return as_unneeded("SOCKUDO_DEFAULT_APP_ENABLE_CLIENT_MESSAGES counts");
        }
        app::switch(draft, given, "client_events")
    }),
    changed(
        "SOCKUDO_DEFAULT_APP_ENABLE_USER_AUTHENTICATION",
        "app_manager.array.apps.*.enable_user_authentication",
        "app.authorized_connections",
        "sign-ins are taken without it, too",
        |draft, given| app::switch(draft, given, "authorized_connections"),
    ),
    same(
        "USER_AUTHENTICATION_TIMEOUT",
        "user_authentication_timeout",
        "app.authorization_timeout_seconds",
        |draft, given| app::authorization_timeout(draft, given, given.number()?),
    ),
    same(
        "SOCKUDO_DEFAULT_APP_ENABLE_WATCHLIST_EVENTS",
        "app_manager.array.apps.*.enable_watchlist_events",
        "app.watchlist",
        |draft, given| app::switch(draft, given, "watchlist"),
    ),
    changed(
        "SOCKUDO_DEFAULT_APP_ALLOWED_ORIGINS",
        "app_manager.array.apps.*.allowed_origins",
        "app.origins",
        "hosts become pages over TLS; * is the empty list",
        app::origins,
    ),
    changed(
        "SOCKUDO_DEFAULT_APP_MAX_CONNECTIONS",
        "app_manager.array.apps.*.max_connections",
        "app.limits.connections",
        "left out for 0, any number",
        limits::connections,
    ),
    same(
        "SOCKUDO_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SECOND",
        "app_manager.array.apps.*.max_backend_events_per_second",
        "app.limits.events_per_second",
        |draft, given| limits::rate(draft, given, "limits.events_per_second"),
    ),
    same(
        "SOCKUDO_DEFAULT_APP_MAX_READ_REQUESTS_PER_SECOND",
        "app_manager.array.apps.*.max_read_requests_per_second",
        "app.limits.reads_per_second",
        |draft, given| limits::rate(draft, given, "limits.reads_per_second"),
    ),
    changed(
        CLIENT_RATE,
        "app_manager.array.apps.*.max_client_events_per_second",
        "app.limits.client_events_per_second",
        "1000 for 0, which is any number there",
        client_events,
    ),
    changed("", DECAY, "app.limits.client_events_per_second", "divides the rate", decay),
    Row {
        take: app::feature,
        ..lacking(
            "",
            "app_manager.array.apps.*.terminate_on_limit",
            "the event is refused with 4301, and the connection stays",
        )
    },
    changed(
        "",
        "app_manager.array.apps.*.message_rate_limit.**",
        "app.limits.frames_per_second",
        "attempts in a second, rounded up",
        message_rate,
    ),
    changed(
        "SOCKUDO_DEFAULT_APP_MAX_EVENT_PAYLOAD_IN_KB",
        "app_manager.array.apps.*.max_event_payload_in_kb",
        "app.limits.event_bytes, app.limits.client_event_bytes",
        "in bytes",
        limits::event_kilobytes,
    ),
    changed(
        "",
        "event_limits.max_payload_in_kb",
        "app.limits.event_bytes, app.limits.client_event_bytes",
        "in bytes",
        limits::event_kilobytes,
    ),
    same(
        "SOCKUDO_DEFAULT_APP_MAX_EVENT_BATCH_SIZE",
        "app_manager.array.apps.*.max_event_batch_size",
        "app.limits.batch_events",
        |draft, given| limits::count(draft, given, "limits.batch_events"),
    ),
    same("", "event_limits.max_batch_size", "app.limits.batch_events", |draft, given| {
        limits::count(draft, given, "limits.batch_events")
    }),
    same(
        "SOCKUDO_DEFAULT_APP_MAX_EVENT_CHANNELS_AT_ONCE",
        "app_manager.array.apps.*.max_event_channels_at_once",
        "app.limits.channels_per_event",
        |draft, given| limits::count(draft, given, "limits.channels_per_event"),
    ),
    same(
        "",
        "event_limits.max_channels_at_once",
        "app.limits.channels_per_event",
        |draft, given| limits::count(draft, given, "limits.channels_per_event"),
    ),
    same(
        "SOCKUDO_DEFAULT_APP_MAX_EVENT_NAME_LENGTH",
        "app_manager.array.apps.*.max_event_name_length",
        "app.limits.event_name_chars",
        |draft, given| limits::count(draft, given, "limits.event_name_chars"),
    ),
    same("", "event_limits.max_name_length", "app.limits.event_name_chars", |draft, given| {
        limits::count(draft, given, "limits.event_name_chars")
    }),
    same(
        "SOCKUDO_DEFAULT_APP_MAX_CHANNEL_NAME_LENGTH",
        "app_manager.array.apps.*.max_channel_name_length",
        "app.limits.channel_name_bytes",
        |draft, given| limits::count(draft, given, "limits.channel_name_bytes"),
    ),
    same("", "channel_limits.max_name_length", "app.limits.channel_name_bytes", |draft, given| {
        limits::count(draft, given, "limits.channel_name_bytes")
    }),
    same(
        "CACHE_TTL_SECONDS",
        "channel_limits.cache_ttl",
        "app.limits.cache_ttl_seconds",
        |draft, given| limits::count(draft, given, "limits.cache_ttl_seconds"),
    ),
    same(
        "SOCKUDO_DEFAULT_APP_MAX_PRESENCE_MEMBERS_PER_CHANNEL",
        "app_manager.array.apps.*.max_presence_members_per_channel",
        "app.limits.presence_members",
        |draft, given| limits::count(draft, given, "limits.presence_members"),
    ),
    same("", "presence.max_members_per_channel", "app.limits.presence_members", |draft, given| {
        limits::count(draft, given, "limits.presence_members")
    }),
    changed(
        "SOCKUDO_DEFAULT_APP_MAX_PRESENCE_MEMBER_SIZE_IN_KB",
        "app_manager.array.apps.*.max_presence_member_size_in_kb",
        "app.limits.presence_member_bytes",
        "in bytes, and 256 for the user_id",
        limits::member_kilobytes,
    ),
    changed(
        "",
        "presence.max_member_size_in_kb",
        "app.limits.presence_member_bytes",
        "in bytes, and 256 for the user_id",
        limits::member_kilobytes,
    ),
    changed(
        "",
        "app_manager.array.apps.*.webhooks",
        "[[app.webhooks]]",
        "event_types is events, the filter is a pattern in channels",
        |draft, given| webhooks::list(draft, given, &FILTER),
    ),
    changed(
        "WEBHOOK_BATCHING_ENABLED",
        "webhooks.batching.enabled",
        "app.webhooks.batch_events, app.webhooks.batch_delay_ms",
        "",
        |draft, given| webhooks::batching(draft, given, BATCH_TIME, batch_size(given)),
    ),
    changed(BATCH_TIME, "webhooks.batching.duration", "app.webhooks.batch_delay_ms", "", of_batch),
    changed(BATCH_SIZE, "webhooks.batching.size", "app.webhooks.batch_events", "", of_batch),
    unneeded(
        "",
        "webhooks.retry.**",
        "a webhook is sent again for 300 s, and then kept: retry_seconds",
    ),
    unneeded("", "webhooks.request_timeout_ms", "timeout_seconds of each webhook is 5"),
];

pub const CLIENT_RATE: &str = "SOCKUDO_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SECOND";
const DECAY: &str = "app_manager.array.apps.*.decay_seconds";
const BATCH_TIME: &str = "WEBHOOK_BATCHING_DURATION";
const BATCH_SIZE: &str = "WEBHOOK_BATCHING_SIZE";

fn client_events(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let seconds = given.other(DECAY).map_or(Ok(1), value::number)?;
    match given.number()? {
        rate if rate > 0 && seconds > 1 => {
            let name = "limits.client_events_per_second";
            draft.limit(given, name, limits::per_second(rate, seconds));
            Ok(Remark::AsDocumented)
        }
        _ => limits::client_events(draft, given, |rate| rate <= 0),
    }
}

fn decay(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let rate = given.other(CLIENT_RATE).map_or(Ok(0), value::number)?;
    if rate <= 0 || given.number()? <= 1 {
        return as_unneeded("there is no rate to divide");
    }
    draft.app(given).settings.credit("limits.client_events_per_second", given);
    Ok(Remark::AsDocumented)
}

fn message_rate(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    let number =
        |name: &str, default| given.entry.value.get(name).map_or(Ok(default), value::number);
    let is_on = given.entry.value.get("enabled").map_or(Ok(false), value::boolean)?;
    if !is_on {
        return as_unneeded("off");
    }
    let rate = limits::per_second(number("max_attempts", 60)?, number("decay_seconds", 60)?);
    draft.limit(given, "limits.frames_per_second", rate);
    Ok(Remark::AsDocumented)
}

fn batch_size(given: &GivenSetting<'_>) -> u64 {
    let size = given.other(BATCH_SIZE).and_then(|value| value::number(value).ok());
    size.map_or(100, |size| size.clamp(1, 1000).unsigned_abs())
}

fn of_batch(_: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    match given.is_on("WEBHOOK_BATCHING_ENABLED") {
        true => Ok(Remark::AsDocumented),
        false => as_unneeded("batching is off"),
    }
}
