//! Origins of pages, from lists of hosts.

use crate::domain::origins::OriginPattern;

/// A list in our form, and the entries that have none.
pub struct OriginList {
    pub origins: Vec<String>,
    pub refused: Vec<String>,
    /// True if every origin is allowed.
    pub is_open: bool,
}

pub fn of_list(list: &[String]) -> OriginList {
    let is_open = list.is_empty() || list.iter().any(|e| e == "*" || e.eq_ignore_ascii_case("any"));
    let (mut origins, mut refused) = (Vec::new(), Vec::new());
    if !is_open {
        for entry in list {
            let ours = of_entry(entry);
            match ours.iter().all(|origin| origin.parse::<OriginPattern>().is_ok()) {
                true => origins.extend(ours),
                false => refused.push(entry.clone()),
            }
        }
    }
    origins.dedup();
    OriginList { origins, refused, is_open }
}

/// A host stands for its pages on any port: over TLS, and over plain HTTP where the host is this
/// machine or one for development.
fn of_entry(entry: &str) -> Vec<String> {
    if entry.contains("://") {
        return vec![entry.to_owned()];
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
        _ => (entry, "*"),
    };
    let last = host.rsplit('.').next().unwrap_or(host);
    let is_local = ["localhost", "test", "local", "internal"].contains(&last)
        || host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let mut origins = vec![format!("https://{host}:{port}")];
    origins.extend(is_local.then(|| format!("http://{host}:{port}")));
    origins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[&str]) -> OriginList {
        of_list(&list.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn hosts_become_origins_on_any_port() {
        for (entry, expected) in [
            ("shop.example", &["https://shop.example:*"][..]),
            ("*.shop.example", &["https://*.shop.example:*"]),
            ("shop.example:8443", &["https://shop.example:8443"]),
            ("https://shop.example", &["https://shop.example"]),
            ("localhost", &["https://localhost:*", "http://localhost:*"]),
            ("shop.test", &["https://shop.test:*", "http://shop.test:*"]),
            ("127.0.0.1", &["https://127.0.0.1:*", "http://127.0.0.1:*"]),
        ] {
            assert_eq!(of(&[entry]).origins, expected, "{entry}");
        }
        assert!(of(&["shop.example", "*"]).is_open && of(&[]).is_open);
        for entry in ["*shop.example", "shop.*", "*.com", "http://a*b.example"] {
            let list = of(&[entry, "a.example"]);
            assert_eq!((list.refused, list.origins.len()), (vec![entry.to_owned()], 1));
        }
    }
}
