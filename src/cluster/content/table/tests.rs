//! The encoding of tables, and what is malformed.

use super::*;
use crate::{
    cluster::content::{NodeRequest, ReplyContent, RequestContent},
    crypto::encoding::hex,
};

fn text(text: &str) -> String {
    format!("{:08x}{}", text.len(), hex(text.as_bytes()))
}

fn table() -> TableContent<'static> {
    let wrapped = |under| WrappedContent { under: [under; 6], sealed: b"wrapped" };
    TableContent {
        derivation: Derivation::Hkdf,
        keys: vec![
            TableKey {
                number: 1,
                id: [1; 6],
                state: KeyState::Grace,
                since: 2,
                until: Some(3),
                grace: 4,
                wrapped: vec![wrapped(2)],
            },
            TableKey {
                number: 2,
                id: [2; 6],
                state: KeyState::Active,
                since: 5,
                until: None,
                grace: 6,
                wrapped: Vec::new(),
            },
        ],
        epochs: vec![TableEpoch { channel: "c", counters: vec![([7; 16], 8)] }],
        revocations: vec![TableRevocation { channel: "c", user: "u", at: 9 }],
        salt: Some(TableSalt { drawn: 10, wrapped: vec![wrapped(1)] }),
    }
}

/// Another encoding would part this version from nodes of the versions before.
#[test]
fn table_of_keys_is_written_as_by_the_first_version() {
    let number = |number: u64| format!("{number:016x}");
    let wrapped = |under: &str| under.repeat(6) + "00000007" + &hex(b"wrapped");
    let expected = [
        "0200000002".to_owned(),
        "00000001".to_owned() + &"01".repeat(6) + "02",
        number(2) + "01" + &number(3) + &number(4),
        "00000001".to_owned() + &wrapped("02"),
        "00000002".to_owned() + &"02".repeat(6) + "01",
        number(5) + "00" + &number(6) + "00000000",
        "00000001".to_owned() + &text("c") + "00000001" + &"07".repeat(16) + &number(8),
        "00000001".to_owned() + &text("c") + &text("u") + &number(9),
        "01".to_owned() + &number(10) + "00000001" + &wrapped("01"),
    ];
    assert_eq!(hex(&table().to_bytes()), expected.concat());
}

#[test]
fn table_of_keys_is_read_as_it_was_written_and_cut_it_is_malformed() {
    let bytes = table().to_bytes();
    assert_eq!(TableContent::parse(&bytes), Ok(table()));
    for length in 0..bytes.len() {
        let cut = TableContent::parse(&bytes[..length]);
        assert_eq!(cut, Err(ClusterRejection::Malformed), "{length} bytes");
    }
    for (at, unknown) in [(0, 3), (15, 4)] {
        let mut altered = bytes.clone();
        altered[at] = unknown;
        assert_eq!(TableContent::parse(&altered), Err(ClusterRejection::Malformed), "{at}");
    }
    for request in [NodeRequest::TakeTable(table()), NodeRequest::ReadTable, NodeRequest::CountKeys]
    {
        let request = RequestContent { app: "shop", request };
        assert_eq!(RequestContent::parse(&request.to_bytes()), Ok(request));
    }
    let counts =
        ReplyContent::KeyCounts { behind: 1, moves: [6, 7, 8, 9], counts: vec![(2, 3), (4, 5)] };
    assert_eq!(ReplyContent::parse(&counts.to_bytes()), Ok(counts));
}
