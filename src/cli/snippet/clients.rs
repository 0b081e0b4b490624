//! Snippets for pages and other clients.

use super::{EVENT, quoting::double};
use crate::config::{AuthEndpoint, SnippetContext};

/// The options of pusher-js, as lines of an object. `backend`: address of the application's own
/// auth endpoint.
pub fn options(app: &SnippetContext, protocol: &str, backend: &str) -> String {
    let url = &app.clients;
    let (port, transports) = match url.tls {
        true => ("wssPort", r#"["ws", "wss"]"#),
        false => ("wsPort", r#"["ws"]"#),
    };
    let mut lines = format!(
        "  cluster: \"\", wsHost: {}, {port}: {},\n  forceTLS: {}, enabledTransports: {transports},\n",
        double(&url.host),
        url.port,
        url.tls
    );
    if !app.path_prefix.is_empty() {
        lines += &format!("  wsPath: {},\n", double(&app.path_prefix));
    }
    let (channel, user) = match app.auth_endpoint {
        AuthEndpoint::Backend => {
            lines +=
                "  // Endpoints of your own backend, since this app's authorizer is \"deny\":\n";
            (format!("{backend}/{protocol}/auth"), format!("{backend}/{protocol}/user-auth"))
        }
        AuthEndpoint::Server | AuthEndpoint::ServerWithToken => {
            (channel_endpoint(app), endpoint(app, "user"))
        }
    };
    let token = match app.auth_endpoint {
        AuthEndpoint::ServerWithToken => ", headersProvider: bearer",
        AuthEndpoint::Server | AuthEndpoint::Backend => "",
    };
    lines += &object("channelAuthorization", &format!("endpoint: {}{token}", double(&channel)));
    lines + &object("userAuthentication", &format!("endpoint: {}{token}", double(&user)))
}

/// On one line where that fits a terminal.
fn object(name: &str, fields: &str) -> String {
    const COLUMNS: usize = 80;
    let line = format!("  {name}: {{ {fields} }},");
    match line.chars().count() {
        0..=COLUMNS => line + "\n",
        _ => format!("  {name}: {{\n    {fields},\n  }},\n"),
    }
}

/// Where this server decides on channels.
pub fn channel_endpoint(app: &SnippetContext) -> String {
    endpoint(app, "channel")
}

fn endpoint(app: &SnippetContext, of: &str) -> String {
    format!("{}{}/apps/{}/auth/{of}", app.clients.origin(), app.path_prefix, app.id)
}

/// Declarations that the options refer to.
pub fn before_options(app: &SnippetContext) -> &'static str {
    match app.auth_endpoint {
        AuthEndpoint::ServerWithToken => {
            "const bearer = () => ({ Authorization: `Bearer ${YOUR_TOKEN}` });  // of the user\n\n"
        }
        AuthEndpoint::Server | AuthEndpoint::Backend => "",
    }
}

pub fn pusher_js(app: &SnippetContext) -> String {
    format!(
        r#"// npm install pusher-js
import Pusher from "pusher-js/with-encryption";

{before}const pusher = new Pusher({key}, {{
{options}}});
pusher.subscribe({channel}).bind({event}, (data) => console.log(data));
"#,
        before = before_options(app),
        key = double(&app.key),
        options = options(app, "pusher", ""),
        channel = double(app.subscribed),
        event = double(EVENT),
    )
}

pub fn next(app: &SnippetContext) -> String {
    let indented: String =
        options(app, "pusher", "").lines().map(|l| format!("    {l}\n")).collect();
    format!(
        r#"// npm install pusher-js; save as app/live.jsx
"use client";
import {{ useEffect }} from "react";
// Not "pusher-js/with-encryption": it needs a window and fails on the server.
import Pusher from "pusher-js/cjs/with-encryption";

{before}export function Live() {{
  useEffect(() => {{
    const pusher = new Pusher({key}, {{
{indented}    }});
    pusher.subscribe({channel}).bind({event}, (data) => console.log(data));
    return () => pusher.disconnect();
  }}, []);
  return null;
}}
"#,
        before = before_options(app),
        key = double(&app.key),
        channel = double(app.subscribed),
        event = double(EVENT),
    )
}

pub fn jetsocket(app: &SnippetContext) -> String {
    format!(
        r#"{before}const jetsocket = new Jetsocket({key}, {{
{options}}});
jetsocket.subscribe({channel}).bind({event}, (data) => console.log(data));
"#,
        before = before_options(app),
        key = double(&app.key),
        options = options(app, "jetsocket", ""),
        channel = double(app.subscribed),
        event = double(EVENT),
    )
}
