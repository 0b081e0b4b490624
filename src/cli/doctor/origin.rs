//! Check 12: a page of this origin may connect.

use super::{
    finding::{DoctorCheck, Finding, Remedy},
    front_proxy::{FrontProxy, ProxyFault},
    socket::SocketOpening,
};

/// What is known about the origin beside the connection itself.
pub struct OriginContext<'a> {
    pub origin: &'a str,
    pub app: &'a str,
    /// The app's list, if its configuration is at hand.
    pub listed: &'a [String],
    /// The origin that reached the server; the outer `None` if it was not asked.
    pub seen: Option<Option<String>>,
    pub proxy: FrontProxy,
}

impl OriginContext<'_> {
    pub fn judge(&self, opening: &SocketOpening) -> Finding {
        let (check, origin) = (DoctorCheck::Origin, self.origin);
        if let Some(seen) = self.seen.as_ref().filter(|seen| seen.as_deref() != Some(origin)) {
            let seen = seen.as_ref().map_or("no origin", |seen| seen);
            let message = format!("sent {origin}, the server saw {seen}");
            return check.fail(message, self.proxy.remedies(ProxyFault::Origin));
        }
        match opening {
            SocketOpening::Open(_) => check.ok(format!("{origin} may connect")),
            SocketOpening::Refused { code: Some(4009), .. } => self.not_listed(),
            SocketOpening::Refused { message, .. } => {
                check.fail(format!("a page of {origin} is refused: {message}"), Vec::new())
            }
            SocketOpening::NoUpgrade(answer) => {
                let message =
                    format!("a page of {origin} is answered {} and not 101", answer.status);
                check.fail(message, self.proxy.remedies(ProxyFault::Origin))
            }
            SocketOpening::Ended(end) => check.fail(end.to_string(), Vec::new()),
            SocketOpening::Failed(error) => check.fail(error.to_string(), Vec::new()),
        }
    }

    fn not_listed(&self) -> Finding {
        let origin = self.origin;
        let nearest = nearest(origin, self.listed);
        let nearest = nearest.map_or(String::new(), |near| format!("; nearest: {near}"));
        let known = self.listed.iter().map(|entry| format!("{entry:?}, ")).collect::<String>();
        let more = if self.listed.is_empty() { "# and those that it has: " } else { "" };
        let line = match more {
            "" => format!("origins = [{known}{origin:?}]"),
            more => format!("origins = [{origin:?}]   {more}..."),
        };
        DoctorCheck::Origin.fail(
            format!("{origin} is not in origins{nearest}"),
            vec![Remedy::lines(
                format!("Sealcast's configuration, in [apps.{}]", self.app),
                [line],
            )],
        )
    }
}

/// The entry that may have been meant.
fn nearest<'a>(origin: &str, listed: &'a [String]) -> Option<&'a str> {
    let distance = |entry: &&String| strsim::osa_distance(origin, entry);
    let entry = listed.iter().min_by_key(distance)?;
    (distance(&entry) * 3 <= origin.chars().count()).then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Judgement;

    fn judged(listed: &[String], seen: Option<Option<String>>) -> Finding {
        let context = OriginContext {
            origin: "https://shop.example.com",
            app: "1001",
            listed,
            seen,
            proxy: FrontProxy::Nginx,
        };
        context.judge(&SocketOpening::Refused { code: Some(4009), message: String::new() })
    }

    #[test]
    fn the_nearest_entry_is_named() {
        let listed =
            ["https://www.shop.example.com".to_owned(), "https://other.example".to_owned()];
        let finding = judged(&listed, Some(Some("https://shop.example.com".into())));
        assert_eq!(
            finding.message,
            "https://shop.example.com is not in origins; nearest: https://www.shop.example.com"
        );
        assert_eq!(
            finding.remedies[0].lines,
            [
                r#"origins = ["https://www.shop.example.com", "https://other.example", "https://shop.example.com"]"#
            ]
        );
        let finding = judged(&[], None);
        assert_eq!(finding.message, "https://shop.example.com is not in origins");
        assert!(
            finding.remedies[0].lines[0].starts_with(r#"origins = ["https://shop.example.com"]"#)
        );
    }

    #[test]
    fn an_origin_changed_on_the_way_is_the_proxys_fault() {
        let finding = judged(&[], Some(None));
        assert_eq!(finding.judgement, Judgement::Fail);
        assert_eq!(finding.message, "sent https://shop.example.com, the server saw no origin");
        assert_eq!(finding.remedies[0].lines, ["proxy_set_header Origin $http_origin;"]);
    }
}
