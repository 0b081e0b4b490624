//! Entry point of the fuzz target `cluster_url`.

use super::*;

const PASSWORD: &str = "correct-horse-battery";

/// A URL is refused with a sentence, or shown without its password and read again as the same.
/// `PASSWORD` in the input stands for one.
pub fn url(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let text = text.replace("PASSWORD", PASSWORD);
    match ClusterUrl::parse(&text) {
        Err(error) => assert!(!error.to_string().contains(PASSWORD), "{error}"),
        Ok(url) => {
            let shown = format!("{url} {url:?}");
            // In a host or a master's name it is no password.
            let open = text.rsplit('@').next().is_some_and(|rest| rest.contains(PASSWORD));
            assert!(open || !shown.contains(PASSWORD), "{shown}");
            let again = ClusterUrl::parse(&url.to_string().replace("***", ":x"));
            let again = again.expect("it is read again");
            assert_eq!(again.to_string(), url.to_string());
            assert!((1..=MAX_HOSTS).contains(&url.hosts.len()));
        }
    }
}
