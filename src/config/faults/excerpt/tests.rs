use super::*;

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

/// The position and the line of a setting, with carets under it.
fn shown(text: &str, setting: &str, aim: Aim) -> (usize, usize, String, String) {
    let file = TomlFile::new(text, text, &Schema::new());
    let found = file.find(&path(setting), aim).expect("a place");
    let TextPosition { line, column } = file.position(found.start);
    let Excerpt { line: shown, marked } = file.excerpt(found).expect("a line");
    let carets = format!("{}{}", " ".repeat(marked.start), "^".repeat(marked.len()));
    (line, column, shown, carets)
}

#[test]
fn settings_are_found_where_they_are_written() {
    let text = "log = \"é\"\n\n[apps.shop]\n  client_events = \"yes\" # a\n\
        limits = { connections = -1, x = 2 }\nlimits2.y = 1\n\
        [[apps.shop.webhooks]]\n[[apps.shop.webhooks]]\nevents = 'x'\nchannels = ['a', 5]\n";
    for (setting, aim, expected) in [
        ("log", Aim::Name, (1, 1, "log = \"é\"", "^^^")),
        (
            "apps.shop.client_events",
            Aim::Value,
            (4, 19, "client_events = \"yes\"", "                ^^^^^"),
        ),
        (
            "apps.shop.limits.connections",
            Aim::Value,
            (5, 26, "limits = { connections = -1, x = 2 }", "                         ^^"),
        ),
        ("apps.shop.webhooks.1.events", Aim::Value, (9, 10, "events = 'x'", "         ^^^")),
        (
            "apps.shop.webhooks.1.channels.1",
            Aim::Value,
            (10, 18, "channels = ['a', 5]", "                 ^"),
        ),
        // A setting that is missing: its table.
        ("apps.shop.key", Aim::Value, (3, 1, "[apps.shop]", "^^^^^^^^^^^")),
    ] {
        let (line, column, shown, carets) = shown(text, setting, aim);
        assert_eq!((line, column, &*shown, &*carets), expected, "{setting}");
    }
}

#[test]
fn secrets_and_unknown_settings_are_masked() {
    for (text, setting, expected) in [
        ("[apps.a]\nsecret = 'abc'\n", "apps.a.secret", "secret = \"********\""),
        ("[apps.a]\nsecert = 'abc'\n", "apps.a.secert", "secert = \"********\""),
        ("port = 6001\n", "port", "port = 6001"),
        ("workers = 'a#b' # abc\n", "workers", "workers = 'a#b'"),
        ("secret = 5 # abc\n", "secret", "secret = 5"),
        (
            "apps.a = { key = 'k', secret = 'abc', mode = 'x' }\n",
            "apps.a.mode",
            "apps.a = { key = 'k', secret = \"********\", mode = 'x' }",
        ),
        ("[cluster]\nurl = 'redis://:abc@h'\n", "cluster.url", "url = \"********\""),
        ("admin_token = '''\nabc'''\n", "admin_token", "admin_token = \"********\""),
        ("[x]\ny = ['abc', { z = 'abc' }]\n", "x", "[x]"),
        ("[x]\ny = ['abc', { z = 'abc' }]\n", "x.y", "y = [\"********\", { z = \"********\" }]"),
    ] {
        let (.., shown, carets) = shown(text, setting, Aim::Value);
        assert_eq!(shown, expected, "{text}");
        assert!(carets.len() <= shown.len(), "{shown}\n{carets}");
    }
}

#[test]
fn key_in_the_wrong_place_is_masked() {
    let key = MasterKey::generate().unwrap().to_text();
    let text = format!("listen = \"{}\"\n", *key);
    let (.., shown, _) = shown(&text, "listen", Aim::Value);
    assert_eq!(shown, "listen = \"********\"");
}
