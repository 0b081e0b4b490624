//! encryption.md 5.5: known answers, at the start and on demand.

use crate::support::*;

#[tokio::test]
async fn e5_each_check_is_printed_and_passes() {
    let output = Launch::new(&["selftest"]).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for name in [
        "SHA-256",
        "HMAC-SHA256",
        "HKDF-SHA256",
        "secretbox",
        "pusher",
        "dotnet",
        "HS256",
        "random",
    ] {
        let line = output.stdout.lines().find(|line| line.contains(name));
        assert!(line.is_some_and(|line| line.starts_with("ok ")), "{name}: {output:?}");
    }
    assert!(!output.stdout.contains("FAILED"), "{output:?}");
}
