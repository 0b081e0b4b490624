//! What `serve --dev` prints: one block to paste from.

use std::net::SocketAddr;

use crate::{
    address::Address,
    config::{Config, DEV_APP},
};

pub fn banner(config: &Config, public: &Address, api: Option<&Address>) -> String {
    let (Address::Tcp(public), Address::Tcp(api)) = (public, api.unwrap_or(public)) else {
        return "\nSealcast for development. What there is to paste is for listeners on ADDRESS:PORT.\n\n".into();
    };
    let (host, api_host) = (host(public), host(api));
    let (port, api_port) = (public.port(), api.port());
    let tls = config.tls.is_some();
    // What clients and SDKs call it; to pusher-js "ws" with `forceTLS` is TLS, too.
    let (scheme, port_name, transports) = match tls {
        true => ("https", "wssPort", r#""ws", "wss""#),
        false => ("http", "wsPort", r#""ws""#),
    };
    let api_tls = tls && api == public;
    let api_scheme = if api_tls { "https" } else { "http" };
    let Some(app) = config.apps.first() else { return String::new() };
    let (id, key) = (&app.id, &app.key);
    // Only the secret of --dev itself is known to all; one that was configured is not printed.
    let secret =
        if &**id == DEV_APP && &**key == "app-key" { "app-secret" } else { "YOUR_APP_SECRET" };
    let prefix = &config.settings.path_prefix;
    let fingerprint = app.sealing.keys().map_or_else(
        || "none: encrypted channels are relayed blindly".into(),
        |ring| ring.table().active().id.to_string(),
    );
    let key_file = config.state_dir.join("dev-master-key");
    format!(
        r#"
Sealcast for development. Everybody may join every channel: do not put this on a network.

  pusher-js (for encrypted channels: import Pusher from "pusher-js/with-encryption")
    new Pusher("{key}", {{
      cluster: "", wsHost: "{host}", {port_name}: {port}, forceTLS: {tls}, enabledTransports: [{transports}],
      channelAuthorization: {{ endpoint: "{scheme}://{host}:{port}{prefix}/pusher/auth" }},
      userAuthentication: {{ endpoint: "{scheme}://{host}:{port}{prefix}/pusher/user-auth" }},
    }})

  Jetsocket
    new Jetsocket("{key}", {{
      wsHost: "{host}", {port_name}: {port}, forceTLS: {tls},
      channelAuthorization: {{ endpoint: "{scheme}://{host}:{port}{prefix}/jetsocket/auth" }},
    }})

  Laravel .env
    BROADCAST_CONNECTION=pusher
    PUSHER_APP_ID={id}
    PUSHER_APP_KEY={key}
    PUSHER_APP_SECRET={secret}
    PUSHER_HOST={api_host}
    PUSHER_PORT={api_port}
    PUSHER_SCHEME={api_scheme}

  Node (the SDK's trigger() wants to encrypt by itself and asks for a key; post() sends plaintext, which the server seals)
    new (require("pusher"))({{ appId: "{id}", key: "{key}", secret: "{secret}", host: "{api_host}", port: "{api_port}", useTLS: {api_tls} }})
      .post({{ path: "/events", body: {{ name: "hello", channels: ["private-encrypted-demo"], data: JSON.stringify({{ text: "sealed by the server" }}) }} }})

  curl
    body='{{"name":"hello","channels":["private-encrypted-demo"],"data":"{{\"text\":\"sealed by the server\"}}"}}'
    query="auth_key={key}&auth_timestamp=$(date +%s)&auth_version=1.0&body_md5=$(printf %s "$body" | md5sum | cut -d' ' -f1)"
    sign=$(printf 'POST\n/apps/{id}/events\n%s' "$query" | openssl dgst -sha256 -hmac {secret} | sed 's/.* //')
    curl -d "$body" -H 'Content-Type: application/json' "{api_scheme}://{api_host}:{api_port}{prefix}/apps/{id}/events?$query&auth_signature=$sign"

  Demo page: in another terminal
    cd examples/quickstart && npm ci && SEALCAST_URL={scheme}://{host}:{port}{prefix} npm start     then open http://127.0.0.1:8080 in two tabs

  Master key: {fingerprint} (kept in {})

"#,
        key_file.display()
    )
}

/// No client can connect to "all addresses".
fn host(address: &SocketAddr) -> String {
    if address.ip().is_unspecified() { "localhost".into() } else { address.ip().to_string() }
}
