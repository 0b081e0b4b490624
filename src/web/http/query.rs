//! The query parameters of a request, in their order.

use actix_web::http::Uri;
use form_urlencoded::parse;

use super::error::ApiError;
use crate::domain::refusal::RefusalCode;

/// All names and values in one text, and the end of each name and value: two allocations for any
/// number of parameters.
#[derive(Default)]
pub struct Query {
    text: String,
    ends: Vec<(usize, usize)>,
}

/// For path and query together. No client writes a longer one, and a stranger could make the server
/// hash it in vain.
pub const MAX_BYTES: usize = 8 * 1024;
/// More parameters than any SDK sends.
pub const MAX_PARAMETERS: usize = 100;

/// The query is larger than any real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryTooLarge {
    Bytes,
    Parameters { limit: usize },
}

impl Query {
    /// Checks the size before it parses.
    pub fn of(uri: &Uri) -> Result<Self, QueryTooLarge> {
        Self::within(uri, MAX_PARAMETERS)
    }

    /// The same with another limit of parameters.
    pub fn within(uri: &Uri, most: usize) -> Result<Self, QueryTooLarge> {
        if uri.path_and_query().map_or(0, |whole| whole.as_str().len()) > MAX_BYTES {
            return Err(QueryTooLarge::Bytes);
        }
        let text = uri.query().unwrap_or_default();
        if text.bytes().filter(|byte| *byte == b'&').count() >= most {
            return Err(QueryTooLarge::Parameters { limit: most });
        }
        Ok(Self::parse(text))
    }

    /// Parses bodies of forms as well, which have the same syntax.
    pub fn parse(text: &str) -> Self {
        let mut query =
            Self { text: String::with_capacity(text.len()), ends: Vec::with_capacity(8) };
        // Byte by byte: for such short texts a search for characters costs more than it saves.
        let mut rest = text;
        while !rest.is_empty() {
            let (parameter, behind) = split_at_byte(rest, b'&');
            rest = behind;
            if parameter.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
                parse(parameter.as_bytes()).for_each(|(name, value)| query.push(&name, &value));
            } else if !parameter.is_empty() {
                let (name, value) = split_at_byte(parameter, b'=');
                query.push(name, value);
            }
        }
        query
    }

    fn push(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        let name_end = self.text.len();
        self.text.push_str(value);
        self.ends.push((name_end, self.text.len()));
    }

    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ends.iter().scan(0, |start, (name_end, end)| {
            let parameter = (&self.text[*start..*name_end], &self.text[*name_end..*end]);
            *start = *end;
            Some(parameter)
        })
    }

    /// A list parameter: `channels[]=a&channels[]=b`, `channels[0]=a`, or a single plain one.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.iter().filter(|(key, _)| list_name(key) == name).map(|(_, value)| value).collect()
    }
}

impl From<QueryTooLarge> for ApiError {
    fn from(error: QueryTooLarge) -> Self {
        match error {
            QueryTooLarge::Bytes => Self::uri_too_long(MAX_BYTES),
            QueryTooLarge::Parameters { limit } => {
                let message = format!("More than {limit} query parameters");
                Self::new(RefusalCode::TooManyParameters, message)
            }
        }
    }
}

/// The text before the first such byte and after it.
fn split_at_byte(text: &str, at: u8) -> (&str, &str) {
    match text.bytes().position(|byte| byte == at) {
        Some(index) => (&text[..index], &text[index + 1..]),
        None => (text, ""),
    }
}

/// `info[]` and `info[3]` are elements of `info`.
pub fn list_name(key: &str) -> &str {
    match key.split_once('[') {
        Some((name, index))
            if index.strip_suffix(']').is_some_and(|i| i.bytes().all(|b| b.is_ascii_digit())) =>
        {
            name
        }
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_read_in_each_notation() {
        let query = Query::parse("a[]=1&a[]=2&b[0]=x&b[1]=y&c=z&d=%20+&a]=no&e[x]=no");
        assert_eq!(query.list("a"), ["1", "2"]);
        assert_eq!(query.list("b"), ["x", "y"]);
        assert_eq!(query.list("c"), ["z"]);
        assert_eq!(query.first("d"), Some("  "));
        assert_eq!(query.list("e"), Vec::<&str>::new());
    }

    #[test]
    fn oversized_queries_are_refused() {
        let of = |query: &str| {
            let uri = format!("/apps/it/channels?{query}").parse().expect("a URI");
            Query::of(&uri).map(|query| query.iter().count())
        };
        assert_eq!(of(&["a=1"; 100].join("&")), Ok(100));
        assert_eq!(of(&["a=1"; 101].join("&")), Err(QueryTooLarge::Parameters { limit: 100 }));
        assert_eq!(of(&"&".repeat(5000)), Err(QueryTooLarge::Parameters { limit: 100 }));
        let head = "/apps/it/channels?".len();
        assert_eq!(of(&"a".repeat(MAX_BYTES - head)), Ok(1));
        assert_eq!(of(&"a".repeat(MAX_BYTES - head + 1)), Err(QueryTooLarge::Bytes));
        assert_eq!(Query::of(&"/x".parse().expect("a URI")).map(|q| q.iter().count()), Ok(0));
    }

    proptest! {
        #[test]
        fn queries_are_parsed_like_forms(text in "[a-c&=+%é0-9]{0,40}") {
            let query = Query::parse(&text);
            let expected: Vec<_> = parse(text.as_bytes()).collect();
            let read: Vec<_> = query.iter().map(|(name, value)| (name.into(), value.into())).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
