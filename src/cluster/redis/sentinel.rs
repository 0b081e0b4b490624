//! The question to a Sentinel, and its answer.

use redis::{Cmd, Value};

use super::{checks::accept, link::LinkError};
use crate::cluster::url::RedisHost;

pub fn question(master: &str) -> Cmd {
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
    command
}

/// The address of the master.
pub fn read(answer: &Value) -> Result<RedisHost, LinkError> {
    match accept(answer, "SENTINEL") {
        // A Redis does not know the command.
        Err(LinkError::Broken { .. }) => return Err(LinkError::NotSentinel),
        accepted => accepted?,
    }
    let parts = match answer {
        Value::Nil => return Err(LinkError::UnknownMaster),
        Value::Array(parts) => parts,
        _ => return Err(LinkError::NotSentinel),
    };
    let host = match &parts[..] {
        [Value::BulkString(host), Value::BulkString(port)] => {
            let (host, port) = (str::from_utf8(host), str::from_utf8(port));
            host.ok().zip(port.ok()).and_then(|(host, port)| RedisHost::parse(host, port))
        }
        _ => None,
    };
    host.ok_or(LinkError::NotSentinel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: &str) -> Value {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().into());
        Value::Array(vec![bulk(host), bulk(port)])
    }

    fn error(line: &str) -> Value {
        redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).expect("an error reply")
    }

    #[test]
    fn names_and_addresses_of_both_kinds_are_read() {
        for (host, shown) in [
            ("10.0.0.7", "10.0.0.7:6379"),
            ("redis-0.internal", "redis-0.internal:6379"),
            ("fd00::7", "[fd00::7]:6379"),
        ] {
            let master = read(&address(host, "6379")).expect("an address");
            assert_eq!(master.to_string(), shown);
        }
    }

    #[test]
    fn answers_without_an_address_are_told_apart() {
        assert_eq!(read(&Value::Nil), Err(LinkError::UnknownMaster));
        assert_eq!(read(&error("ERR unknown command")), Err(LinkError::NotSentinel));
        assert_eq!(read(&error("NOAUTH needed")), Err(LinkError::Login));
        for bad in [
            Value::Okay,
            Value::Array(vec![]),
            Value::Array(vec![Value::Int(1), Value::Int(2)]),
            address("10.0.0.7", "0"),
            address("10.0.0.7", "65536"),
            address("", "6379"),
            address("a host", "6379"),
            address("10.0.0.777", "6379"),
            Value::Array(vec![Value::BulkString(vec![0xff]), Value::BulkString(b"1".into())]),
        ] {
            assert_eq!(read(&bad), Err(LinkError::NotSentinel), "{bad:?}");
        }
    }
}
