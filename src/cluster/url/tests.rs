//! URLs of Redis, and the passwords in them.

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

const PASSWORD: &str = "correct-horse-battery";

fn parse(text: &str) -> ClusterUrl {
    ClusterUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> InvalidClusterUrl {
    ClusterUrl::parse(text).map(|url| panic!("{text}: read as {url}")).unwrap_err()
}

#[test]
fn one_grammar_has_all_topologies() {
    let sentinel = |master: &str| RedisTopology::Sentinel { master: master.into() };
    for (text, topology, shown) in [
        ("redis://a", RedisTopology::Single, "redis://a:6379"),
        ("redis://a:7000", RedisTopology::Single, "redis://a:7000"),
        ("redis://a/", RedisTopology::Single, "redis://a:6379"),
        ("REDIS://a/0", RedisTopology::Single, "redis://a:6379"),
        ("rediss://redis.internal.", RedisTopology::Single, "rediss://redis.internal.:6379"),
        ("tls://10.0.0.1:1", RedisTopology::Single, "rediss://10.0.0.1:1"),
        ("redis://[::1]", RedisTopology::Single, "redis://[::1]:6379"),
        ("redis://[2001:db8::1]:65535/0", RedisTopology::Single, "redis://[2001:db8::1]:65535"),
        (
            "redis+sentinel://a,b:1/my-master",
            sentinel("my-master"),
            "redis+sentinel://a:26379,b:1/my-master",
        ),
        ("rediss+sentinel://a/m.1_x/0", sentinel("m.1_x"), "rediss+sentinel://a:26379/m.1_x"),
        (
            "redis-cluster://a,b,[::1]:2",
            RedisTopology::Cluster,
            "redis-cluster://a:6379,b:6379,[::1]:2",
        ),
        ("rediss-cluster://a/0", RedisTopology::Cluster, "rediss-cluster://a:6379"),
    ] {
        let url = parse(text);
        assert_eq!((url.topology.clone(), url.to_string()), (topology, shown.to_owned()), "{text}");
        assert_eq!(url.tls, shown.starts_with("rediss"), "{text}");
        assert!(url.login.is_none(), "{text}");
        assert_eq!(parse(shown).to_string(), shown);
    }
}

#[test]
fn login_is_decoded() {
    for (text, user, password) in [
        ("redis://:secret@a", None, "secret"),
        ("redis://u:secret@a", Some("u"), "secret"),
        ("redis://u%40x:a%2Fb%3Ac%25%C3%A9@a", Some("u@x"), "a/b:c%é"),
        ("redis://u:a:b@a", Some("u"), "a:b"),
        ("redis+sentinel://u:p@a,b/m", Some("u"), "p"),
    ] {
        let login = parse(text).login.unwrap_or_else(|| panic!("{text}"));
        assert_eq!(login.user.as_deref(), user, "{text}");
        assert_eq!(login.password.expose_secret(), password, "{text}");
    }
}

#[test]
fn other_urls_are_refused_with_their_fault() {
    use InvalidClusterUrl::*;
    let hosts = vec!["a"; MAX_HOSTS + 1].join(",");
    for (text, expected) in [
        ("", Scheme),
        ("a", Scheme),
        ("a:6379", Scheme),
        ("redis:a", Scheme),
        ("redis:/a", Scheme),
        ("http://a", Scheme),
        ("redis+unix:///a", Scheme),
        ("nats://a", Nats),
        ("NATS:a", Nats),
        ("nats+tls://a", Nats),
        ("redis://a b", Blank),
        (" redis://a", Blank),
        ("redis://a\n", Blank),
        ("redis://a?db=1", Parameters),
        ("redis://a#x", Parameters),
        ("redis://:a?b@c", Parameters),
        ("redis://u:p@x@a", SeveralAt),
        ("redis://u@a", NoPassword),
        ("redis://u:@a", NoPassword),
        ("redis://@a", NoPassword),
        ("redis://:a%@b", Encoding),
        ("redis://:a%4@b", Encoding),
        ("redis://:%zz@b", Encoding),
        ("redis://:%ff@b", Encoding),
        ("redis://", Host),
        ("redis://:6379", Host),
        ("redis-cluster://a,,b", Host),
        ("redis-cluster://a,", Host),
        ("redis://a..b", Host),
        ("redis://1.2.3", Host),
        ("redis://1.2.3.4.5", Host),
        ("redis://999.1.1.1", Host),
        ("redis://é", Host),
        ("redis://::1", Host),
        ("redis://[::1", Host),
        ("redis://[::1]x", Host),
        ("redis://[a]", Host),
        ("redis://a:", Port),
        ("redis://a:0", Port),
        ("redis://a:65536", Port),
        ("redis://a:+1", Port),
        ("redis://:a/b@c", Host),
        ("redis://u:a/b@c", Port),
        ("redis://a,b", SeveralHosts),
        (&format!("redis-cluster://{hosts}"), TooManyHosts),
        ("redis+sentinel://a", Master),
        ("redis+sentinel://a/", Master),
        ("redis+sentinel://a//0", Master),
        ("redis+sentinel://a/a%20b", Master),
        ("redis://a/1", Database),
        ("redis://a/00", Database),
        ("redis-cluster://a/15", Database),
        ("redis+sentinel://a/m/1", Database),
        ("redis://a/x", Path),
        ("redis://a/0/", Path),
        (&format!("redis://{}", "a".repeat(20_000)), TooLong),
    ] {
        assert_eq!(refusal(text), expected, "{text:?}");
    }
    let nats = Nats.to_string();
    assert!(nats.contains("NATS") && nats.contains("redis://HOST"), "{nats}");
    assert!(Database.to_string().contains("database 0"), "{Database}");
}

#[test]
fn password_appears_nowhere() {
    for text in ["redis://u:{}@a", "redis+sentinel://:{}@a,b/m", "rediss-cluster://u:{}@a,b"] {
        let url = parse(&text.replace("{}", PASSWORD));
        let shown = format!("{url} {url:?} {url:#?}");
        assert!(!shown.contains(PASSWORD) && shown.contains("***@a"), "{shown}");
    }
    for text in [
        "{}",
        "{}://a",
        "redis:{}",
        "redis://:{}",
        "redis://:{}@",
        "redis://:{}/x@a",
        "redis://:{}#x@a",
        "redis://:{}%@a",
        "redis://:x@{}@a",
        "redis://a:{}",
        "redis://a/{}",
        "redis+sentinel://a/m/{}",
        "nats://u:{}@a",
    ] {
        let error = refusal(&text.replace("{}", PASSWORD));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(PASSWORD), "{text}: {shown}");
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_or_read_again(text in "(redis|rediss|tls|redis-cluster|redis\\+sentinel)://[a-z0-9:@,/%.\\[\\]-]{0,40}") {
        if let Ok(url) = ClusterUrl::parse(&text) {
            let again = parse(&url.to_string().replace("***", ":x"));
            prop_assert_eq!(again.to_string(), url.to_string());
            prop_assert_eq!(again.hosts, url.hosts);
        }
    }

    #[test]
    fn any_encoded_password_is_decoded(password in "\\PC{1,40}") {
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let login = parse(&format!("redis://:{encoded}@a")).login.unwrap();
        prop_assert_eq!(login.password.expose_secret(), password.as_str());
    }
}
