use super::*;
use proptest::prelude::*;
use std::{collections::HashMap, time::Duration};

const USUAL: Option<GcraParams> = Some(GcraParams::new(Duration::from_secs(60), 4));
const LIMITS: MemberLimits = MemberLimits { bytes: 1024, user_id_chars: 128 };

#[test]
fn ids_of_any_type_become_strings() {
    for (data, id, info) in [
        (r#"{"user_id":"a"}"#, "a", None),
        (
            r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#,
            "10",
            Some(r#"{"name":"Mr. Channels"}"#),
        ),
        (r#"{"user_id":-3,"user_info":null}"#, "-3", None),
        (r#"{"user_id":"a","user_info":"text","more":1}"#, "a", Some(r#""text""#)),
    ] {
        let member = Member::parse(data, LIMITS).expect(data);
        assert_eq!((&*member.user_id, member.info.as_deref()), (id, info), "{data}");
    }
    for data in [
        "",
        "x",
        "{}",
        r#"{"user_id":null}"#,
        r#"{"user_id":""}"#,
        r#"{"user_id":1.5}"#,
        r#"{"user_id":{}}"#,
        r#"{"user_id":true}"#,
        r#"["u"]"#,
    ] {
        assert!(Member::parse(data, LIMITS).is_err(), "{data}");
    }
    let long = |n| format!(r#"{{"user_id":"{}"}}"#, "x".repeat(n));
    assert!(Member::parse(&long(128), LIMITS).is_ok());
    assert!(matches!(
        Member::parse(&long(129), LIMITS),
        Err(InvalidMember::LongUserId { length: 129, limit: 128 })
    ));
    assert!(matches!(Member::parse(&long(2000), LIMITS), Err(InvalidMember::TooLarge { .. })));
}

#[test]
fn roster_keeps_members_without_info() {
    let mut members = Members::default();
    for data in [r#"{"user_id":"1","user_info":{"name":"A"}}"#, r#"{"user_id":2}"#] {
        let member = Member::parse(data, LIMITS).unwrap();
        assert_eq!(members.join(member, Instant::now()), MemberTransition::Changed);
    }
    assert_eq!(
        members.roster(),
        Escaped::new(
            r#"{"presence":{"ids":["1","2"],"hash":{"1":{"name":"A"},"2":null},"count":2}}"#
        )
    );
}

proptest! {
    #[test]
    fn roster_is_the_json_of_its_members(members in prop::collection::vec((any::<String>(), any::<Option<String>>()), 0..6)) {
        let (mut table, mut model) = (Members::default(), IndexMap::new());
        for (id, info) in members {
            let info = info.map(|info| serde_json::to_string(&info).unwrap());
            let _ = table.join(Member { user_id: id.as_str().into(), info: info.as_deref().map(Into::into) }, Instant::now());
            model.entry(id).or_insert(info);
        }
        let json = |text: &String| serde_json::to_string(text).unwrap();
        let ids: Vec<String> = model.keys().map(json).collect();
        let pairs: Vec<String> = model.iter().map(|(id, info)| format!("{}:{}", json(id), info.as_deref().unwrap_or("null"))).collect();
        let roster = format!(r#"{{"presence":{{"ids":[{}],"hash":{{{}}},"count":{}}}}}"#, ids.join(","), pairs.join(","), model.len());
        prop_assert_eq!(table.roster(), Escaped::new(&roster));
    }

    #[test]
    fn joins_and_leaves_match_a_plain_map(steps in prop::collection::vec((0u8..4, any::<bool>()), 0..60)) {
        let (mut members, mut model) = (Members::default(), HashMap::<u8, u32>::new());
        let now = Instant::now();
        for (user, joins) in steps {
            let id = user.to_string();
            let count = model.entry(user).or_default();
            if joins {
                *count += 1;
                let transition = members.join(Member { user_id: id.into(), info: None }, now);
                prop_assert_eq!(transition == MemberTransition::Changed, *count == 1);
            } else if *count > 0 {
                *count -= 1;
                prop_assert_eq!(members.leave(&id, None, None, now) == MemberTransition::Changed, *count == 0);
            }
            prop_assert_eq!(members.count(), model.values().filter(|n| **n > 0).count());
        }
    }
}

/// A member that leaves and returns every `pause`, for so long; how often the others were told that
/// it went, and that it came.
fn flapping(pause: Duration, times: u32) -> (u32, u32) {
    let (mut members, start) = (Members::default(), Instant::now());
    let member = || Member { user_id: "u".into(), info: None };
    let _ = members.join(member(), start);
    let (mut went, mut came, mut due) = (0, 0, None::<Instant>);
    for n in 1..=times {
        let now = start + pause * n;
        if let Some(time) = due.filter(|time| *time <= now) {
            match members.end_hold("u", time) {
                HoldOutcome::Gone => (went, due) = (went + 1, None),
                HoldOutcome::Until(later) => due = Some(later),
                HoldOutcome::Over => due = None,
            }
        }
        match members.leave("u", USUAL, None, now) {
            MemberTransition::Changed => went += 1,
            MemberTransition::Held(until) => due = Some(until),
            MemberTransition::Unchanged => {}
        }
        came += u32::from(members.join(member(), now) == MemberTransition::Changed);
    }
    assert_eq!(members.count(), 1);
    (went, came)
}

#[test]
fn f16_four_returns_a_minute_are_announced_and_more_are_held() {
    for (times, told) in [(3, 3), (4, 4), (5, 4), (6, 4)] {
        assert_eq!(flapping(Duration::from_millis(10), times), (told, told), "{times}");
    }
    // A minute of it: one more after each quarter of the minute.
    assert_eq!(flapping(Duration::from_millis(20), 3000), (7, 7));
    assert_eq!(flapping(Duration::from_secs(15), 40), (40, 40), "four a minute, for ten minutes");
}

#[test]
fn f16_held_departure_is_announced_when_its_time_is_over() {
    let (mut members, start) = (Members::default(), Instant::now());
    let member = |id: &str| Member { user_id: id.into(), info: None };
    let _ = members.join(member("u"), start);
    for _ in 0..4 {
        assert_eq!(members.leave("u", USUAL, None, start), MemberTransition::Changed);
        assert_eq!(members.join(member("u"), start), MemberTransition::Changed);
    }
    let until = start + DEPARTURE_HOLD;
    assert_eq!(members.leave("u", USUAL, None, start), MemberTransition::Held(until));
    assert!(members.contains("u"), "it is a member until the others are told");
    let later = start + Duration::from_secs(3);
    assert_eq!(members.join(member("u"), later), MemberTransition::Unchanged);
    assert_eq!(members.leave("u", USUAL, None, later), MemberTransition::Unchanged, "it is noted");
    assert_eq!(members.end_hold("u", until), HoldOutcome::Until(later + DEPARTURE_HOLD));
    assert_eq!(members.end_hold("u", later + DEPARTURE_HOLD), HoldOutcome::Gone);
    assert_eq!(
        (members.count(), members.end_hold("u", later + DEPARTURE_HOLD)),
        (0, HoldOutcome::Over)
    );

    // With two connections the user stays present when one of them leaves.
    let _ = members.join(member("v"), start);
    for _ in 0..100 {
        assert_eq!(members.join(member("v"), start), MemberTransition::Unchanged);
        assert_eq!(members.leave("v", USUAL, None, start), MemberTransition::Unchanged);
    }
    assert_eq!(members.leave("v", USUAL, None, start), MemberTransition::Changed);
}

#[test]
fn f16_final_departures_are_not_held() {
    let (mut members, now) = (Members::default(), Instant::now());
    let member = |id: &str| Member { user_id: id.into(), info: None };
    for id in ["u", "v"] {
        for _ in 0..4 {
            let _ = members.join(member(id), now);
            let _ = members.leave(id, USUAL, None, now);
        }
        let _ = members.join(member(id), now);
    }
    assert_eq!(members.leave("u", None, None, now), MemberTransition::Changed);
    assert!(matches!(members.leave("v", USUAL, None, now), MemberTransition::Held(_)));
    assert_eq!(members.end_holds(usize::MAX, now), ["v"].map(std::sync::Arc::from));
    assert_eq!(members.count(), 0);
}

#[test]
fn f16_departure_history_is_bounded_and_expires() {
    let (mut members, start) = (Members::default(), Instant::now());
    for n in 0..5000 {
        let id = n.to_string();
        let _ = members.join(Member { user_id: id.as_str().into(), info: None }, start);
        assert_eq!(members.leave(&id, USUAL, None, start), MemberTransition::Changed);
    }
    assert_eq!(members.left.as_ref().map(|left| left.len()), Some(1024));
    members.forget_left(start + Duration::from_secs(14));
    assert!(members.left.is_some());
    members.forget_left(start + Duration::from_secs(15));
    assert!(members.left.is_none());
}

#[test]
fn stream_in_between_is_no_absence() {
    let (mut members, start) = (Members::default(), Instant::now());
    let linger = Some(Duration::from_secs(5));
    let member = || Member { user_id: "u".into(), info: None };
    for returns in [None, USUAL] {
        let (mut members, until) = (Members::default(), start + Duration::from_secs(5));
        let _ = members.join(member(), start);
        assert_eq!(members.leave("u", returns, linger, start), MemberTransition::Held(until));
        assert_eq!(members.join(member(), start), MemberTransition::Unchanged, "{returns:?}");
        assert_eq!(members.end_hold("u", until), HoldOutcome::Over);
        let later = MemberTransition::Held(until + Duration::from_secs(5));
        assert_eq!(members.leave("u", returns, linger, until), later);
        assert_eq!(members.end_hold("u", until + Duration::from_secs(5)), HoldOutcome::Gone);
    }
    // Leaving very often is held for longer.
    let _ = members.join(member(), start);
    let held: Vec<_> = (0..5)
        .map(|_| {
            let held = members.leave("u", USUAL, linger, start);
            let _ = (members.join(member(), start), members.end_hold("u", start));
            held
        })
        .collect();
    assert_eq!(held[0], MemberTransition::Held(start + Duration::from_secs(5)));
    assert_eq!(held[4], MemberTransition::Held(start + DEPARTURE_HOLD));
}
