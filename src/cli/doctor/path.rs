//! Check 10: the path that was sent beside the one that arrived.

use super::{
    answer::ServerRefusal,
    finding::{DoctorCheck, Finding, Remedy},
    front_proxy::{FrontProxy, ProxyFault},
};

/// `prefix`: in the address that backends use.
pub fn judge_path(sent: &str, seen: &str, prefix: &str, proxy: FrontProxy) -> Finding {
    let check = DoctorCheck::Path;
    if sent == seen {
        return check.ok(match prefix {
            "" => "no prefix on either side".to_owned(),
            prefix => format!("{prefix} on both sides"),
        });
    }
    if seen.ends_with(sent) {
        return check
            .ok(format!("sent {sent}, the proxy makes {seen} of it, and the server knows"));
    }
    let message = format!("signed {sent}, the server saw {seen}");
    let mut remedies = vec![Remedy::sealcast([format!("path_prefix = {prefix:?}")])];
    remedies.extend(proxy.remedies(ProxyFault::PrefixCut { prefix }));
    check.fail(message, remedies)
}

/// The part in front of `/apps/ID`, in the text that the server would have signed.
pub fn prefix_seen_in(refusal: &ServerRefusal, app: &str) -> Option<String> {
    if refusal.code != "invalid_signature" {
        return None;
    }
    let (_, text) = refusal.message.split_once("HmacSHA256Hex(\"")?;
    // The line break is written as two characters.
    let path = text.split("\\n").nth(1)?;
    let (prefix, _) = path.split_once(&format!("/apps/{app}/"))?;
    Some(prefix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Judgement;

    #[test]
    fn a_prefix_cut_on_the_way_is_told() {
        let judged = |sent: &str, seen: &str, prefix: &str| {
            let finding = judge_path(sent, seen, prefix, FrontProxy::Nginx);
            (finding.judgement, finding.message, finding.remedies)
        };
        assert_eq!(judged("/apps/1/caller", "/apps/1/caller", "").0, Judgement::Ok);
        assert_eq!(judged("/ws/apps/1/caller", "/ws/apps/1/caller", "/ws").1, "/ws on both sides");
        assert_eq!(judged("/apps/1/caller", "/ws/apps/1/caller", "").0, Judgement::Ok);
        let (judgement, message, remedies) = judged("/ws/apps/1/caller", "/apps/1/caller", "/ws");
        assert_eq!(judgement, Judgement::Fail);
        assert_eq!(message, "signed /ws/apps/1/caller, the server saw /apps/1/caller");
        assert_eq!(remedies[0].lines, ["path_prefix = \"/ws\""]);
        assert_eq!(remedies[1].lines, ["location /ws/ { proxy_pass http://sealcast; }"]);
    }

    #[test]
    fn the_path_that_arrived_is_in_the_refusal() {
        let refusal = |message: &str| ServerRefusal {
            code: "invalid_signature".into(),
            message: message.into(),
            limit: None,
        };
        let message = r#"Invalid signature: you should have sent HmacSHA256Hex("GET\n/x/apps/1/caller\nauth_key=k", your_secret_key), but you sent "ab""#;
        assert_eq!(prefix_seen_in(&refusal(message), "1").as_deref(), Some("/x"));
        assert_eq!(prefix_seen_in(&refusal(message), "2"), None);
        assert_eq!(prefix_seen_in(&refusal("Invalid signature"), "1"), None);
    }
}
