//! Protocol versions: which are served, and how others are refused (protocol.md 1.2).

use super::code::Close;

const SERVED: [&str; 4] = ["4", "5", "6", "7"];
const SUBPROTOCOL: &str = "pusher-channels-protocol-";

/// `strict`: refuse a request without a version.
pub fn check(version: Option<&str>, strict: bool) -> Result<(), Close> {
    match version {
        None if strict => Err(Close::MissingProtocol),
        None => Ok(()),
        Some(version) if SERVED.contains(&version) => Ok(()),
        // Not parsed with `u32::from_str`, which takes "+7" for 7.
        Some(version) if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => {
            Err(Close::UnsupportedProtocol)
        }
        Some(_) => Err(Close::InvalidVersion),
    }
}

/// The offered WebSocket sub-protocol to answer with, if one is ours. Others are ignored: Swift
/// clients always offer one (protocol.md 1.1). `offered`: the values of the header, which may be
/// repeated.
pub fn subprotocol<'a>(offered: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    offered.into_iter().flat_map(|list| list.split(',')).map(str::trim).find(|name| {
        name.strip_prefix(SUBPROTOCOL).is_some_and(|version| SERVED.contains(&version))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supported_versions() {
        for version in ["4", "5", "6", "7"] {
            assert_eq!(check(Some(version), true), Ok(()), "{version}");
        }
        for version in ["0", "1", "2", "3", "8", "99999999999999"] {
            assert_eq!(check(Some(version), false), Err(Close::UnsupportedProtocol), "{version}");
        }
        for version in ["", "x", "7.0", "-1", "+7"] {
            assert_eq!(check(Some(version), false), Err(Close::InvalidVersion), "{version}");
        }
        assert_eq!(check(None, false), Ok(()));
        assert_eq!(check(None, true), Err(Close::MissingProtocol));
    }

    #[test]
    fn subprotocols() {
        let (five, seven) = ("pusher-channels-protocol-5", "pusher-channels-protocol-7");
        let lists: [(&[&str], _); 8] = [
            (&[], None),
            (&[seven], Some(seven)),
            (&["chat, pusher-channels-protocol-5"], Some(five)),
            (&["chat", "x, pusher-channels-protocol-7", five], Some(seven)),
            (&["", ",", five], Some(five)),
            (&["chat"], None),
            (&["pusher-channels-protocol-+7"], None),
            (&["pusher-channels-protocol-8"], None),
        ];
        for (offered, wanted) in lists {
            assert_eq!(subprotocol(offered.iter().copied()), wanted, "{offered:?}");
        }
    }
}
