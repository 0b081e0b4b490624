//! The section `[cluster]`: what is accepted, what is refused, and when a change takes effect.

use crate::support::*;

const PASSWORD: &str = "correct-horse-battery";

const NO_LOGS_OF_NODES: &str = "apps.it.channels has a history outside of Redis, and this server is a node of its cluster until it is restarted";
const NO_LOGS_IN_REDIS: &str =
    "apps.it.channels has a history in Redis, and this server joins its cluster at the next start";

const HISTORY: &str = "channels = [{ pattern = \"logged\", history = {} }]";
const DISK: &str = "channels = [{ pattern = \"logged\", history = { store = \"disk\" } }]";
const BUDGET: &str = "limits.history_bytes = 100000";

fn clustered(app: &str, url: &str) -> String {
    let key = base64(&master_key("cluster"));
    // Sections follow the settings of the server.
    format!("{}\n[cluster]\nurl = \"{url}\"\nkey = \"{key}\"\n", config(app))
}

/// With a key for logs on disk.
fn keyed(url: &str) -> String {
    let key = base64(&master_key("history"));
    format!("{}\n[history]\nkey = \"{key}\"\n", clustered("", url))
}

#[tokio::test]
async fn c_configuration_of_a_node_is_good_without_asking_redis() {
    // Nothing listens there.
    for url in [
        format!("rediss://user:{PASSWORD}@127.0.0.1:1"),
        format!("redis+sentinel://:{PASSWORD}@127.0.0.1:1,127.0.0.2:1/shop"),
        format!("rediss-cluster://:{PASSWORD}@127.0.0.1:1,127.0.0.2:1"),
    ] {
        let text = clustered(HISTORY, &url);
        let output = Launch::new(&["config", "check"]).config(&text).output("").await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stdout.contains("the configuration is good"), "{output:?}");
        for text in [&output.stdout, &output.stderr] {
            assert!(!text.contains(PASSWORD), "{output:?}");
        }
    }
}

#[tokio::test]
async fn c_what_nodes_cannot_do_yet_is_refused_at_the_check_and_at_the_start() {
    let redis = format!("redis://user:{PASSWORD}@127.0.0.1:1");
    for (text, says) in [
        (clustered(DISK, &redis), "two nodes with logs of their own would number events apart"),
        (clustered(BUDGET, &redis), "limits.history_bytes is for logs in the memory of a server"),
        (keyed(&redis), "history.key seals logs on disk"),
    ] {
        for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["config", "check"]] {
            let output = Launch::new(arguments).config(&text).output("").await;
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(output.stderr.contains(says), "{output:?}");
            assert!(!output.stderr.contains(PASSWORD), "{output:?}");
            assert!(!output.stdout.contains("good"), "{output:?}");
        }
    }
}

#[tokio::test]
async fn c_listing_hides_url_and_key_of_a_cluster() {
    let text = clustered("", &format!("redis://user:{PASSWORD}@redis.internal"));
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
        ("nats://a", "cluster.url names NATS, which this server does not use"),
        ("redis://a/3", "cluster.url names a database other than 0"),
    ] {
        let output = check(url).output("").await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.contains(says), "{output:?}");
    }
    for (prefix, code) in [("7", 0), ("a*", 1)] {
        let output = check("redis://a").env("SEALCAST_CLUSTER__PREFIX", prefix).output("").await;
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    let without_key = Launch::new(&["config", "check"]).config(&config(""));
    let output = without_key.env("SEALCAST_CLUSTER__URL", "redis://a").output("").await;
    assert!(output.stderr.contains("Make one with `sealcast keys generate`"), "{output:?}");
}

#[tokio::test]
async fn c_reload_that_adds_a_cluster_waits_for_the_next_start() {
    let mut it = ReloadFixture::start(&config("")).await;
    it.reject(&clustered(HISTORY, "redis://127.0.0.1:1"), NO_LOGS_IN_REDIS).await;
    let text = clustered("client_events = true", "redis://127.0.0.1:1");
    it.apply_and_log(&text, "config.later=\"cluster.key, cluster.url\"").await;
    assert!(it.server.stats().await["cluster"].is_null(), "it stays alone");
    it.still_delivers("alone").await;
    it.stop().await;
}

#[tokio::test]
async fn c_reload_that_removes_a_cluster_waits_for_the_next_start() {
    let section = ClusterSection::on(Redis::shared());
    let server = TestServer::start(&section.config(&config(""))).await;
    until_ready(&server).await;
    let mut it = ReloadFixture::of(server).await;
    it.apply_and_log(&config("client_events = true"), "config.later=\"cluster.key, cluster.").await;
    let cluster = it.server.stats().await["cluster"].take();
    assert_eq!((&cluster["link"], &cluster["nodes"]), (&"up".into(), &1.into()), "{cluster}");
    // It is a node still, and cannot do what nodes cannot do.
    it.reject(&config(HISTORY), NO_LOGS_OF_NODES).await;
    it.still_delivers("in its cluster").await;
    it.stop().await;
}
