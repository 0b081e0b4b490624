//! Pusher: the credentials of an app. What the dashboard knows comes as flags.

use percent_encoding::percent_decode_str;

use super::{
    super::{
        draft::Draft,
        input::dotenv::CommentRule,
        row::{GivenSetting, Remark, Row, TakeResult},
        take::{app, server},
    },
    ForeignServer, changed, same, unneeded,
};

pub static PUSHER: ForeignServer = ForeignServer {
    name: "Pusher",
    command: "pusher",
    prefixes: &["PUSHER_", "VITE_PUSHER_", "MIX_PUSHER_", "NEXT_PUBLIC_PUSHER_"],
    tables: &[ROWS],
    defaults: &[],
    port: 6001,
    is_laravel: true,
    has_default_app: false,
    comments: CommentRule::AnyHash,
    database: None,
};

const CLUSTER: &str = "there are no regions: see below";
const IN_ENV: &str = "for backends and pages: see below";
const PAGES: &str = "for pages: see below";

const ROWS: &[Row] = &[
    same("PUSHER_APP_ID", "app_id", "[apps.ID]", app::id),
    same("PUSHER_ID", "appId", "[apps.ID]", app::id),
    same("PUSHER_APP_KEY", "key", "app.key", app::key),
    same("PUSHER_KEY", "", "app.key", app::key),
    same("PUSHER_APP_SECRET", "secret", "app.secret", app::secret),
    same("PUSHER_SECRET", "", "app.secret", app::secret),
    changed("PUSHER_URL", "", "[apps.ID], app.key, app.secret", "in parts", url),
    same(
        "PUSHER_ENCRYPTION_MASTER_KEY_BASE64",
        "encryptionMasterKeyBase64",
        "app.master_key",
        app::master_key,
    ),
    same("", "options.encryption_master_key_base64", "app.master_key", app::master_key),
    unneeded("PUSHER_APP_CLUSTER", "options.cluster", CLUSTER),
    unneeded("PUSHER_CLUSTER", "cluster", CLUSTER),
    Row { take: server::public_host, ..unneeded("PUSHER_HOST", "options.host", IN_ENV) },
    Row { take: server::public_port, ..unneeded("PUSHER_PORT", "options.port", IN_ENV) },
    Row { take: server::public_scheme, ..unneeded("PUSHER_SCHEME", "options.scheme", IN_ENV) },
    unneeded("", "options.useTLS", IN_ENV),
    unneeded("", "options.encrypted", IN_ENV),
    unneeded("", "useTLS", IN_ENV),
    unneeded("", "driver", "Laravel's own"),
    unneeded("", "client_options.**", "Laravel's own"),
    unneeded("VITE_PUSHER_*", "", PAGES),
    unneeded("MIX_PUSHER_*", "", PAGES),
    unneeded("NEXT_PUBLIC_PUSHER_*", "", PAGES),
];

/// `https://KEY:SECRET@HOST/apps/ID`
fn url(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    const SHAPE: &str = "must be https://KEY:SECRET@HOST/apps/ID";
    let text = given.text()?;
    let parts = || {
        let (_, rest) = text.split_once("://")?;
        let (login, rest) = rest.split_once('@')?;
        let (key, secret) = login.split_once(':')?;
        Some((key, secret, rest.rsplit_once("/apps/")?.1.trim_end_matches('/')))
    };
    let (key, secret, id) = parts().ok_or(SHAPE)?;
    let decoded = |text: &str| {
        percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| SHAPE.to_owned())
    };
    let (key, secret): (String, String) = (decoded(key)?, decoded(secret)?);
    draft.set_id(given, id.to_owned());
    let app = draft.app(given);
    app.settings.set("key", key, given);
    app.settings.set_secret("secret", &secret, given);
    Ok(Remark::AsDocumented)
}
