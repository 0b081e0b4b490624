//! The table of codes.

use super::RefusalDetails;

const UNKNOWN: &str = "The request does not show who is asking";
const NOT_ALLOWED: &str = "This is not allowed";
const UNDECIDED: &str = "This cannot be decided at the moment";
const AGAIN: &str = "Ask again";
const UNSIGNED: &str = "The request is not signed as it must be";
const FULL_DISK: &str = "The change could not be written";
const NO_SUCH_CHANGE: &str = "The keys cannot be changed in this way";
const TOKEN: &str = "send a valid token: header Authorization: Bearer TOKEN (pusher-js: channelAuthorization.headersProvider, so that an expired one is replaced)";
const SIGNED: &str = "The authorization does not fit this subscription";
const SIGNIN: &str = "The authorization does not fit this sign-in";
const SIGNATURE_FIX: &str = "ask `sealcast auth explain AUTH --socket-id ID --channel NAME` why: it tries the usual mistakes";
const SIGNIN_FIX: &str = "ask `sealcast auth explain AUTH --socket-id ID --user-data JSON` why: it tries the usual mistakes";
const AUTH_FORM: &str =
    "make auth of the app's key, a colon, and the 64 hex digits of the HMAC-SHA256";
const ONE_APP: &str = "use the key and the secret of one app on both sides";
const MEMBER: &str = "The presence data cannot be used";
const MEMBER_FIX: &str =
    "send a user_id, and keep channel_data within apps.ID.limits.presence_member_bytes";
const USER_ID: &str = "use letters, digits and _-=@,.; in user ids";
const RANDOM: &str = "try again; the operating system gave no random bytes";

refusal_codes! {
    // Client: authentication.
    Unauthenticated "unauthenticated" 401: UNKNOWN => TOKEN;
    TokenMissing "token_missing" 401 (Unauthenticated): UNKNOWN => TOKEN;
    TokenTooLong "token_too_long" 401 (Unauthenticated): UNKNOWN => "put less into the token";
    TokenExpired "token_expired" 401 (Unauthenticated): UNKNOWN =>
        "get a new token with each question (pusher-js: channelAuthorization.headersProvider)";
    TokenNotYetValid "token_not_yet_valid" 401 (Unauthenticated): UNKNOWN =>
        "synchronize the clocks, or set jwt.leeway_seconds";
    TokenAlgorithm "token_algorithm" 401 (Unauthenticated): UNKNOWN =>
        "sign with one of jwt.algorithms, and never with \"none\"";
    TokenSignature "token_signature" 401 (Unauthenticated): UNKNOWN =>
        "use the same secret, or the two halves of one key pair, on both sides";
    TokenWithoutExpiry "token_without_expiry" 401 (Unauthenticated): UNKNOWN =>
        "give the token an \"exp\" claim";
    TokenIssuer "token_issuer" 401 (Unauthenticated): UNKNOWN =>
        "make \"iss\" that of jwt.issuer";
    TokenAudience "token_audience" 401 (Unauthenticated): UNKNOWN =>
        "make \"aud\" that of jwt.audience";
    TokenUnknownKey "token_unknown_key" 401 (Unauthenticated): UNKNOWN =>
        "publish the key with that \"kid\" at jwt.jwks_url";
    TokenMalformed "token_malformed" 401 (Unauthenticated): UNKNOWN => TOKEN;
    TokenRevoked "token_revoked" 401 (Unauthenticated): UNKNOWN => "get a new token";
    TokenOrigin "token_origin" 401 (Unauthenticated): UNKNOWN =>
        "use the token on pages of its own origin";
    TokenMilliseconds "token_milliseconds" 401 (Unauthenticated): UNKNOWN =>
        "write exp, nbf and iat in seconds since 1970 (Date.now() / 1000)";
    TokenTime "token_time" 401 (Unauthenticated): UNKNOWN =>
        "write exp, nbf and iat as numbers of seconds since 1970";
    TokenFromTheFuture "token_from_the_future" 401 (Unauthenticated): UNKNOWN =>
        "set the clocks of the issuer and of this server, or give jwt.leeway_seconds";
    TokenCritical "token_critical" 401 (Unauthenticated): UNKNOWN =>
        "leave \"crit\" out of the token: extensions are not supported";
    TokenUnencoded "token_unencoded" 401 (Unauthenticated): UNKNOWN =>
        "leave \"b64\" out of the token: only encoded payloads are supported";
    TicketUnknown "ticket_unknown" 401 (Unauthenticated): UNKNOWN =>
        "get another ticket: POST /app/KEY/tickets";
    TicketSpent "ticket_spent" 401 (Unauthenticated): UNKNOWN =>
        "get another ticket, and give the last id as last_event_id";
    TicketOrigin "ticket_origin" 401 (Unauthenticated): UNKNOWN =>
        "use the ticket on the page that it was made for";
    TicketEnded "ticket_ended" 401 (Unauthenticated): UNKNOWN =>
        "get a new token, and another ticket with it";
    MissingUserId "missing_user_id" 401 (Unauthenticated): UNKNOWN =>
        "send a user_id; the open authorizer accepts any";
    ForwardUnauthenticated "forward_unauthenticated" 401 (Unauthenticated): UNKNOWN =>
        "log in; the application's URL answered 401";
    CookieNotAccepted "cookie_not_accepted" 401: UNKNOWN =>
        "call the endpoint from a page whose exact origin (without *) is in apps.ID.origins and that is of the same site, or send the token in the header Authorization";

    // Client: permission.
    Forbidden "forbidden" 403: NOT_ALLOWED =>
        "let the app's authorizer cover it: the claims of the token, the rules, or the authorizer itself (apps.ID.authorizer)";
    NotAuthorizedHere "not_authorized_here" 403 (Forbidden): NOT_ALLOWED =>
        "set apps.ID.authorizer, or use an auth endpoint of your own backend";
    ChannelNotCovered "channel_not_covered" 403 (Forbidden): NOT_ALLOWED =>
        "name the channel in the token's \"channels\"";
    NoRule "no_rule" 403 (Forbidden): NOT_ALLOWED =>
        "ask `sealcast auth test TOKEN CHANNEL` which rules there are and why none matches";
    AbilityMissing "ability_missing" 403 (Forbidden): NOT_ALLOWED =>
        "name the ability in \"allow\" of the token, of the rule, or of the application's answer";
    RuleDenies "rule_denies" 403 (Forbidden): NOT_ALLOWED =>
        "ask `sealcast auth test TOKEN CHANNEL` which rule decides";
    NoUserId "no_user_id" 403 (Forbidden): NOT_ALLOWED =>
        "give the token, or the application's answer, a user id";
    ForwardDenies "forward_denies" 403 (Forbidden): NOT_ALLOWED =>
        "check the application: its URL answered 403";
    Revoked "revoked" 403: NOT_ALLOWED =>
        "authorize the user anew: a token whose \"iat\", less jwt.leeway_seconds, is later than the revocation, or a new answer of the application; a signature of your own backend counts on a new connection";
    OriginNotAllowed "origin_not_allowed" 403: "Pages of this origin are not allowed" =>
        "list the page's origin, as the browser sends it, in apps.ID.origins";
    UnknownSocket "unknown_socket" 403: "This socket is not known" =>
        "send the socket_id of the live connection, and ask the server and the app that it is connected to";
    BlindChannel "blind_channel" 403: "This channel is authorized elsewhere" =>
        "point the client at the auth endpoint of your own backend, which has the channel's key";
    TooManyAuthorizations "too_many_authorizations" 403:
        "Too many authorizations without a subscription" =>
        "subscribe to the channels that were authorized before asking for more";
    AppDisabled "app_disabled" 403: "The app is disabled" => "set apps.ID.enabled = true";
    UnknownApp "unknown_app" 404: "There is no such app" =>
        "check the app id in the path, or the parameter app_key; with several apps one of them is needed";
    RateLimited "rate_limited" 429: "Too many requests" =>
        "ask again after Retry-After; if many users share one address, set trusted_proxies, or raise apps.ID.limits.auth_per_ip, auth_per_socket or auth_per_user";

    TooManyTickets "too_many_tickets" 429: "There are too many tickets" =>
        "use a ticket again as long as its stream goes on, and close streams that nobody reads";
    TooManyRecoverable "too_many_recoverable" 400:
        "Too many of the channels have a history" =>
        "open several streams, each of at most 64 channels with a history";

    // Client: the request.
    MissingParameter "missing_parameter" 400: "A parameter is missing" =>
        "send socket_id, and channel_name for a channel, as a form or as a JSON object";
    InvalidParameter "invalid_parameter" 400: "A parameter is not a string" =>
        "send socket_id and channel_name as strings";
    DuplicateParameter "duplicate_parameter" 400: "A parameter is given twice" =>
        "send each parameter once";
    DuplicateHeader "duplicate_header" 400: "A header is given twice" =>
        "send Origin, Authorization and whatever else decides once; look at the proxy in front";
    UriTooLong "uri_too_long" 414: "The path and the query are too long" =>
        "send the parameters in the body; path and query have 8 KiB";
    InvalidForm "invalid_form" 400: "The form cannot be read" => "send the form in UTF-8";
    InvalidJson "invalid_json" 400: "The JSON cannot be read" =>
        "send one JSON object, in UTF-8";
    UnreadableBody "unreadable_body" 400: "The body cannot be read" => "send the body whole";
    UnsupportedMediaType "unsupported_media_type" 415: "The body is of another type" =>
        "send a form, a JSON object, or multipart/form-data, and name it in Content-Type";
    BodyTooLarge "body_too_large" 413: "The body is too large" =>
        "send the parameters of the question only";
    BodyTimeout "body_timeout" 408: "The body did not arrive in time" => "send the body at once";
    UnsupportedEncoding "unsupported_encoding" 415: "The body is compressed" =>
        "send the body as it is, without Content-Encoding";
    MethodNotAllowed "method_not_allowed" 405: "The path has no such method" =>
        "use one of the header Allow: at the auth endpoints POST (the client's transport \"ajax\"; JSONP is not served)";
    InvalidSocketId "invalid_socket_id" 400: "The socket_id is none" =>
        "send the socket_id as the client has it, such as 123.456";
    InvalidChannel "invalid_channel" 400: "The channel's name cannot be used" =>
        "use letters, digits and _-=@,.; and a known prefix";
    SealingAlias "sealing_alias" 404: "This is only a name to publish on, and no channel" =>
        "subscribe to private-encrypted-NAME: what a backend publishes on the alias arrives there";
    NoAuthorizationNeeded "no_authorization_needed" 400:
        "The channel is joined without authorization" =>
        "name the channel private-... or presence-..., or do not ask";
    InvalidUserInfo "invalid_user_info" 400: "The user_info cannot be used" =>
        "send user_info as JSON";
    InvalidUserId "invalid_user_id" 400: "The user id cannot be used" => USER_ID;
    InvalidMember "invalid_member" 400: MEMBER => MEMBER_FIX;

    // No decision is possible.
    SecretReplaced "secret_replaced" 503: AGAIN =>
        "ask again; a rotation has just replaced the secret";
    Overloaded "overloaded" 503: AGAIN =>
        "ask again after a moment; the server has too much to do";
    ClusterAway "cluster_away" 503: "The other nodes cannot be reached at the moment" =>
        "ask again; the server's /ready and its log say what is wrong with Redis";
    ClusterBacklog "cluster_backlog" 503: AGAIN =>
        "ask again after a moment; too much waits for Redis (cluster.backlog_bytes)";
    TooManyForAnswer "too_many" 503: "The answer would be too large" =>
        "ask about single channels, or learn of channels by webhooks";
    ClusterUnacknowledged "cluster_unacknowledged" 504: "Not all nodes have confirmed it" =>
        "ask again once the nodes named are back or their lease is over: it holds on all others";
    KeysUnavailable "keys_unavailable" 503: UNDECIDED =>
        "check that jwt.jwks_url answers, then ask again";
    ForwardTimeout "forward_timeout" 503: UNDECIDED =>
        "make the application's URL answer within forward's deadline";
    ForwardUnreachable "forward_unreachable" 503: UNDECIDED =>
        "check that the application runs and can be reached from here";
    ForwardBusy "forward_busy" 503: UNDECIDED =>
        "ask again; allow more questions at a time if the application can take them";
    ForwardResting "forward_resting" 503: UNDECIDED =>
        "ask again later; the application has failed several times in a row";
    ForwardRedirect "forward_redirect" 502: UNDECIDED =>
        "name the URL that answers itself: redirects are not followed";
    ForwardStatus "forward_status" 502: UNDECIDED => "answer 200, 401 or 403";
    ForwardBadAnswer "forward_bad_answer" 502: UNDECIDED =>
        "answer with one JSON object of the fields that are known";
    ForwardTooLarge "forward_too_large" 502: UNDECIDED => "answer with the decision only";

    // Socket: the authorization presented.
    AuthMissing "auth_missing" 401: "The channel needs authorization" =>
        "configure the client's auth endpoint (pusher-js: channelAuthorization.endpoint) and look at what it answers";
    AuthMalformed "auth_malformed" 401: SIGNED => AUTH_FORM;
    AuthForeignKey "auth_foreign_key" 401: SIGNED => ONE_APP;
    AuthSignature "auth_signature" 401: SIGNED => SIGNATURE_FIX;
    SigninAuthMalformed "auth_malformed" 401: SIGNIN => AUTH_FORM;
    SigninAuthForeignKey "auth_foreign_key" 401: SIGNIN => ONE_APP;
    SigninAuthSignature "auth_signature" 401: SIGNIN => SIGNIN_FIX;
    AuthNotAString "auth_not_a_string" 400: "auth is not a string" =>
        "pass on the auth endpoint's answer as it is, or null without one";
    ChannelDataNotAString "channel_data_not_a_string" 400: "channel_data is not a string" =>
        "send the JSON text that was signed, as a string";
    UserDataNotAString "user_data_not_a_string" 400: "user_data is not a string" =>
        "send the JSON text that was signed, as a string";
    MemberMissing "member_missing" 401: "The channel needs presence data" =>
        "sign and send channel_data with a user_id, or sign in first";
    ChannelDataUnusable "invalid_member" 401: MEMBER => MEMBER_FIX;
    ChannelDataTooLarge "invalid_member" 413: MEMBER => MEMBER_FIX;
    AuthorizationExpired "authorization_expired" 401: "The authorization is over" =>
        "ask the auth endpoint again, then subscribe again";
    ChannelFull "channel_full" 413: "The channel is full" =>
        "raise apps.ID.limits.presence_members";
    TooManyChannels "too_many_channels" 413: "The connection has too many subscriptions" =>
        "raise apps.ID.limits.channels_per_connection";
    SubscribeRate "subscribe_rate" 429: "The connection subscribes too often" =>
        "join each channel once and stay; or raise apps.ID.limits.subscribes_per_second";
    NotThatUser "not_that_user" 401: "This is not allowed" =>
        "sign in as the user to whom the channel belongs";
    InvalidUserData "invalid_user_data" 400: "The user data cannot be used" =>
        "sign and send user_data with a non-empty string id";
    OtherUser "other_user" 409: "The connection is signed in as another user" =>
        "reconnect to sign in as another user";

    // Backend: authentication.
    UnknownAuthKey "unknown_auth_key" 401: UNSIGNED => "use the key of an app of this server";
    ForeignAuthKey "foreign_auth_key" 401: UNSIGNED =>
        "use the id, the key and the secret of one app";
    MissingAuthParameter "missing_parameter" 401: UNSIGNED =>
        "send auth_key, auth_timestamp, auth_version, auth_signature, and body_md5 with a body";
    MissingVersion "missing_version" 401: UNSIGNED => "send auth_version=1.0";
    UnsupportedVersion "unsupported_version" 401: UNSIGNED => "send auth_version=1.0";
    MissingTimestamp "missing_timestamp" 401: UNSIGNED =>
        "send auth_timestamp in seconds since 1970";
    InvalidTimestamp "invalid_timestamp" 401: UNSIGNED =>
        "send auth_timestamp in whole seconds since 1970";
    TimestampExpired "timestamp_expired" 401: UNSIGNED =>
        "set the clocks of the backend and of this server";
    InvalidSignature "invalid_signature" 401: UNSIGNED =>
        "compare the text in the error with the one that was signed, and the secret with the app's";
    BodyMd5Mismatch "body_md5_mismatch" 401: UNSIGNED =>
        "look for a proxy that changes bodies, or sign the body as it is sent";
    TooManyParameters "too_many_parameters" 400: "There are too many parameters" =>
        "send fewer parameters";

    // Backend: the request.
    NotFound "not_found" 404: "There is nothing here" => "check the path and the method";
    UpgradeRequired "upgrade_required" 426: "WebSocket connections go here" =>
        "connect with a client, and let proxies pass on Upgrade and Connection";
    NoApiHere "no_api_here" 404: "The HTTP API is not served here" =>
        "send backends to the address of api_listen";
    TooManyRequests "too_many_requests" 503: "Too many requests are under way" =>
        "open another connection, or wait for answers";
    HeadTooLarge "head_too_large" 431: "The head of the request is too large" =>
        "send fewer and shorter headers and parameters";
    TooManyEvents "too_many_events" 429: "Too many events" =>
        "send again after Retry-After, or raise apps.ID.limits.events_per_second";
    TooManyReads "too_many_reads" 429: "Too many read requests" =>
        "ask again after Retry-After, or raise apps.ID.limits.reads_per_second";
    InvalidEventName "invalid_event_name" 400: "The event's name cannot be used" =>
        "send a name that is not empty, not too long, and does not begin with pusher: or sealcast:";
    InvalidData "invalid_data" 400: "The event's data cannot be used" =>
        "send data as a string; structures as JSON text in a string";
    InvalidChannels "invalid_channels" 400: "The list of channels cannot be used" =>
        "name at least one channel, and not more than the limit";
    InvalidBatch "invalid_batch" 400: "The batch cannot be used" =>
        "send 1 to apps.ID.limits.batch_events events, each with one channel";
    EventTooLarge "event_too_large" 413: "The event is too large" =>
        "send less, or raise apps.ID.limits.event_bytes";
    PlaintextOnEncryptedChannel "plaintext_on_encrypted_channel" 422:
        "The channel takes envelopes only" =>
        "give the SDK the app's master key, or give this server the key";
    PlaintextRefused "plaintext_refused" 422: "The channel takes ciphertext only" =>
        "encrypt the payload before you send it, or change apps.ID.channels.payload";
    EnvelopeDoesNotOpen "envelope_does_not_open" 422: "The envelope does not open" =>
        "use one master key in the SDK and here";
    EnvelopeForSeveralChannels "envelope_for_several_channels" 400:
        "An envelope belongs to one channel" => "send one event for each encrypted channel";
    AliasWithoutKey "alias_without_key" 422: "There is no key to seal with" =>
        "give the app a master key, or publish on private-encrypted-NAME what your backend has encrypted";
    MixedChannels "mixed_channels" 400:
        "One event names encrypted and other channels" =>
        "send two events, or set allow_mixed in the event";
    PositionChanged "position_changed" 412: "The channel has another newest event" =>
        "read the channel again, and send the event with the position of its newest event in If-Match";
    NoHistory "no_history" 404: "The channel has no history" =>
        "give the channel a history in the configuration ([[apps.ID.channels]])";
    InvalidPage "invalid_page" 400: "The page cannot be read" =>
        "send after, before, order (oldest or newest) and limit (1 to 1000), each once at most";
    InvalidCondition "invalid_condition" 400: "The event's condition cannot be used" =>
        "send If-Match with one position in quotes, or If-None-Match: *, for an event on one channel";
    HistoryUnavailable "history_unavailable" 503: "The history cannot be written" =>
        "try again; if it lasts, look at the server's log: the disk is full, or refuses";
    NotLogged "not_logged" 409: "The channel does not log this event" =>
        "give the channel a history in the configuration, or send no If-Match and no If-None-Match";
    NoRandomness "no_randomness" 503: AGAIN => RANDOM;
    SealingKeyRetired "key_retired" 503: AGAIN => "send again; the key has just been replaced";
    InvalidInfo "invalid_info" 400: "The attribute does not exist there" =>
        "ask for user_count of presence channels only";
    ReservedChannel "reserved_channel" 400: "The channel is not shown" =>
        "ask for channels of the application's own";
    NotAPresenceChannel "not_a_presence_channel" 400: "The channel has no users" =>
        "name a channel presence-...";
    InvalidTtl "invalid_ttl" 400: "The token's lifetime cannot be used" =>
        "send ttl in seconds, at most a day";
    InvalidOrigin "invalid_origin" 400: "The token's origin cannot be used" =>
        "send the one origin whose pages use the token, as browsers send it";
    InvalidAllow "invalid_allow" 400: "The token's abilities cannot be used" =>
        "name some of subscribe, client_events, history, trigger and clear, or leave allow out";
    WantedTokenTooLong "token_too_long" 400: "The token would be too long" =>
        "give it less user_info, or fewer channels";
    InvalidRevocation "invalid_revocation" 400: "The revocation request is invalid" =>
        "send jti or user_id, and not both";
    TooManyRevocations "too_many_revocations" 503: "There are too many revocations" =>
        "change the secret of the app, which ends all its tokens";
    RevokedUntilRestart "revoked_until_restart" 503: "The revocation holds until the server restarts" =>
        "make room in the state directory or make it writable; the server writes by itself, so neither restart it before nor revoke again";
    NotAnEncryptedChannel "not_an_encrypted_channel" 400: "The channel is not encrypted" =>
        "name a channel private-encrypted-...";
    RevocationOnBlindChannel "blind_channel" 409: "This server has no key of the channel" =>
        "change the channel's key in your own backend";
    RevocationNeedsHkdf "revocation_needs_hkdf" 409: "The channel has one secret for ever" =>
        "set derivation = \"hkdf\" for the app";

    // Operator.
    AdminTokenMissing "admin_token_missing" 401: UNKNOWN =>
        "send the admin token: header Authorization: Bearer TOKEN";
    AdminTokenWrong "admin_token_wrong" 401: UNKNOWN =>
        "send the token that the server's configuration names";
    HostNotAllowed "host_not_allowed" 421: "The server does not answer for this host" =>
        "ask for the operations listener by its address, or list the name in ops_hosts";
    ConsoleRefused "console_refused" 403: NOT_ALLOWED =>
        "come through a tunnel, or look at the setting console";
    ConsoleOrigin "console_origin" 403: NOT_ALLOWED =>
        "open the console at its own address; let a proxy pass on the header Host";
    ConsoleSignedOut "console_signed_out" 401: UNKNOWN => "sign in to the console";
    ConsoleCodeRefused "console_code_refused" 401: UNKNOWN =>
        "open the link that `sealcast console` prints, once and within five minutes";
    TooManySignIns "too_many_sign_ins" 429: "There are too many wrong sign-ins" =>
        "wait as Retry-After says";
    InvalidWatch "invalid_watch" 400: "The frame cannot be used" =>
        "look at docs/console.md for the frames of its socket";
    RevealRefused "reveal_refused" 403: NOT_ALLOWED =>
        "look at the setting console_reveal, or end another reveal";
    InvalidReveal "invalid_reveal" 400: "Payloads cannot be shown in this way" =>
        "send a channel or a pattern, 1 to 10 minutes, and a reason of at most 200 characters";
    RevealOnBlindChannel "blind_channel" 409: "This server cannot open the channel" =>
        "look at the payload in your own backend";
    NoSuchConnection "unknown_socket" 404: "There is no such connection" =>
        "list the connections: `sealcast connections --app APP`; in a cluster ask each node";
    UnknownNode "unknown_node" 404: "There is no such node" =>
        "name a node as GET /admin/nodes does";
    ConfigRefused "config_refused" 422: "The configuration is refused" =>
        "correct it; `sealcast config check` lists all faults. What is in force stays";
    NotACacheChannel "not_a_cache_channel" 400: "The channel keeps no event" =>
        "name a cache channel: cache-..., private-cache-..., presence-cache-... or private-encrypted-cache-...";
    CachedEventLogged "cached_event_logged" 409: "The cached event belongs to the history" =>
        "clear the history of the channel: DELETE /apps/ID/channels/NAME/history";
    NoTokenAuthorizer "no_token_authorizer" 409: "The app's authorizer looks at no token" =>
        "test the token of an app with authorizer = \"jwt\", or an access token of this server";
    InvalidCloseCode "invalid_close_code" 400: "The close code cannot be used" =>
        "send 4200, after which clients reconnect, or 4009, after which they give up";
    InvalidFilter "invalid_filter" 400: "The filter cannot be used" =>
        "look at docs/admin-api.md for the filters of lists";
    InvalidSeconds "invalid_seconds" 400: "The time span cannot be used" =>
        "send whole seconds, at most a year";
    InvalidKey "invalid_key" 422: "The key cannot be read" =>
        "send a key as `sealcast keys generate` prints it";
    NoKeys "no_keys" 409: NO_SUCH_CHANGE => "give the app a master_key first";
    SameKey "same_key" 409: NO_SUCH_CHANGE => "name another key: this one is active";
    KnownKey "known_key" 409: NO_SUCH_CHANGE => "generate a new key; an old key cannot be used again";
    KeyPending "key_pending" 409: NO_SUCH_CHANGE =>
        "wait until the next key is active, or revoke it";
    UnknownKey "unknown_key" 404: NO_SUCH_CHANGE =>
        "look at `sealcast keys list --app APP` for the ids of the keys";
    KeyRetired "key_retired" 409: NO_SUCH_CHANGE => "leave it; a retired key opens nothing";
    RotationInProgress "rotation_in_progress" 409: NO_SUCH_CHANGE =>
        "wait until all subscriptions have moved (`sealcast keys list --app APP`), or close the rest: `sealcast keys rotate --app APP --force`";
    SharedKey "shared_key" 409: NO_SUCH_CHANGE =>
        "give each app its own key, or set allow_shared_master_key = true in both";
    StateNotWritten "state_not_written" 503: FULL_DISK =>
        "make the state directory writable, and try again";
    NoWebhooks "no_webhooks" 404: "The app has no webhooks" => "add [[apps.ID.webhooks]]";
    UnknownEndpoint "unknown_endpoint" 404: "There is no such endpoint" =>
        "name the endpoint's URL without its query";
    InvalidLimit "invalid_limit" 400: "The limit cannot be used" =>
        "send a number up to the maximum";
    DeadLetters "dead_letters" 503: "The dead letters cannot be read" =>
        "make the file readable for the server; in a cluster, wait for Redis";
    NoMetrics "no_metrics" 503: AGAIN => "ask again";
    UnknownFilter "unknown_filter" 400: "The filter is not known" =>
        "look at docs/live.md for the filters";
    TooManyWatchers "too_many_watchers" 503: "There are too many watchers" =>
        "end another `sealcast tail` first";
    LiveFeedRefused "live_feed_refused" 403: NOT_ALLOWED =>
        "come through a tunnel, or set live_feed";
    LiveFeedOrigin "live_feed_origin" 403: NOT_ALLOWED => "use `sealcast tail`";
    BadHandshake "bad_handshake" 400: "This is no WebSocket handshake" =>
        "use a WebSocket client, and a proxy that passes Upgrade on";
    ShuttingDown "shutting_down" 503: "The server is shutting down" =>
        "ask again; another instance may answer";
}
