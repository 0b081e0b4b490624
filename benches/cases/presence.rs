//! Members of presence channels.

use std::{hint::black_box, time::Instant};

use sealcast::{
    channels::members::{Member, MemberLimits, Members},
    protocol::{form::Form, message::Message},
};

use super::{MEMBER, Run, channel, run};

const MEMBER_LIMITS: MemberLimits = MemberLimits { bytes: 1024, user_id_chars: 128 };

fn member(number: usize) -> Member {
    let text = format!(
        r#"{{"user_id":"u-{number:04}","user_info":{{"name":"User {number:04}","picture":"/{number:04}.png"}}}}"#
    );
    Member::parse(&text, MEMBER_LIMITS).expect("the text is made here, of short parts")
}

fn members() -> Members {
    let mut members = Members::default();
    for number in 0..100 {
        let _ = members.join(member(number), Instant::now());
    }
    members
}

pub(super) fn parse_member() -> Run {
    run(|| Member::parse(black_box(MEMBER), MEMBER_LIMITS))
}

pub(super) fn join_and_leave() -> Run {
    let newcomers: Vec<Member> = (0..100).map(member).collect();
    let now = Instant::now();
    run(move || {
        let mut members = Members::default();
        for newcomer in &newcomers {
            let _ = members.join(black_box(newcomer).clone(), now);
        }
        for newcomer in &newcomers {
            let _ = members.leave(black_box(&newcomer.user_id), None, None, now);
        }
        members
    })
}

pub(super) fn roster() -> Run {
    let members = members();
    run(move || black_box(&members).roster())
}

/// The answer to a newcomer, with the roster.
pub(super) fn success_frame() -> Run {
    let (members, channel) = (members(), channel("presence-room-7"));
    run(move || {
        let roster = black_box(&members).roster();
        Form::Pusher.encode(&Message::subscription_succeeded(&channel, Some(&roster)))
    })
}
