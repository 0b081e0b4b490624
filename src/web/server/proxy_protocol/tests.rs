use proptest::prelude::*;

use super::*;

/// The result for these bytes, and the number of bytes left.
fn read_of(bytes: &[u8]) -> (Result<ProxyHeader, String>, usize) {
    let mut rest = bytes;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let content = runtime.block_on(read(&mut rest));
    (content.map_err(|error| error.to_string()), rest.len())
}

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([0x20 | command, family]);
    header.extend((body.len() as u16).to_be_bytes());
    header.extend(body);
    header
}

fn client(address: &str) -> ProxyHeader {
    ProxyHeader::Client(address.parse().expect("an address"))
}

fn inet(address: &str) -> Vec<u8> {
    let mut body = match address.parse().expect("an address") {
        IpAddr::V4(v4) => [v4.octets(), v4.octets()].concat(),
        IpAddr::V6(v6) => [v6.octets(), v6.octets()].concat(),
    };
    body.extend([0x12, 0x34, 0x01, 0xbb]);
    body
}

#[test]
fn every_header_form_is_read() {
    let (v4, v6) = (inet("203.0.113.7"), inet("2001:db8::7"));
    let with_more = [&v4[..], &[0x04, 0, 3, 1, 2, 3, 0x20, 0, 1, 9]].concat();
    for (header, content) in [
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n".to_vec(), client("203.0.113.7")),
        (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(), client("1.1.1.1")),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n".to_vec(), client("2001:db8::7")),
        (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 56324 443\r\n".to_vec(), client("203.0.113.7")),
        (b"PROXY UNKNOWN\r\n".to_vec(), ProxyHeader::Unspecified),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), ProxyHeader::Unspecified),
        (v2(1, 0x11, &v4), client("203.0.113.7")),
        (v2(1, 0x11, &with_more), client("203.0.113.7")),
        (v2(1, 0x21, &v6), client("2001:db8::7")),
        (v2(0, 0x00, b""), ProxyHeader::Unspecified),
        (v2(0, 0x11, &v4), ProxyHeader::Unspecified),
        (v2(1, 0x00, b""), ProxyHeader::Unspecified),
        (v2(1, 0x00, b"\x04\0\x01x"), ProxyHeader::Unspecified),
        (v2(1, 0x31, &[b'/'; 216]), ProxyHeader::Unspecified),
        (v2(1, 0x11, &[&v4[..], &[0; V2_MAX_BYTES - 12]].concat()), client("203.0.113.7")),
    ] {
        let behind = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(read_of(&behind), (Ok(content), 16), "{:?}", String::from_utf8_lossy(&header));
    }
}

#[test]
fn invalid_headers_are_refused() {
    let v4 = inet("203.0.113.7");
    let mut version_3 = v2(1, 0x11, &v4);
    version_3[12] = 0x31;
    for (bytes, expected) in [
        (b"GET /app/key HTTP/1.1\r\n\r\n".to_vec(), Malformed::Missing),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xd3".to_vec(), Malformed::Missing),
        (b"proxy tcp4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(), Malformed::Missing),
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 56324\r\nG".to_vec(), Malformed::Unreadable),
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 99999 443\r\n".to_vec(), Malformed::Unreadable),
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 1 1 1\r\n".to_vec(), Malformed::Unreadable),
        (b"PROXY TCP4 2001:db8::7 2001:db8::1 1 1\r\n".to_vec(), Malformed::Unreadable),
        (b"PROXY TCP6 203.0.113.7 10.0.0.1 1 1 \r\n".to_vec(), Malformed::Unreadable),
        (b"PROXY TCP4 a.example 10.0.0.1 1 1\r\n".to_vec(), Malformed::Unreadable),
        (b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(), Malformed::Unreadable),
        (b"PROXY TCP4\nGET /".to_vec(), Malformed::Unreadable),
        ([b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat(), Malformed::TooLong),
        ([b"PROXY TCP4 ", &[b' '; 200][..]].concat(), Malformed::TooLong),
        (version_3, Malformed::Version),
        (v2(2, 0x11, &v4), Malformed::Unreadable),
        (v2(1, 0x12, &v4), Malformed::Unreadable),
        (v2(1, 0x41, &v4), Malformed::Unreadable),
        (v2(1, 0x11, &v4[1..]), Malformed::Unreadable),
        (v2(1, 0x21, &v4), Malformed::Unreadable),
        (v2(1, 0x31, &[0; 215]), Malformed::Unreadable),
        (v2(1, 0x11, &[0; V2_MAX_BYTES + 1]), Malformed::TooLong),
    ] {
        let (content, _) = read_of(&bytes);
        assert_eq!(content, Err(expected.to_string()), "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn the_longest_line_is_accepted() {
    let address = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255";
    let fill = |n| format!("PROXY UNKNOWN {}\r\n", "x".repeat(n)).into_bytes();
    let longest = fill(V1_MAX_BYTES - 16);
    assert_eq!(longest.len(), V1_MAX_BYTES);
    assert_eq!(read_of(&longest), (Ok(ProxyHeader::Unspecified), 0));
    assert_eq!(read_of(&fill(V1_MAX_BYTES - 15)).0, Err(Malformed::TooLong.to_string()));
    let line = format!("PROXY TCP6 {address} ::1 65535 65535\r\n");
    assert_eq!(read_of(line.as_bytes()).1, 0);
}

/// Bytes that begin like headers.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let begin = prop_oneof![
        Just(Vec::new()),
        Just(SIGNATURE.to_vec()),
        Just([SIGNATURE, &b"\x21\x11\0\x0c"[..]].concat()),
        Just(b"PROXY TCP4 ".to_vec()),
        Just(b"PROXY TCP6 ".to_vec()),
        Just(b"PROXY UNKNOWN".to_vec()),
    ];
    let more = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "[0-9a-f:. \r\n]{0,120}".prop_map(String::into_bytes),
    ];
    (begin, more).prop_map(|(begin, more)| [begin, more].concat())
}

proptest! {
    #[test]
    fn reading_is_bounded_for_arbitrary_bytes(bytes in nearly()) {
        let (content, left) = read_of(&bytes);
        let taken = bytes.len() - left;
        prop_assert!(taken <= V2_HEADER_BYTES + V2_MAX_BYTES);
        if !bytes.starts_with(SIGNATURE) {
            prop_assert!(taken <= V1_MAX_BYTES);
        }
        if let (Ok(_), true) = (content, bytes.starts_with(V1_PREFIX)) {
            // The line alone, without the bytes after it.
            prop_assert!(bytes[..taken].ends_with(b"\r\n"));
            prop_assert!(!bytes[..taken - 2].contains(&b'\n'));
        }
    }

    #[test]
    fn bytes_after_a_header_are_left_unread(
        from: std::net::IpAddr, to: [u8; 16], ports: [u16; 2], text: bool,
        more in prop::collection::vec(any::<u8>(), 0..200),
        behind in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let to = match from {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(to[0], to[1], to[2], to[3])),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(to)),
        };
        let kind = if from.is_ipv4() { 4 } else { 6 };
        let header = match text {
            true => format!("PROXY TCP{kind} {from} {to} {} {}\r\n", ports[0], ports[1]).into_bytes(),
            false => {
                let octets = |address| match address {
                    IpAddr::V4(v4) => v4.octets().to_vec(),
                    IpAddr::V6(v6) => v6.octets().to_vec(),
                };
                let ports = ports.map(u16::to_be_bytes).concat();
                let body = [octets(from), octets(to), ports, more].concat();
                v2(1, if kind == 4 { 0x11 } else { 0x21 }, &body)
            }
        };
        let (content, left) = read_of(&[&header[..], &behind].concat());
        prop_assert_eq!(content, Ok(ProxyHeader::Client(from.to_canonical())));
        prop_assert_eq!(left, behind.len());
    }
}
