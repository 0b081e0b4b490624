use bytes::Bytes;

use super::*;
use crate::protocol::{form::Form, frame::Frame};

fn payload(bytes: &Bytes) -> &str {
    let header = if bytes[1] < 126 { 2 } else { 4 };
    std::str::from_utf8(&bytes[header..]).unwrap()
}

fn pusher(message: &Message<'_>) -> String {
    payload(&Form::Pusher.encode(message)).to_owned()
}

fn jetsocket(message: &Message<'_>) -> String {
    payload(&Form::Jetsocket.encode(message)).to_owned()
}

#[test]
fn wire_format_of_each_message() {
    let channel = Channel::parse("presence-x", 200).unwrap();
    let id = "1.2".parse().unwrap();
    assert_eq!(
        pusher(&Message::connection_established(id, 120)),
        r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":120}"}"#
    );
    assert_eq!(
        jetsocket(&Message::error(ErrorCode::None, "no")),
        r#"{"event":"jetsocket:error","data":{"code":null,"message":"no"}}"#
    );
    let refusal = SubscriptionError {
        r#type: "AuthError",
        error: "no",
        status: 401,
        code: "forbidden",
        fix: None,
        id: Some("1".into()),
    };
    assert_eq!(
        pusher(&Message::subscription_error("c", &refusal)),
        r#"{"event":"pusher:subscription_error","channel":"c","data":{"type":"AuthError","error":"no","status":401,"code":"forbidden","id":"1"}}"#
    );
    assert_eq!(
        pusher(&Message::signin_success(r#"{"id":"u"}"#)),
        r#"{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"u\\\"}\"}"}"#
    );
    assert_eq!(
        jetsocket(&Message::member_added(&channel, "1", Some(r#"{"a":1}"#))),
        r#"{"event":"jetsocket_internal:member_added","channel":"presence-x","data":"{\"user_id\":\"1\",\"user_info\":{\"a\":1}}"}"#
    );
    assert_eq!(
        pusher(&Message::watchlist(&["a"], &[])),
        r#"{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"a\"]}]}"}"#
    );
    let recovery = RecoveryAnswer { position: "AQ3x", recovered: true };
    assert_eq!(
        pusher(&Message::subscription_recovered(&channel, None, &recovery)),
        r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-x","data":"{\"recover\":{\"position\":\"AQ3x\",\"recovered\":true}}"}"#
    );
    let roster = Escaped::new(r#"{"presence":{"count":0}}"#);
    assert_eq!(
        jetsocket(&Message::subscription_recovered(&channel, Some(&roster), &recovery)),
        r#"{"event":"jetsocket_internal:subscription_succeeded","channel":"presence-x","data":"{\"presence\":{\"count\":0},\"recover\":{\"position\":\"AQ3x\",\"recovered\":true}}"}"#
    );
    assert_eq!(
        jetsocket(&Message::gap(&channel, "evicted", "AQ3x")),
        r#"{"event":"sealcast:gap","channel":"presence-x","data":"{\"reason\":\"evicted\",\"position\":\"AQ3x\"}"}"#
    );
    let event = Message::from_client(&channel, "client-x", r#"{"é":1}"#, Some("7")).unwrap();
    assert_eq!(
        pusher(&event),
        r#"{"event":"client-x","channel":"presence-x","data":"{\"é\":1}","user_id":"7"}"#
    );
    assert_eq!(pusher(&event), jetsocket(&event));
}

#[test]
fn frame_has_each_form_of_its_message() {
    let channel = Channel::parse("presence-x", 200).unwrap();
    for message in [
        Message::event(&channel, "e\"", "{\"a\":1}").unwrap(),
        Message::from_client(&channel, "client-x", "{}", Some("7")).unwrap(),
        Message::member_removed(&channel, "é"),
        Message::subscription_count(&channel, 70_000),
    ] {
        let frame = Frame::new(&message);
        for form in [Form::Pusher, Form::Jetsocket] {
            assert_eq!(frame.in_form(form), form.encode(&message));
        }
    }
}

#[test]
fn encrypted_channel_has_no_plaintext_message() {
    let channel = Channel::parse("private-encrypted-x", 200).unwrap();
    assert!(Message::event(&channel, "e", "secret").is_none());
    assert!(Message::from_client(&channel, "client-e", "secret", None).is_none());
}
