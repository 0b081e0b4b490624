use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::crypto::signature::AppSecret;

fn ids() -> SignedIds {
    SignedIds::new(AppSecret::new(b"secret"))
}

fn presence(user_id: &str, info: Option<&[(&str, &str)]>) -> PresenceData {
    let fields = |fields: &[(&str, &str)]| {
        fields.iter().map(|(k, v)| ((*k).to_owned(), Template::parse(v).unwrap())).collect()
    };
    PresenceData { user_id: Template::parse(user_id).unwrap(), user_info: info.map(fields) }
}

fn try_rule(channel: &str) -> Result<Rule, InvalidRule> {
    let idsig = channel.contains("{id}");
    Rule::new(channel, idsig, Abilities::LEGACY, None, presence("{claims.sub}", None))
}

fn rules(channels: &[&str]) -> Rules {
    Rules::new(channels.iter().map(|channel| try_rule(channel).unwrap()).collect(), ids())
}

fn claims(value: Value) -> Claims {
    serde_json::from_value(value).unwrap()
}

fn user() -> Claims {
    claims(json!({
        "sub": "u1", "org": "o1", "team": {"id": "t1", "lead": true}, "n": 42, "neg": -1,
        "empty": "", "star": "*", "brace": "{claims.org}", "slash": "a/b", "nul": "a\u{0}b",
        "long": "a".repeat(10_240), "space": "a b", "list": ["o1"], "object": {}, "null": null,
        "float": 1.5, "dash": "o1-admin", "uni": "é", "percent": "%2A", "dots": "..", "glob": "o?",
        "max": "a".repeat(200)
    }))
}

/// Pattern, channel, whether it matches.
const CASES: &[(&str, &str, bool)] = &[
    // Literals.
    ("private-a", "private-a", true),
    ("private-a", "private-ab", false),
    ("private-a", "private-", false),
    ("private-a", "private-A", false),
    ("private-a", "presence-a", false),
    ("private-a", "private-encrypted-a", false),
    ("private-a.b", "private-a.b", true),
    ("private-a.b", "private-axb", false),
    ("presence-@=,.;_", "presence-@=,.;_", true),
    // Stars.
    ("private-*", "private-", true),
    ("private-*", "private-x", true),
    ("private-*", "private-x-y.z", true),
    ("private-*", "private-encrypted-x", true),
    ("private-*", "presence-x", false),
    ("private-*", "privat", false),
    ("private-*-end", "private-a-end", true),
    ("private-*-end", "private--end", true),
    ("private-*-end", "private-end", false),
    ("private-*-end", "private-a-endx", false),
    ("private-*-end", "private-end-end", true),
    ("private-*a*b", "private-ab", true),
    ("private-*a*b", "private-xaxb", true),
    ("private-*a*b", "private-ba", false),
    ("private-*ab*ab", "private-ab", false),
    ("private-*ab*ab", "private-abab", true),
    ("private-**x", "private-x", true),
    ("private-a*a", "private-a", false),
    ("private-a*a", "private-aa", true),
    // Claims.
    ("private-org-{claims.org}", "private-org-o1", true),
    ("private-org-{claims.org}", "private-org-o2", false),
    ("private-org-{claims.org}", "private-org-o11", false),
    ("private-org-{claims.org}", "private-org-", false),
    ("private-org-{claims.org}", "private-org-{claims.org}", false),
    ("private-org-{claims.org}-*", "private-org-o1-", true),
    ("private-org-{claims.org}-*", "private-org-o1-x", true),
    ("private-org-{claims.org}-*", "private-org-o1", false),
    ("private-org-{claims.org}-*", "private-org-o12-x", false),
    ("private-org-{claims.org}-*", "private-org-o-1-x", false),
    ("private-org-{claims.dash}-*", "private-org-o1-admin-x", true),
    ("private-org-{claims.dash}-*", "private-org-o1-x", false),
    ("private-encrypted-org-{claims.org}-*", "private-encrypted-org-o1-a", true),
    ("private-encrypted-org-{claims.org}-*", "private-org-o1-a", false),
    ("presence-{claims.team.id}-{claims.sub}", "presence-t1-u1", true),
    ("presence-{claims.team.id}-{claims.sub}", "presence-u1-t1", false),
    ("presence-{claims.team.lead}", "presence-true", true),
    ("private-{claims.n}", "private-42", true),
    ("private-{claims.n}", "private-420", false),
    ("private-{claims.neg}", "private--1", true),
    ("private-*-{claims.org}", "private-x-o1", true),
    ("private-*-{claims.org}", "private-x-o1x", false),
    ("private-*-{claims.org}-end", "private-a-b-o1-end", true),
    ("private-{claims.max}", "private-aaaa", false),
    // Values that match nothing.
    ("private-{claims.empty}", "private-", false),
    ("private-{claims.empty}-*", "private--x", false),
    ("private-{claims.star}", "private-x", false),
    ("private-{claims.star}", "private-*", false),
    ("private-{claims.star}-*", "private-x-y", false),
    ("private-{claims.brace}", "private-o1", false),
    ("private-{claims.slash}", "private-a/b", false),
    ("private-{claims.nul}", "private-a", false),
    ("private-{claims.nul}", "private-a\0b", false),
    ("private-{claims.long}", "private-a", false),
    ("private-{claims.space}", "private-a b", false),
    ("private-{claims.list}", "private-o1", false),
    ("private-{claims.object}", "private-", false),
    ("private-{claims.null}", "private-", false),
    ("private-{claims.null}", "private-null", false),
    ("private-{claims.float}", "private-1.5", false),
    ("private-{claims.uni}", "private-é", false),
    ("private-{claims.percent}", "private-*", false),
    ("private-{claims.glob}", "private-o1", false),
    ("private-{claims.dots}.*", "private-a.b", false),
    ("private-{claims.none}", "private-", false),
    ("private-{claims.none}-*", "private--", false),
    ("private-{claims.org.id}", "private-o1", false),
];

#[test]
fn pattern_matching() {
    assert!(CASES.len() >= 60, "{}", CASES.len());
    for (pattern, channel, expected) in CASES {
        let matches = rules(&[pattern]).decide(&user(), channel).is_some();
        assert_eq!(matches, *expected, "{pattern} {channel}");
    }
}

#[test]
fn first_matching_rule_decides_and_no_match_denies() {
    let rules = Rules::new(
        vec![
            Rule::new("private-secret-*", false, Abilities::NONE, None, presence("x", None))
                .unwrap(),
            try_rule("private-org-{claims.org}-*").unwrap(),
            try_rule("private-*").unwrap(),
        ],
        ids(),
    );
    let decided = |channel| rules.decide(&user(), channel).map(|rule| &*rule.channel);
    assert_eq!(decided("private-secret-1"), Some("private-secret-*"));
    assert!(rules.decide(&user(), "private-secret-1").unwrap().abilities.is_empty());
    assert_eq!(decided("private-org-o1-x"), Some("private-org-{claims.org}-*"));
    assert_eq!(decided("private-org-o2-x"), Some("private-*"));
    assert_eq!(decided("presence-x"), None);
    assert_eq!(rules.verdicts(&user(), "private-org-o2-x").len(), 3);
    assert!(Rules::new(Vec::new(), ids()).decide(&user(), "private-x").is_none());
}

#[test]
fn signed_ids_need_their_signature() {
    let rules = rules(&["private-list-{id}", "private-org-{claims.org}-{id}-*"]);
    let named = |prefix: &str, id: &str| ids().name(prefix, id);
    let decided = |channel: &str| rules.decide(&user(), channel).is_some();
    assert!(decided(&named("private-list-", "42")));
    assert!(decided(&format!("{}-x", named("private-org-o1-", "42"))));
    for channel in [
        "private-list-42".to_owned(),
        "private-list-".to_owned(),
        "private-list-42.".to_owned(),
        format!("private-list-42.{}", "0".repeat(32)),
        named("private-list-", "42").replace("list-42", "list-43"),
        named("private-other-", "42").replace("other", "list"),
        format!("{}x", named("private-list-", "42")),
        named("private-org-o2-", "42") + "-x",
        named("private-org-o1-", "42"),
        named("private-list-", ""),
    ] {
        assert!(!decided(&channel), "{channel}");
    }
    let verdicts = rules.verdicts(&user(), "private-list-42");
    assert_eq!(verdicts[0].1, Err(Mismatch::Id));
    assert_eq!(verdicts[1].1, Err(Mismatch::Name));
}

#[test]
fn ambiguous_rules_are_rejected() {
    for (channel, expected) in [
        ("", InvalidRule::Empty),
        ("*", InvalidRule::Unauthorized),
        ("orders", InvalidRule::Unauthorized),
        ("{claims.kind}-x", InvalidRule::Unauthorized),
        ("private-{claims.org}*", InvalidRule::OpenEnd),
        ("private-{claims.a}{claims.b}", InvalidRule::OpenEnd),
        ("private-{claims.a}{id}", InvalidRule::OpenEnd),
        ("private-*-{id}", InvalidRule::IdPlace),
        ("private-{id}-{id}", InvalidRule::IdPlace),
        ("private-{id}{claims.a}", InvalidRule::IdPlace),
        ("private-a b", InvalidRule::Character(' ')),
        ("private-a/b", InvalidRule::Character('/')),
        ("private-é", InvalidRule::Character('é')),
    ] {
        assert_eq!(try_rule(channel).err(), Some(expected), "{channel}");
    }
    let sig = |channel, idsig| {
        Rule::new(channel, idsig, Abilities::NONE, None, presence("x", None)).err()
    };
    assert_eq!(sig("private-x", true), Some(InvalidRule::IdSig));
    assert_eq!(sig("private-{id}", false), Some(InvalidRule::IdSig));
}

#[test]
fn members_are_built_from_claims() {
    let fields = [
        ("name", "{claims.sub} of {claims.org}"),
        ("team", "{claims.team}"),
        ("x", "{claims.none}"),
    ];
    let rule = |user_id, info| {
        Rule::new("presence-x", false, Abilities::LEGACY, None, presence(user_id, info)).unwrap()
    };
    let named = rule("org.{claims.org}.{claims.n}", Some(&fields[..]));
    assert_eq!(named.member_id(&user()).as_deref(), Some("org.o1.42"));
    assert_eq!(
        named.member_info(&user()),
        Some(json!({"name": "u1 of o1", "team": {"id": "t1", "lead": true}}))
    );
    assert_eq!(rule("{claims.none}", None).member_id(&user()), None);
    assert_eq!(rule("{claims.empty}", None).member_id(&user()), None);
    let with_info = claims(json!({"user_info": {"a": 1}}));
    assert_eq!(rule("x", None).member_info(&with_info), Some(json!({"a": 1})));
    assert_eq!(rule("x", None).member_info(&user()), None);
}

proptest! {
    /// Whatever a claim holds, what its rule lets in has it between the rule's own texts, whole.
    #[test]
    fn claim_values_never_widen_a_match(value in "\\PC{0,12}|[*{}/a-c\\x00-]{0,12}", name in "[a-c*-]{0,16}") {
        let rules = rules(&["private-org-{claims.org}-*"]);
        let channel = format!("private-org-{name}");
        let claims = claims(json!({"org": value}));
        let expected = !value.is_empty()
            && check_characters(&value, 200).is_ok()
            && channel.starts_with(&format!("private-org-{value}-"));
        prop_assert_eq!(rules.decide(&claims, &channel).is_some(), expected);
    }

    #[test]
    fn stars_match_as_in_patterns(pattern in "[ab*]{0,6}", name in "[ab]{0,8}") {
        let rules = rules(&[&format!("private-{pattern}")]);
        let expected = crate::domain::pattern::Pattern::new(pattern).matches(&name);
        let channel = format!("private-{name}");
        prop_assert_eq!(rules.decide(&user(), &channel).is_some(), expected);
    }
}
