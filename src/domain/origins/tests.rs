use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> OriginPattern {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn loopback_origins() {
    for origin in
        ["http://localhost", "http://localhost:8080", "https://127.0.0.1:1", "http://[::1]:5"]
    {
        assert!(Origins::Loopback.lists(origin), "{origin}");
    }
    for origin in [
        "http://localhost.evil",
        "http://127.0.0.1.evil:80",
        "null",
        "",
        "http://localhost:80.evil",
        "http://[::1].evil",
        "file://localhost",
    ] {
        assert!(!Origins::Loopback.lists(origin), "{origin}");
    }
}

#[test]
fn patterns_match_their_origins() {
    for (text, matching, foreign) in [
        (
            "https://a.example",
            &["https://a.example"][..],
            &[
                "http://a.example",
                "https://a.example:444",
                "https://b.a.example",
                "https://a.example.evil",
                "https://a.example.",
                "https://A.example@evil",
                "null",
                "",
            ][..],
        ),
        (
            "https://a.example:443",
            &["https://a.example", "https://a.example:443"],
            &["https://a.example:80", "http://a.example:443"],
        ),
        ("http://a.example", &["http://a.example:80"], &["http://a.example:443"]),
        ("HTTPS://A.Example:8443", &["https://a.example:8443"], &["https://a.example"]),
        (
            "https://*.example.com",
            &["https://a.example.com", "https://xn--bcher-kva.example.com"],
            &[
                "https://example.com",
                "https://.example.com",
                "https://a.b.example.com",
                "https://a.example.com:8443",
                "http://a.example.com",
                "https://evilexample.com",
                "https://a.example.com.evil",
                "https://evil/.example.com",
                "https://evil:80.example.com",
                "https://x@a.example.com",
                "https://*.example.com",
            ],
        ),
        (
            "https://*.*.example.com:*",
            &["https://a.b.example.com", "https://a.b.example.com:1"],
            &[
                "https://a.example.com:1",
                "https://a.b.example.com:",
                "https://a.b.example.com:x",
                "https://a.b.example.com:1:1",
                "https://a.b.example.com:65536",
                "https://a.b.example.com:+1",
                "https://a.b.example.com:01",
            ],
        ),
        (
            "http://localhost:*",
            &["http://localhost", "http://localhost:3000"],
            &["http://localhost:3000.evil", "https://localhost:3000", "http://a.localhost"],
        ),
        ("http://*.localhost:3000", &["http://shop.localhost:3000"], &["http://localhost:3000"]),
        ("http://[::1]:3000", &["http://[::1]:3000"], &["http://[::1]", "http://[::2]:3000"]),
    ] {
        let pattern = pattern(text);
        matching.iter().for_each(|origin| assert!(pattern.matches(origin), "{text}: {origin}"));
        foreign.iter().for_each(|origin| assert!(!pattern.matches(origin), "{text}: {origin}"));
    }
}

#[test]
fn implausible_patterns_are_refused() {
    use InvalidOrigin::*;
    for (text, expected) in [
        ("*", Shape),
        ("a.example", Shape),
        ("https://", Shape),
        ("https://a.example/", Shape),
        ("https://a..example", Shape),
        ("https://a.example:x", Shape),
        ("https://u@a.example", Shape),
        ("ws://a.example", Scheme),
        ("electron://a", Scheme),
        ("null", Opaque),
        ("file://", Opaque),
        ("file:///home/a/index.html", Opaque),
        ("capacitor://*", AppStar),
        ("app://*.example.com", AppStar),
        ("capacitor://", App),
        ("ionic://localhost/", App),
        ("tauri://localhost:1", App),
        ("app://user@a", App),
        ("chrome-extension://short", Extension),
        ("chrome-extension://abcdefghijklmnopabcdefghijklmnoq", Extension),
        ("moz-extension://localhost", Extension),
        ("https://[::1", Shape),
        ("https://bücher.example", NotAscii),
        ("https://a.*.example", Star),
        ("https://a*.example.com", Star),
        ("https://*", TooWide),
        ("https://*.com", TooWide),
        ("https://*.0.1", TooWide),
    ] {
        assert_eq!(text.parse::<OriginPattern>(), Err(expected), "{text}");
    }
}

#[test]
fn only_exact_origins_may_send_cookies() {
    let listed = ["https://a.example", "https://*.b.example", "http://c.example:*"];
    let origins = Origins::Listed(listed.map(pattern).into());
    assert!(origins.admits(None) && origins.admits(Some("https://x.b.example")));
    assert!(!origins.admits(Some("https://x.example")));
    assert!(origins.lists_exactly("https://a.example"));
    assert!(!origins.lists_exactly("https://x.b.example"));
    assert!(!origins.lists_exactly("http://c.example:80"));
    assert!(Origins::Any.admits(Some("https://x.example")));
    assert!(!Origins::Any.lists("https://x.example"));
}

proptest! {
    /// Any text before or after a listed origin makes a foreign origin.
    #[test]
    fn foreign_origin_never_matches(
        text in prop::sample::select(vec![
            "https://a.example", "https://*.example.com", "https://*.example.com:*",
            "https://*.*.example.com", "http://localhost:*", "https://a.example:8443",
        ]),
        scheme in prop::sample::select(vec!["https://", "http://", "ws://", "file://", ""]),
        head in "[a-z0-9.*:@/?#%_-]{0,12}",
        tail in "[a-z.:@/?#%]{0,3}[a-z]",
    ) {
        let pattern = pattern(text);
        let host = text.split("://").nth(1).unwrap().replace("*.", "").replace(":*", "");
        let own = host.rsplit_once(':').map_or(host.as_str(), |(host, _)| host);
        // The end of the host is another name: a foreign site.
        let foreign = format!("{scheme}{head}{own}.{tail}");
        prop_assert!(!pattern.matches(&foreign), "{}", foreign);
        let foreign = format!("{scheme}{head}{own}@{tail}.example.org");
        prop_assert!(!pattern.matches(&foreign), "{}", foreign);
        // Glued to another label: a different name as well.
        let glued = format!("{scheme}x{own}");
        prop_assert!(!pattern.matches(&glued), "{}", glued);
    }

    /// A match is the pattern with labels and a port in place of its stars.
    #[test]
    fn matches_fill_in_the_stars(origin in "https?://[a-c.:@]{0,8}(\\.?example\\.com)?(:[0-9]{0,6})?") {
        if pattern("https://*.example.com:*").matches(&origin) {
            let rest = origin.strip_prefix("https://").expect("the scheme");
            let (label, port) = rest.split_once(".example.com").expect("the host");
            prop_assert!(!label.is_empty() && !label.contains(['.', ':', '@']), "{}", origin);
            prop_assert!(port.is_empty() || port[1..].parse::<u16>().is_ok(), "{}", origin);
        }
    }

    #[test]
    fn apex_and_deeper_subdomains_never_match(labels in prop::collection::vec("[a-z0-9-]{1,5}", 0..4)) {
        let host: String = labels.iter().map(|label| format!("{label}.")).collect();
        let matched = pattern("https://*.example.com").matches(&format!("https://{host}example.com"));
        prop_assert_eq!(matched, labels.len() == 1);
    }
}

#[test]
fn app_needs_its_exact_origin() {
    for (text, foreign) in [
        ("capacitor://localhost", "capacitor://other"),
        ("ionic://localhost", "capacitor://localhost"),
        ("tauri://localhost", "https://localhost"),
        ("app://.", "app://"),
        ("app://obsidian.md", "app://obsidian.md.evil"),
        (
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnoa",
        ),
        (
            "safari-web-extension://E5D2AA10-0000-4000-8000-0123456789AB",
            "moz-extension://e5d2aa10-0000-4000-8000-0123456789ab",
        ),
    ] {
        let origins = Origins::Listed(vec![pattern(text)]);
        assert!(origins.lists(text) && origins.lists(&text.to_ascii_lowercase()), "{text}");
        for foreign in [foreign, "null", "file://", "", &format!("{text}/"), &format!("{text}:1")] {
            assert!(!origins.lists(foreign), "{text}: {foreign}");
        }
        // Cookies are for web pages.
        assert!(!origins.has_exact() && !origins.lists_exactly(text), "{text}");
    }
}

#[test]
fn advice_suggests_only_exact_origins() {
    let of = |origin: &str| advice(origin, "shop");
    assert_eq!(
        of("https://a.example"),
        "if it is yours, add \"https://a.example\" to origins in [apps.shop]"
    );
    assert!(of("capacitor://localhost").contains("add \"capacitor://localhost\""));
    assert!(of("null").contains("cannot be listed"));
    assert!(of("electron://a").contains("taken are http and https, and of apps capacitor"));
    for wide in ["https://*.example.com", "http://localhost:*"] {
        assert!(!of(wide).contains('*'), "{wide}");
    }
    let long = format!("https://{}.example", "a".repeat(9000));
    assert!(of(&long).len() < 500 && !of("\u{1b}[2J").contains('\u{1b}'));
}
