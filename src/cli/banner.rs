//! The output of `serve --dev`: the snippets needed most, ready to paste.

use std::io;

use super::snippet::{self, SnippetName, names_except, render};
use crate::{
    config::{BoundAddresses, Config, Flags, SnippetContext, Source},
    platform::address::Address,
    web::{Console, ConsoleAccess},
};

/// Characters of a line.
const WIDTH: usize = 80;

const BANNER_SNIPPETS: [(SnippetName, &str); 3] = [
    (SnippetName::Node, "Node"),
    (SnippetName::Laravel, "Laravel: .env"),
    (SnippetName::Curl, "curl: the page or Node above receives it"),
];

/// `public`, `api`: the bound addresses, with their ports.
pub fn banner(
    config: &Config,
    (source, flags): (&Source, &Flags),
    public: &Address,
    api: Option<&Address>,
) -> String {
    let first = config.apps.first().map(|app| &*app.id);
    let app = match SnippetContext::of(source, first, Some(BoundAddresses { public, api })) {
        Ok(app) => app.without_secret(),
        Err(error) => return format!("\nSealcast for development. No snippets: {error}.\n\n"),
    };
    let mut text = facts(config, &app);
    for (name, title) in BANNER_SNIPPETS {
        match render(name, &app) {
            Ok(snippet) => text += &format!("{}{snippet}\n", heading(title)),
            Err(error) => text += &format!("{}{error}\n\n", heading(title)),
        }
    }
    let url = format!("{}{}", app.clients.origin(), app.path_prefix);
    text += &heading("Demo page: in another terminal; open http://127.0.0.1:8080 in two tabs");
    text += &format!("cd examples/quickstart && npm ci &&\n  SEALCAST_URL={url} npm start\n\n");
    text += &heading("More");
    let others = names_except(&BANNER_SNIPPETS.map(|(name, _)| name));
    text + &format!("{}\n  NAME: {others}\n\n", snippet::command(flags, public))
}

/// A link that signs in once, or the reason that there is none.
pub fn console(config: &Config, failure: Option<&io::Error>, console: &Console) -> String {
    if config.settings.reloadable.console.access == ConsoleAccess::Off {
        return String::new();
    }
    let (title, text) = match (failure, console.link()) {
        // The way out on a line of its own, for a narrow terminal.
        (Some(error), _) => {
            ("Console: not open", error.to_string().replace(" (choose", "\n(choose"))
        }
        (None, Err(error)) => ("Console: not open", error.to_string()),
        (None, Ok(link)) => {
            ("Console: for 5 minutes and once; `sealcast console` makes another", link.url)
        }
    };
    format!("{}{text}\n\n", heading(title))
}

fn facts(config: &Config, app: &SnippetContext) -> String {
    use secrecy::ExposeSecret;
    let key = config.apps.first().and_then(|app| app.sealing.keys());
    let master_key = key.map_or_else(
        || "none: encrypted channels are relayed blindly".into(),
        |ring| {
            let file = config.state_dir.join("dev-master-key");
            let id = ring.table().active().id.clone();
            format!("{id} (its fingerprint), kept in\n              {}", file.display())
        },
    );
    format!(
        "\nSealcast for development: everybody may join every channel.\nDo not put this on a network.\n\n  \
         app id      {}\n  key         {}\n  secret      {}\n  master key  {master_key}\n\n",
        app.id,
        app.key,
        app.secret.expose_secret()
    )
}

fn heading(title: &str) -> String {
    let rest = WIDTH.saturating_sub(title.chars().count() + 4);
    format!("── {title} {}\n", "─".repeat(rest))
}
