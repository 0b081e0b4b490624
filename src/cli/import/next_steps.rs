//! What is to be changed in backends and pages.

use super::{super::terminal::harmless, draft::Draft, from::ForeignServer, toml::basic};

/// A paragraph for each step.
pub fn next_steps(origin: &ForeignServer, draft: &Draft) -> Vec<String> {
    let address = ClientAddress::of(origin, draft);
    let mut steps = Vec::new();
    if let Some(export) = &draft.export {
        steps.push(format!(
            "Export the apps, and run this again with --apps apps.json:\n  {} > apps.json",
            harmless(export)
        ));
    }
    let mut addresses = match origin.name {
        "Reverb" => of_reverb(&address),
        _ => of_pusher(origin, &address),
    };
    if let Some(path) = draft.server.get("path_prefix").and_then(|path| path.as_str()) {
        let path = basic(path);
        addresses += &format!("\nIn backends also path: {path}, in pages wsPath: {path}.");
    }
    steps.push(addresses);
    steps
}

struct ClientAddress {
    host: String,
    port: u16,
    is_tls: bool,
}

impl ClientAddress {
    /// As it was, or as the new server listens.
    fn of(origin: &ForeignServer, draft: &Draft) -> Self {
        let listens_tls = draft.server.get("tls_cert_file").is_some();
        let public = &draft.public;
        let is_tls = public.scheme.as_deref().map_or(listens_tls, |scheme| scheme == "https");
        let port = draft.listen.port.unwrap_or(origin.port);
        let is_usable = |host: &&String| is_host(host) && !host.ends_with(".pusher.com");
        let host = public.host.as_ref().filter(is_usable);
        Self {
            host: host.cloned().unwrap_or_else(|| "HOST".into()),
            port: public.port.filter(|_| public.host.is_some()).unwrap_or(port),
            is_tls,
        }
    }

    fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }
}

/// The text stands in files and pages as it is.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b))
}

fn of_reverb(address: &ClientAddress) -> String {
    let ClientAddress { host, port, .. } = address;
    format!(
        "\
Laravel keeps BROADCAST_CONNECTION=reverb, and id, key and secret. In its .env stands the address of
this server; VITE_REVERB_... follow it, so build the pages again:
  REVERB_HOST={host}
  REVERB_PORT={port}
  REVERB_SCHEME={scheme}",
        scheme = address.scheme()
    )
}

fn of_pusher(origin: &ForeignServer, address: &ClientAddress) -> String {
    let ClientAddress { host, port, is_tls } = address;
    let scheme = address.scheme();
    let before = match origin.name {
        "Pusher" => "Backends and pages keep id, key and secret, and get an address.",
        _ => "Backends and pages keep id, key and secret.",
    };
    format!(
        "\
{before}
In an .env of Laravel (other SDKs: host, port, useTLS):
  PUSHER_HOST={host}
  PUSHER_PORT={port}
  PUSHER_SCHEME={scheme}
In pages, with pusher-js or Laravel Echo:
  cluster: \"\", wsHost: \"{host}\", wsPort: {port}, wssPort: {port}, forceTLS: {is_tls},
  enabledTransports: [\"ws\", \"wss\"]"
    )
}
