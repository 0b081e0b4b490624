//! The path of WebSocket connections, and hints for wrong paths.

use percent_encoding::percent_decode_str;

/// The app's key in `{prefix}/app/{key}`.
pub fn key(path: &str, prefix: &str) -> Option<String> {
    let key = path.strip_prefix(prefix)?.strip_prefix("/app/")?.trim_end_matches('/');
    let key = percent_decode_str(key).decode_utf8().ok()?;
    (!key.is_empty() && !key.contains('/')).then(|| key.into_owned())
}

/// A hint for a path without a key. It repeats nothing of the path.
pub fn mistake(path: &str, prefix: &str) -> String {
    let right = format!("WebSocket connections go to {prefix}/app/KEY");
    let of_prefix = |path: &str| match path.find("/app/") {
        Some(0) | None => None,
        Some(at) => key(&path[at..], ""),
    };
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
    if of_prefix(path).is_some() {
        return format!(
            "{right}, since {configured}, and this path has something else in front of /app: set path_prefix to it, have the proxy remove it, or give the client another path (pusher-js: wsPath)"
        );
    }
    right
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
    fn f23_near_misses_are_told_apart() {
        for (path, prefix, wanted) in [
            ("//app/k", "", "go to /app/KEY, and this path has two slashes"),
            ("/ws//app/k", "/ws", "go to /ws/app/KEY, and this path has two slashes"),
            ("/app/", "", "no key"),
            ("/ws/app", "/ws", "no key"),
            ("/app/k", "/ws", "path_prefix is \"/ws\", which this path lacks"),
            ("/app/k/", "/ws", "wsPath: \"/ws\""),
            ("/other/app/k", "", "path_prefix is not set, and this path has something else"),
            ("/other/app/k", "/ws", "path_prefix is \"/ws\", and this path has something else"),
        ] {
            assert_eq!(key(path, prefix), None, "{path}");
            let said = mistake(path, prefix);
            assert!(said.contains(wanted), "{path} with {prefix:?}: {said}");
        }
        for path in ["/", "/app/k/more", "/apps/k", "/app/%ff"] {
            assert_eq!(mistake(path, ""), "WebSocket connections go to /app/KEY", "{path}");
        }
        assert_eq!(key("/ws/app/a%20b/", "/ws").as_deref(), Some("a b"));
    }
}
