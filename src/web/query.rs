//! A request's query parameters, in the order in which they were sent.

use form_urlencoded::parse;

pub struct Query(Vec<(String, String)>);

impl Query {
    /// Also reads bodies of forms, which are written the same way.
    pub fn parse(text: &str) -> Self {
        Self(parse(text.as_bytes()).map(|(k, v)| (k.into_owned(), v.into_owned())).collect())
    }

    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// A parameter that is a list: `channels[]=a&channels[]=b`, `channels[0]=a`, or once and plain.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.iter().filter(|(key, _)| list_name(key) == name).map(|(_, value)| value).collect()
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

    #[test]
    fn lists_in_each_notation() {
        let query = Query::parse("a[]=1&a[]=2&b[0]=x&b[1]=y&c=z&d=%20+&a]=no&e[x]=no");
        assert_eq!(query.list("a"), ["1", "2"]);
        assert_eq!(query.list("b"), ["x", "y"]);
        assert_eq!(query.list("c"), ["z"]);
        assert_eq!(query.first("d"), Some("  "));
        assert_eq!(query.list("e"), Vec::<&str>::new());
    }
}
