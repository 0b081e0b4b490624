//! The path of WebSocket connections, and hints for wrong paths.

use percent_encoding::percent_decode_str;

/// The app's key in `{prefix}/app/{key}`.
pub fn key(path: &str, prefix: &str) -> Option<String> {
    let key = path.strip_prefix(prefix)?.strip_prefix("/app/")?.trim_end_matches('/');
    let key = percent_decode_str(key).decode_utf8().ok()?;
    (!key.is_empty() && !key.contains('/')).then(|| key.into_owned())
}

/// Explains how to correct a path that has no key here. It repeats the part in front of `/app` if
/// `may_show` takes that part and the key behind it, and no other part of the path.
pub fn path_hint(path: &str, prefix: &str, may_show: impl Fn(&str, &str) -> bool) -> String {
    let right = format!("WebSocket connections go to {prefix}/app/KEY");
    let configured = match prefix {
        "" => "path_prefix is not set".to_owned(),
        prefix => format!("path_prefix is \"{prefix}\""),
    };
    if path.contains("//") && key(&single_slashes(path), prefix).is_some() {
        return format!(
            "{right}, and this path has two slashes in a row: give the client a path without a slash at its end (pusher-js: wsPath)"
        );
    }
    if path.trim_end_matches('/') == format!("{prefix}/app") {
        return format!("{right}, and this path has no key");
    }
    if !prefix.is_empty() && key(path, "").is_some() {
        return format!(
            "{right}, since {configured}, which this path lacks: give it to the client (pusher-js: wsPath: \"{prefix}\")"
        );
    }
    if let Some((before, key)) = other_prefix(path) {
        let is_shown = before.len() <= SHOWN_BYTES && may_show(before, &key);
        let (what, set) = match is_shown {
            true => (format!("{before:?}"), format!("path_prefix = {before:?}")),
            false => ("something else".to_owned(), "path_prefix to it".to_owned()),
        };
        return format!(
            "{right}, since {configured}, and this path has {what} in front of /app: set {set}, have the proxy remove it, or give the client another path (pusher-js: wsPath)"
        );
    }
    right
}

const SHOWN_BYTES: usize = 100;

/// The path in front of `/app/{key}`, and the key.
fn other_prefix(path: &str) -> Option<(&str, String)> {
    let at = path.rfind("/app/").filter(|at| *at > 0)?;
    Some((&path[..at], key(&path[at..], "")?))
}

fn single_slashes(path: &str) -> String {
    let mut single = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !single.ends_with('/') {
            single.push(character);
        }
    }
    single
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f23_wrong_paths_get_specific_hints() {
        for (path, prefix, wanted) in [
            ("//app/k", "", "go to /app/KEY, and this path has two slashes"),
            ("/ws//app/k", "/ws", "go to /ws/app/KEY, and this path has two slashes"),
            ("/app/", "", "no key"),
            ("/ws/app", "/ws", "no key"),
            ("/app/k", "/ws", "path_prefix is \"/ws\", which this path lacks"),
            ("/app/k/", "/ws", "wsPath: \"/ws\""),
            ("/other/app/k", "", "path_prefix is not set, and this path has something else"),
            ("/other/app/k", "/ws", "path_prefix is \"/ws\", and this path has something else"),
            ("/app/app/k", "", "this path has something else in front of /app"),
        ] {
            assert_eq!(key(path, prefix), None, "{path}");
            let hint = path_hint(path, prefix, |_, _| false);
            assert!(hint.contains(wanted), "{path} with {prefix:?}: {hint}");
        }
        for path in ["/", "/app/k/more", "/apps/k", "/app/%ff"] {
            let hint = path_hint(path, "", |_, _| true);
            assert_eq!(hint, "WebSocket connections go to /app/KEY", "{path}");
        }
        assert_eq!(key("/ws/app/a%20b/", "/ws").as_deref(), Some("a b"));
    }

    #[test]
    fn other_prefix_is_named_before_a_known_key_only() {
        let hint = |path: &str| path_hint(path, "/ws", |_, key| key == "k");
        assert!(hint("/old/app/k/").contains("this path has \"/old\" in front of /app"));
        let long = format!("/{}/app/k", "x".repeat(SHOWN_BYTES));
        for path in ["/secret/app/unknown", &long] {
            assert!(hint(path).contains("this path has something else"), "{path}: {}", hint(path));
        }
    }
}
