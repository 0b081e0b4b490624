//! Snippets for backends: each publishes one event.

use secrecy::ExposeSecret;

use super::{
    EVENT,
    clients::{before_options, channel_endpoint, options},
    quoting::{dotenv, double, shell, single},
};
use crate::config::{AuthEndpoint, PublicUrl, SnippetContext};

/// An app, and the address of its API.
pub struct Backend<'a> {
    pub app: &'a SnippetContext,
    pub api: &'a PublicUrl,
}

/// Literals of one language, and comments.
struct Values {
    id: String,
    key: String,
    secret: String,
    host: String,
    host_and_port: String,
    port: u16,
    tls: bool,
    /// The channel to publish to, which SDKs take without a master key.
    channel: String,
    event: String,
    note: String,
    sealing: String,
}

impl Backend<'_> {
    fn secret(&self) -> &str {
        self.app.secret.expose_secret()
    }

    /// Everything that SDKs take, for a language that writes strings and comments so.
    fn values(&self, quoted: fn(&str) -> String, comment: &str) -> Values {
        let Self { app, api } = self;
        Values {
            id: quoted(&app.id),
            key: quoted(&app.key),
            secret: quoted(self.secret()),
            host: quoted(&api.host),
            host_and_port: quoted(&self.host_and_port()),
            port: api.port,
            tls: api.tls,
            channel: quoted(&app.published),
            event: quoted(EVENT),
            note: self.prefix_note(comment),
            sealing: self.sealing_note(comment),
        }
    }

    fn scheme(&self) -> &'static str {
        if self.api.tls { "https" } else { "http" }
    }

    /// Without the default port of the scheme.
    fn host_and_port(&self) -> String {
        let origin = self.api.origin();
        origin.split_once("://").map_or(origin.clone(), |(_, place)| place.to_owned())
    }

    fn sealing_note(&self, comment: &str) -> String {
        match self.app.subscribed == self.app.published {
            true => String::new(),
            false => format!(
                "{comment} The server seals it and delivers it on {}.\n",
                self.app.subscribed
            ),
        }
    }

    /// For SDKs that sign and send `/apps/...` without a prefix.
    fn prefix_note(&self, comment: &str) -> String {
        match &*self.app.path_prefix {
            "" => String::new(),
            prefix => format!(
                "{comment} path_prefix is {prefix:?}: this SDK cannot send it, let a proxy put it in front\n"
            ),
        }
    }
}

pub fn node(this: &Backend<'_>) -> String {
    let Values { id, key, secret, host, port, tls, channel, event, note, sealing, .. } =
        this.values(double, "//");
    let (before, subscribed) = (before_options(this.app), double(this.app.subscribed));
    let options = options(this.app, "pusher", "https://YOUR_BACKEND");
    format!(
        r#"// npm install pusher pusher-js; save as demo.mjs; node demo.mjs
{note}import PusherServer from "pusher";
import Pusher from "pusher-js";  // in a page: "pusher-js/with-encryption"

{before}const client = new Pusher({key}, {{
{options}}});
const server = new PusherServer({{
  appId: {id}, key: {key}, secret: {secret},
  host: {host}, port: "{port}", useTLS: {tls},
}});

const channel = client.subscribe({subscribed});
channel.bind({event}, (data) => console.log(data));
{sealing}channel.bind("pusher:subscription_succeeded", () =>
  server.trigger({channel}, {event}, {{ text: "from Node" }}));
"#
    )
}

pub fn laravel(this: &Backend<'_>) -> String {
    let Backend { app, api } = this;
    let same = app.clients == **api;
    let scheme = |tls| if tls { "https" } else { "http" };
    let page = |name: &str, value: String| match same {
        true => format!("\"${{REVERB_{name}}}\""),
        false => value,
    };
    format!(
        r#"# composer require pusher/pusher-php-server
BROADCAST_CONNECTION=reverb
REVERB_APP_ID={id}
REVERB_APP_KEY={key}
REVERB_APP_SECRET={secret}
REVERB_HOST={host}
REVERB_PORT={port}
REVERB_SCHEME={own_scheme}
VITE_REVERB_APP_KEY="${{REVERB_APP_KEY}}"
VITE_REVERB_HOST={page_host}
VITE_REVERB_PORT={page_port}
VITE_REVERB_SCHEME={page_scheme}
# Laravel 10 has no reverb connection: BROADCAST_DRIVER=pusher, and these values
# as PUSHER_APP_ID, PUSHER_APP_KEY, PUSHER_APP_SECRET, PUSHER_HOST, PUSHER_PORT
# and PUSHER_SCHEME. Echo: broadcaster "reverb" in all versions.
{sealing}{note}"#,
        id = app.id,
        key = dotenv(&app.key),
        secret = dotenv(this.secret()),
        host = api.host,
        port = api.port,
        own_scheme = this.scheme(),
        page_host = page("HOST", app.clients.host.clone()),
        page_port = page("PORT", app.clients.port.to_string()),
        sealing = laravel_sealing(app),
        page_scheme = page("SCHEME", scheme(app.clients.tls).into()),
        note = match &*app.path_prefix {
            "" => String::new(),
            prefix => format!(
                "# path_prefix: add 'path' => {} to the options in config/broadcasting.php, wsPath to Echo\n",
                single(prefix)
            ),
        },
    )
}

/// Further steps for encrypted channels.
fn laravel_sealing(app: &SnippetContext) -> String {
    if app.subscribed == app.published {
        return String::new();
    }
    // Laravel puts "private-" in front itself.
    let name = app.published.strip_prefix("private-").unwrap_or(&app.published);
    let bearer = match app.auth_endpoint {
        AuthEndpoint::ServerWithToken => ", bearerToken: YOUR_TOKEN",
        AuthEndpoint::Server | AuthEndpoint::Backend => "",
    };
    let without_key = match app.auth_endpoint {
        AuthEndpoint::Backend => {
            "# Laravel answers for encrypted channels with the key alone:".into()
        }
        AuthEndpoint::Server | AuthEndpoint::ServerWithToken => format!(
            "# Without a key in Laravel, Echo asks this server for encrypted channels:\n\
             #   authEndpoint: {}{bearer}\n\
             # Or Laravel answers for them itself, with the key:",
            double(&channel_endpoint(app))
        ),
    };
    format!(
        r#"# Broadcast on new PrivateChannel({name}), which is sealed for
# {subscribed}.
{without_key}
#   'encryption_master_key_base64' => '...' in connections.reverb.options of
#   config/broadcasting.php: `sealcast keys inspect --bare - < FILE` prints it
# Encrypted channels need in vite.config.js:
#   resolve: {{ alias: [{{ find: /^pusher-js$/,
#     replacement: "pusher-js/with-encryption" }}] }}
"#,
        name = single(name),
        subscribed = app.subscribed,
    )
}

pub fn python(this: &Backend<'_>) -> String {
    let Values { id, key, secret, host, port, tls, channel, event, note, sealing, .. } =
        this.values(double, "#");
    let digits = this.app.id.bytes().all(|b| b.is_ascii_digit());
    let id_note = if digits { "" } else { "# This SDK takes app ids of digits only.\n" };
    let ssl = if tls { "True" } else { "False" };
    format!(
        r#"# pip install pusher
{id_note}{note}import pusher

client = pusher.Pusher(app_id={id}, key={key}, secret={secret},
                       host={host}, port={port}, ssl={ssl})
{sealing}client.trigger({channel}, {event}, {{"text": "from Python"}})
"#
    )
}

pub fn ruby(this: &Backend<'_>) -> String {
    let Values { id, key, secret, host, port, tls, channel, event, note, sealing, .. } =
        this.values(single, "#");
    format!(
        r#"# gem install pusher
{note}require "pusher"

client = Pusher::Client.new(app_id: {id}, key: {key}, secret: {secret},
                            host: {host}, port: {port}, use_tls: {tls})
{sealing}client.trigger({channel}, {event}, {{ text: "from Ruby" }})
"#
    )
}

pub fn go(this: &Backend<'_>) -> String {
    let Values { id, key, secret, host_and_port, tls, channel, event, note, sealing, .. } =
        this.values(double, "//");
    format!(
        r#"// go get github.com/pusher/pusher-http-go/v5
{note}client := pusher.Client{{AppID: {id}, Key: {key}, Secret: {secret},
	Host: {host_and_port}, Secure: {tls}}}
{sealing}err := client.Trigger({channel}, {event}, map[string]string{{"text": "from Go"}})
"#
    )
}

pub fn java(this: &Backend<'_>) -> String {
    let Values { id, key, secret, host_and_port, tls, channel, event, note, sealing, .. } =
        this.values(double, "//");
    format!(
        r#"// com.pusher:pusher-http-java
{note}Pusher pusher = new Pusher({id}, {key}, {secret});
pusher.setHost({host_and_port});
pusher.setEncrypted({tls});
{sealing}pusher.trigger({channel}, {event}, Collections.singletonMap("text", "from Java"));
"#
    )
}

pub fn php(this: &Backend<'_>) -> String {
    let Values { id, key, secret, host, port, channel, event, sealing, .. } =
        this.values(single, "//");
    let scheme = this.scheme();
    let path = match &*this.app.path_prefix {
        "" => String::new(),
        prefix => format!(", 'path' => {}", single(prefix)),
    };
    format!(
        r#"// composer require pusher/pusher-php-server
$pusher = new Pusher\Pusher({key}, {secret}, {id},
    ['host' => {host}, 'port' => {port}, 'scheme' => '{scheme}'{path}]);
{sealing}$pusher->trigger({channel}, {event}, ['text' => 'from PHP']);
"#
    )
}

pub fn curl(this: &Backend<'_>) -> String {
    let Backend { app, api } = this;
    format!(
        r#"key={key}
data='{{\"text\":\"from curl\"}}'
body='{{"name":"{EVENT}","channels":["{channel}"],"data":"'$data'"}}'
md5=$(printf %s "$body" | openssl md5 | sed 's/.* //')
query="auth_key=$key&auth_timestamp=$(date +%s)&auth_version=1.0&body_md5=$md5"
path={prefix}/apps/{id}/events
sign=$(printf 'POST\n%s\n%s' "$path" "$query" |
  openssl dgst -sha256 -hmac {secret} | sed 's/.* //')
curl -d "$body" -H 'Content-Type: application/json' \
  "{url}$path?$query&auth_signature=$sign"
"#,
        channel = app.published,
        prefix = shell_path(&app.path_prefix),
        id = app.id,
        key = shell(&app.key),
        secret = shell(this.secret()),
        url = api.origin(),
    )
}

fn shell_path(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { shell(prefix) }
}
