use super::request::{SocketRequest, Wish};

#[test]
fn requests_are_read_or_refused_with_their_number() {
    let parse =
        |text: &str| SocketRequest::parse(text).map_err(|(id, error)| (id, error.to_string()));
    assert_eq!(parse(r#"{"id":1,"watch":"series","range":5}"#), Ok((1, Wish::Series { range: 5 })));
    assert_eq!(parse(r#"{"id":1,"watch":"series"}"#), Ok((1, Wish::Series { range: 900 })));
    let feed = Wish::Feed { filter: "app=a".into() };
    assert_eq!(parse(r#"{"id":2,"watch":"feed","filter":"app=a"}"#), Ok((2, feed)));
    assert_eq!(parse(r#"{"id":4,"stop":2}"#), Ok((4, Wish::Stop(2))));
    for (text, id) in [
        ("", None),
        ("[]", None),
        (r#"{"watch":"feed"}"#, None),
        (r#"{"id":-1,"watch":"feed"}"#, None),
        (r#"{"id":1,"watch":"feed","do":"x"}"#, None),
        (r#"{"id":1}"#, Some(1)),
        (r#"{"id":1,"watch":"all"}"#, Some(1)),
        (r#"{"id":1,"watch":"feed","stop":2}"#, Some(1)),
        (r#"{"id":1,"watch":"reveal","app":"a","channel":"c","minutes":1}"#, Some(1)),
    ] {
        assert_eq!(parse(text).expect_err(text).0, id, "{text}");
    }
}
