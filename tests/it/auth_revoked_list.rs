//! The list of revoked access tokens is bounded.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::*;

const MOST: usize = 100_000;

#[tokio::test]
async fn e5_full_list_of_revoked_tokens_takes_no_more() {
    let state = TempDir::new();
    let tokens: BTreeMap<String, i64> = (1..MOST).map(|n| (format!("j{n}"), unix_now())).collect();
    let list = json!({"format": 1, "tokens": tokens, "users": {}});
    state.write("it.revoked.json", &list.to_string());
    let launch = Launch::serve(&config("")).arg("--state-dir").arg(state.path());
    let server = launch.start().await;
    let revoke = async |jti: &str| server.post("/tokens/revoke", &json!({"jti": jti})).await;
    revoke("the last").await.expect(200, "the last");
    let response = revoke("one more").await;
    assert_eq!(response.refused(503, "one more"), "too_many_revocations");
    server.stop().await;
}
