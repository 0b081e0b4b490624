use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;

use super::*;
use crate::{
    domain::{channel::Channel, rate_limit::GcraParams},
    protocol::{frame::Frame, message::Message},
};

const RETURNS: Option<GcraParams> = Some(GcraParams::new(Duration::from_secs(60), 2));
const MEMBER_LIMIT: usize = 3;

fn newcomer(user: Option<&str>) -> Newcomer {
    let member = user.map(|user| Member { user_id: user.into(), info: None });
    Newcomer { member, member_limit: MEMBER_LIMIT, tell_count: false }
}

fn leaver(user: Option<&str>) -> Leaver<'_> {
    Leaver { user_id: user, returns: None, linger: None, tell_count: false }
}

fn last(number: u64, expires: Instant) -> LastEvent {
    let channel = Channel::parse("cache-a", 200).unwrap();
    let content = Content::Same(Frame::new(&Message::event(&channel, "e", "d").unwrap()));
    LastEvent { name: "e".into(), content, data: "d".into(), expires, number }
}

#[test]
fn each_change_of_occupancy_and_membership_is_told_once() {
    let (mut state, now) = (ChannelState::default(), Instant::now());
    let first = state.apply(Change::Subscribe(newcomer(Some("u"))), now);
    let user_id: Arc<str> = "u".into();
    let added = ChannelFact::MemberAdded { user_id: user_id.clone() };
    assert_eq!(first.facts, [ChannelFact::ChannelOccupied, added]);
    let message = ChannelMessage::MemberAdded { user_id: user_id.clone(), info: None };
    assert_eq!((first.messages, first.transition), (vec![message], Transition::Occupied));
    let second = state.apply(Change::Subscribe(newcomer(Some("u"))), now);
    assert!(second.facts.is_empty() && second.messages.is_empty());
    assert_eq!(second.transition, Transition::None);
    let one_left = state.apply(Change::Unsubscribe(leaver(Some("u"))), now);
    assert!(one_left.facts.is_empty() && one_left.messages.is_empty());
    let empty = state.apply(Change::Unsubscribe(leaver(Some("u"))), now);
    let removed = ChannelFact::MemberRemoved { user_id };
    assert_eq!(empty.facts, [removed, ChannelFact::ChannelVacated]);
    assert_eq!(empty.transition, Transition::Vacated);
    assert!(state.is_unused(now));
}

#[test]
fn full_channel_refuses_a_newcomer_and_stays_as_it_was() {
    let (mut state, now) = (ChannelState::default(), Instant::now());
    for user in ["a", "b", "c"] {
        let _ = state.apply(Change::Subscribe(newcomer(Some(user))), now);
    }
    let refused = state.apply(Change::Subscribe(newcomer(Some("d"))), now);
    assert_eq!(refused.transition, Transition::Full);
    assert!(refused.facts.is_empty() && refused.messages.is_empty());
    assert_eq!((state.subscription_count(), state.members().count()), (3, 3));
    let of_member = state.apply(Change::Subscribe(newcomer(Some("a"))), now);
    assert_eq!((of_member.transition, state.subscription_count()), (Transition::None, 4));
}

#[test]
fn count_is_told_with_each_change_or_once_later() {
    let (mut state, now) = (ChannelState::default(), Instant::now());
    let subscribe = || Change::Subscribe(Newcomer { tell_count: true, ..newcomer(None) });
    let counts: Vec<_> = (0..25).map(|_| state.apply(subscribe(), now).count).collect();
    assert_eq!(counts[0], CountEffect::Tell(1));
    assert_eq!(counts[19], CountEffect::Tell(20));
    assert_eq!(counts[20], CountEffect::Later, "20 a second are told");
    assert_eq!(counts[21..], [CountEffect::None; 4], "asked for later once");
    let later = now + Duration::from_secs(1);
    let told = state.apply(Change::TellCount, later);
    assert_eq!(told.count, CountEffect::Tell(25));
    assert_eq!(told.facts, [ChannelFact::SubscriptionCount { subscription_count: 25 }]);
    for _ in 0..24 {
        let _ = state.apply(Change::Unsubscribe(leaver(None)), later);
    }
    let tell_count = true;
    let vacated = state.apply(Change::Unsubscribe(Leaver { tell_count, ..leaver(None) }), later);
    let none = ChannelFact::SubscriptionCount { subscription_count: 0 };
    assert_eq!(vacated.facts, [none, ChannelFact::ChannelVacated]);
    assert_eq!(vacated.count, CountEffect::None, "nobody is left to be told");
}

#[test]
fn last_event_is_replaced_dropped_by_number_and_expires() {
    let (mut state, now) = (ChannelState::default(), Instant::now());
    let expires = now + Duration::from_secs(5);
    assert_eq!(state.apply(Change::ReportMiss, now).facts, [ChannelFact::CacheMiss]);
    assert!(state.apply(Change::ReportMiss, now).facts.is_empty(), "reported once");
    assert_eq!(state.apply(Change::KeepEvent(last(1, expires)), now).dropped, None);
    assert_eq!(state.apply(Change::KeepEvent(last(2, expires)), now).dropped, Some(1));
    assert_eq!(state.apply(Change::DropEvent { number: 1 }, now).dropped, None);
    assert!(state.last_event(now).is_some() && !state.is_unused(now));
    assert!(state.last_event(expires).is_none() && state.is_unused(expires));
    assert_eq!(state.apply(Change::Expire, now).dropped, None);
    assert_eq!(state.apply(Change::Expire, expires).dropped, Some(2));
    assert_eq!(state.apply(Change::KeepEvent(last(3, expires)), now).dropped, None);
    assert_eq!(state.apply(Change::ReportMiss, now).facts, [ChannelFact::CacheMiss], "a new miss");
    assert_eq!(state.apply(Change::DropEvent { number: 3 }, now).dropped, Some(3));
}

#[derive(Clone, Debug)]
enum Step {
    Subscribe(Option<usize>),
    /// The subscriber at this place leaves, and may return.
    Unsubscribe(usize, bool),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::option::weighted(0.8, 0usize..5).prop_map(Step::Subscribe),
        4 => (0usize..9, any::<bool>()).prop_map(|(at, returns)| Step::Unsubscribe(at, returns)),
        1 => (1u64..15).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..150)
}

/// The state of a channel as told by messages and facts.
#[derive(Default)]
struct Story {
    occupied: bool,
    told_members: BTreeMap<Arc<str>, ()>,
    reported_members: BTreeMap<Arc<str>, ()>,
    /// Times of `Change::EndHold`. A departure may be held again while the time of an earlier stay,
    /// which ended for lack of room, has not come yet.
    held: BTreeMap<Arc<str>, Instant>,
    /// Users whose present departure is held.
    asked: BTreeSet<Arc<str>>,
}

impl Story {
    fn hear(&mut self, effects: &Effects) -> Result<(), TestCaseError> {
        for message in &effects.messages {
            match message {
                ChannelMessage::MemberAdded { user_id, .. } => {
                    prop_assert!(self.told_members.insert(user_id.clone(), ()).is_none());
                }
                ChannelMessage::MemberRemoved { user_id } => {
                    prop_assert!(self.told_members.remove(user_id).is_some());
                    self.asked.remove(user_id);
                }
            }
        }
        for fact in &effects.facts {
            match fact {
                ChannelFact::ChannelOccupied => {
                    prop_assert!(!std::mem::replace(&mut self.occupied, true));
                }
                ChannelFact::ChannelVacated => {
                    prop_assert!(std::mem::replace(&mut self.occupied, false));
                }
                ChannelFact::MemberAdded { user_id } => {
                    prop_assert!(self.reported_members.insert(user_id.clone(), ()).is_none());
                }
                ChannelFact::MemberRemoved { user_id } => {
                    prop_assert!(self.reported_members.remove(user_id).is_some());
                }
                fact => prop_assert!(false, "{fact:?}"),
            }
        }
        if let Some(HeldMember { user_id, until }) = &effects.held {
            prop_assert!(self.asked.insert(user_id.clone()), "asked for once");
            let at = self.held.entry(user_id.clone()).or_insert(*until);
            *at = (*at).min(*until);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn messages_and_facts_match_the_present_subscribers(steps in steps()) {
        let (mut state, mut story, mut now) = (ChannelState::default(), Story::default(), Instant::now());
        let mut present: Vec<Option<String>> = Vec::new();
        for step in steps {
            match step {
                Step::Subscribe(user) => {
                    let user = user.map(|user| format!("u{user}"));
                    let effects = state.apply(Change::Subscribe(newcomer(user.as_deref())), now);
                    story.hear(&effects)?;
                    if effects.transition == Transition::Full {
                        let others: BTreeSet<_> = present.iter().flatten().collect();
                        prop_assert!(others.len() >= MEMBER_LIMIT && !others.contains(&user.unwrap()));
                    } else {
                        present.push(user);
                    }
                }
                Step::Unsubscribe(at, returns) if at < present.len() => {
                    let user = present.remove(at);
                    let returns = RETURNS.filter(|_| returns);
                    let leaver = Leaver { returns, ..leaver(user.as_deref()) };
                    story.hear(&state.apply(Change::Unsubscribe(leaver), now))?;
                }
                Step::Unsubscribe(..) => {}
                Step::Wait(seconds) => {
                    now += Duration::from_secs(seconds);
                    while let Some(user_id) = story.held.iter().find(|(_, at)| **at <= now).map(|(id, _)| id.clone()) {
                        story.held.remove(&user_id);
                        story.asked.remove(&user_id);
                        story.hear(&state.apply(Change::EndHold { user_id: &user_id }, now))?;
                    }
                    story.hear(&state.apply(Change::Expire, now))?;
                }
            }
            prop_assert_eq!(state.subscription_count() as usize, present.len());
            prop_assert_eq!(story.occupied, !present.is_empty());
            prop_assert_eq!(&story.told_members, &story.reported_members);
            prop_assert_eq!(story.told_members.len(), state.members().count());
            prop_assert!(state.members().count() <= MEMBER_LIMIT);
            prop_assert!(!present.is_empty() || story.told_members.is_empty(), "nobody is held");
            for user in present.iter().flatten() {
                prop_assert!(story.told_members.contains_key(user.as_str()), "{user} is here");
            }
            for user in story.told_members.keys() {
                let here = present.iter().flatten().any(|present| **present == **user);
                prop_assert!(here || story.held.contains_key(user), "{user} has left for good");
            }
        }
    }
}
