//! The apps of soketi.

use super::super::{
    super::{
        draft::Draft,
        row::{GivenSetting, Remark, Row, RowMark, TakeResult, unneeded as as_unneeded},
        take::{
            app, limits, server,
            webhooks::{self, FilterNames},
        },
    },
    changed, same,
};

const FILTER: FilterNames =
    FilterNames { start: "channel_name_starts_with", end: "channel_name_ends_with" };

pub const ROWS: &[Row] = &[
    same("SOKETI_DEFAULT_APP_ID", "appManager.array.apps.*.id", "[apps.ID]", app::id),
    same("SOKETI_DEFAULT_APP_KEY", "appManager.array.apps.*.key", "app.key", app::key),
    same("SOKETI_DEFAULT_APP_SECRET", "appManager.array.apps.*.secret", "app.secret", app::secret),
    same(
        "SOKETI_DEFAULT_APP_ENABLED",
        "appManager.array.apps.*.enabled",
        "app.enabled",
        app::enabled,
    ),
    same(
        "SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES",
        "appManager.array.apps.*.enableClientMessages",
        "app.client_events",
        |draft, given| app::switch(draft, given, "client_events"),
    ),
    changed(
        "SOKETI_DEFAULT_APP_MAX_CONNS",
        "appManager.array.apps.*.maxConnections",
        "app.limits.connections",
        "left out for -1, any number",
        |draft, given| match given.number()? {
            most if most > 0 => {
                limits::connections(draft, given)?;
                Ok(Remark::Noted(RowMark::Same, String::new()))
            }
            _ => limits::connections(draft, given),
        },
    ),
    changed(
        "SOKETI_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SEC",
        "appManager.array.apps.*.maxBackendEventsPerSecond",
        "app.limits.events_per_second",
        "0 for -1, any number",
        |draft, given| limits::rate(draft, given, "limits.events_per_second"),
    ),
    changed(
        "SOKETI_DEFAULT_APP_MAX_READ_REQ_PER_SEC",
        "appManager.array.apps.*.maxReadRequestsPerSecond",
        "app.limits.reads_per_second",
        "0 for -1, any number",
        |draft, given| limits::rate(draft, given, "limits.reads_per_second"),
    ),
    changed(
        "SOKETI_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC",
        "appManager.array.apps.*.maxClientEventsPerSecond",
        "app.limits.client_events_per_second",
        "1000 for -1, since 0 means none here",
        |draft, given| limits::client_events(draft, given, |rate| rate < 0),
    ),
    changed(
        "SOKETI_DEFAULT_APP_USER_AUTHENTICATION",
        "appManager.array.apps.*.enableUserAuthentication",
        "app.authorized_connections",
        "sign-ins are taken without it, too",
        |draft, given| app::switch(draft, given, "authorized_connections"),
    ),
    changed(
        "SOKETI_USER_AUTHENTICATION_TIMEOUT",
        "userAuthenticationTimeout",
        "app.authorization_timeout_seconds",
        "milliseconds, rounded up",
        |draft, given| {
            app::authorization_timeout(draft, given, server::seconds_of_ms(given.number()?))
        },
    ),
    changed(
        "SOKETI_DEFAULT_APP_WEBHOOKS",
        "appManager.array.apps.*.webhooks",
        "[[app.webhooks]]",
        "event_types is events, the filter is a pattern in channels",
        |draft, given| webhooks::list(draft, given, &FILTER),
    ),
    changed(
        "SOKETI_EVENT_MAX_SIZE_IN_KB",
        "eventLimits.maxPayloadInKb",
        "app.limits.event_bytes, app.limits.client_event_bytes",
        "in bytes",
        limits::event_kilobytes,
    ),
    changed(
        "",
        "appManager.array.apps.*.maxEventPayloadInKb",
        "app.limits.event_bytes, app.limits.client_event_bytes",
        "in bytes",
        limits::event_kilobytes,
    ),
    same(
        "SOKETI_EVENT_MAX_BATCH_SIZE",
        "eventLimits.maxBatchSize",
        "app.limits.batch_events",
        |draft, given| limits::count(draft, given, "limits.batch_events"),
    ),
    same(
        "",
        "appManager.array.apps.*.maxEventBatchSize",
        "app.limits.batch_events",
        |draft, given| limits::count(draft, given, "limits.batch_events"),
    ),
    same(
        "SOKETI_EVENT_MAX_CHANNELS_AT_ONCE",
        "eventLimits.maxChannelsAtOnce",
        "app.limits.channels_per_event",
        |draft, given| limits::count(draft, given, "limits.channels_per_event"),
    ),
    same(
        "",
        "appManager.array.apps.*.maxEventChannelsAtOnce",
        "app.limits.channels_per_event",
        |draft, given| limits::count(draft, given, "limits.channels_per_event"),
    ),
    same(
        "SOKETI_EVENT_MAX_NAME_LENGTH",
        "eventLimits.maxNameLength",
        "app.limits.event_name_chars",
        |draft, given| limits::count(draft, given, "limits.event_name_chars"),
    ),
    same(
        "",
        "appManager.array.apps.*.maxEventNameLength",
        "app.limits.event_name_chars",
        |draft, given| limits::count(draft, given, "limits.event_name_chars"),
    ),
    same(
        "SOKETI_CHANNEL_LIMITS_MAX_NAME_LENGTH",
        "channelLimits.maxNameLength",
        "app.limits.channel_name_bytes",
        |draft, given| limits::count(draft, given, "limits.channel_name_bytes"),
    ),
    same(
        "",
        "appManager.array.apps.*.maxChannelNameLength",
        "app.limits.channel_name_bytes",
        |draft, given| limits::count(draft, given, "limits.channel_name_bytes"),
    ),
    same(
        "SOKETI_CHANNEL_CACHE_TTL",
        "channelLimits.cacheTtl",
        "app.limits.cache_ttl_seconds",
        |draft, given| limits::count(draft, given, "limits.cache_ttl_seconds"),
    ),
    same(
        "SOKETI_PRESENCE_MAX_MEMBERS",
        "presence.maxMembersPerChannel",
        "app.limits.presence_members",
        |draft, given| limits::count(draft, given, "limits.presence_members"),
    ),
    same(
        "",
        "appManager.array.apps.*.maxPresenceMembersPerChannel",
        "app.limits.presence_members",
        |draft, given| limits::count(draft, given, "limits.presence_members"),
    ),
    changed(
        "SOKETI_PRESENCE_MAX_MEMBER_SIZE",
        "presence.maxMemberSizeInKb",
        "app.limits.presence_member_bytes",
        "in bytes, and 256 for the user_id, since ours counts all of channel_data",
        limits::member_kilobytes,
    ),
    // As documentation of soketi has it; its code knows the name above.
    changed(
        "SOKETI_PRESENCE_MAX_MEMBER_SIZE_IN_KB",
        "",
        "app.limits.presence_member_bytes",
        "in bytes, and 256 for the user_id, since ours counts all of channel_data",
        limits::member_kilobytes,
    ),
    changed(
        "",
        "appManager.array.apps.*.maxPresenceMemberSizeInKb",
        "app.limits.presence_member_bytes",
        "in bytes, and 256 for the user_id, since ours counts all of channel_data",
        limits::member_kilobytes,
    ),
    changed(
        "SOKETI_WEBHOOKS_BATCHING",
        "webhooks.batching.enabled",
        "app.webhooks.batch_events, app.webhooks.batch_delay_ms",
        "up to 1000 events",
        |draft, given| webhooks::batching(draft, given, "SOKETI_WEBHOOKS_BATCHING_DURATION", 1000),
    ),
    changed(
        "SOKETI_WEBHOOKS_BATCHING_DURATION",
        "webhooks.batching.duration",
        "app.webhooks.batch_delay_ms",
        "",
        batching_time,
    ),
    changed(
        "",
        "cors.origin",
        "app.origins",
        "decides who may connect as well, which theirs does not",
        app::origins,
    ),
];

fn batching_time(_: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    match given.is_on("SOKETI_WEBHOOKS_BATCHING") {
        true => Ok(Remark::AsDocumented),
        false => as_unneeded("batching is off"),
    }
}
