//! The section `[cluster]`, which this version checks and does not act on.

use crate::support::*;

const PASSWORD: &str = "correct-horse-battery";

fn clustered(url: &str) -> String {
    let key = base64(&master_key("cluster"));
    // Sections follow the settings of the server.
    format!("{}\n[cluster]\nurl = \"{url}\"\nkey = \"{key}\"\n", config(""))
}

#[tokio::test]
async fn c_server_with_a_cluster_refuses_to_start_with_a_sentence() {
    let text = clustered(&format!("redis://user:{PASSWORD}@redis.internal"));
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["config", "check"]] {
        let output = Launch::new(arguments).config(&text).output("").await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let says = "[cluster] names redis://***@redis.internal:6379, and this version of Sealcast does not join a cluster yet: remove [cluster] to run this server alone";
        assert!(output.stderr.contains(says), "{output:?}");
        assert!(!output.stderr.contains(PASSWORD), "{output:?}");
        assert!(!output.stdout.contains("good"), "{output:?}");
    }
}

#[tokio::test]
async fn c_listing_hides_url_and_key_of_a_cluster() {
    let text = clustered(&format!("redis://user:{PASSWORD}@redis.internal"));
    let output = Launch::new(&["config", "show"]).config(&text).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for line in ["cluster.url = \"********\"", "cluster.key = \"********\""] {
        assert!(output.stdout.contains(line), "{output:?}");
    }
    for secret in [PASSWORD, &base64(&master_key("cluster"))] {
        assert!(!output.stdout.contains(secret), "{output:?}");
    }
}

#[tokio::test]
async fn c_cluster_settings_come_from_the_environment_too() {
    let key = base64(&master_key("cluster"));
    let check = |url: &str| {
        let check = Launch::new(&["config", "check"]).config(&config(""));
        check.env("SEALCAST_CLUSTER__URL", url).env("SEALCAST_CLUSTER__KEY", &key)
    };
    for (url, says) in [
        ("rediss-cluster://a,b", "[cluster] names rediss-cluster://a:6379,b:6379, and"),
        ("nats://a", "cluster.url names NATS, which this server does not use"),
        ("redis://a/3", "cluster.url names a database other than 0"),
    ] {
        let output = check(url).output("").await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.contains(says), "{output:?}");
    }
    let output = check("redis://a").env("SEALCAST_CLUSTER__PREFIX", "7").output("").await;
    assert!(output.stderr.contains("does not join a cluster yet"), "{output:?}");
    let without_key = Launch::new(&["config", "check"]).config(&config(""));
    let output = without_key.env("SEALCAST_CLUSTER__URL", "redis://a").output("").await;
    assert!(output.stderr.contains("Make one with `sealcast keys generate`"), "{output:?}");
}

#[tokio::test]
async fn c_reload_that_adds_a_cluster_is_refused() {
    let mut it = ReloadFixture::start(&config("")).await;
    it.reject(&clustered("redis://a"), "does not join a cluster yet").await;
    it.still_delivers("alone").await;
    it.stop().await;
}
