//! The whole suite on two nodes: with the variable `IT_CLUSTER`, each server that a test starts by
//! [`TestServer::start`] is two nodes on one Redis behind a round-robin door.
//!
//! A server on a command line of its own ([`Launch`]) stays alone: it is about the process.

use super::{ClusterSection, Door, Launch, Redis, TestServer, eavesdropper, until_ready};

/// Settings by which a test runs on one node, by the reason.
const SETTINGS: [(&str, &str); 14] = [
    ("[cluster]", "it has a cluster of its own"),
    ("store = \"disk\"", "nodes cannot share a disk"),
    ("history_bytes", "budgets of logs are of one node"),
    ("history.bytes", "budgets of logs are of one node"),
    ("[history]", "budgets of logs are of one node"),
    ("listen", "nodes cannot share a port"),
    ("state_dir", "nodes cannot share a state directory"),
    ("audit_file", "nodes cannot share an audit file"),
    ("_file = ", "files are in the directory of one process"),
    ("memory_limit_bytes", "memory is of one process"),
    ("limits.connections", "connections are limited on each node"),
    ("\nconnections = ", "connections are limited on each node"),
    ("limits.events_per_second", "rates are counted on each node"),
    ("limits.reads_per_second", "rates are counted on each node"),
];

/// Whether this thread's test gets two nodes for this configuration.
pub(super) fn are_wanted(config: &str) -> bool {
    if std::env::var_os("IT_CLUSTER").is_none() {
        return false;
    }
    assert!(std::env::var_os("IT_OVER_TLS").is_none(), "IT_CLUSTER is for nodes without TLS");
    // The harness names the thread of a test after it; with one thread it uses its own.
    let thread = std::thread::current();
    let test = thread.name().filter(|name| name.contains("::"));
    let test = test.expect("IT_CLUSTER needs the name of the test: run at least two at once");
    one_node(test, config).is_none()
}

/// The reason why this test runs on one node.
fn one_node(test: &str, config: &str) -> Option<&'static str> {
    let of_setting = SETTINGS.iter().find(|(setting, _)| config.contains(setting));
    if let Some((_, reason)) = of_setting {
        return Some(reason);
    }
    let is_of = |entry: &str| {
        test.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    ONE_NODE.iter().find(|(entry, _)| is_of(entry)).map(|(_, reason)| *reason)
}

pub(super) async fn start(config: &str) -> TestServer {
    eavesdropper::listen_to_shared();
    let section = ClusterSection::on(Redis::shared());
    let text = section.config(config);
    let [first, second] = [Launch::serve_plain(&text).spawn(), Launch::serve_plain(&text).spawn()];
    let (first, second) = (first.listening().await, second.listening().await);
    for node in [&first, &second] {
        until_ready(node).await;
    }
    let door = Door::start(vec![first.addr, second.addr]);
    TestServer::of_nodes(first, vec![second], section, door)
}

/// Modules and single tests that run on one node, with the reason.
const ONE_NODE: &[(&str, &str)] = &[
    // They read what only one process has.
    ("capacity", "descriptors and memory of one process"),
    ("http_flood", "bytes and memory of one process"),
    ("memory", "memory of one process"),
    ("overload", "the queues of one process"),
    ("backpressure", "the queues of one process"),
    ("metrics", "one page of metrics"),
    ("metrics_docs", "one page of metrics"),
    ("metrics_edges", "one page of metrics"),
    ("cache::f15_oldest_cached_events_are_evicted", "one page of metrics"),
    ("cache::f15_server_budget_covers_all_apps", "one page of metrics"),
    ("reload_apps::c_reloads_are_counted_and_the_last_success_has_a_time", "one page of metrics"),
    ("live", "the live feed of one process"),
    ("live_access", "the live feed of one process"),
    ("tail", "the live feed of one process"),
    ("auth_strict::f7_operators_send_one_token_and_one_origin", "an operations listener"),
    ("cheap_refusals::f17_rate_limit_answers_before_the_body", "an operations listener"),
    ("drain::s1_6_draining_server_reports_it_and_refuses_new_sockets", "an operations listener"),
    (
        "drain::s1_6_draining_server_announces_the_end_of_http_connections",
        "the sockets that hold up the drain of one process",
    ),
    ("http_edges::f23_head_is_answered_wherever_get_is", "an operations listener"),
    ("http_edges::f23_wrong_method_lists_the_allowed_ones", "an operations listener"),
    ("ops_hosts", "an operations listener"),
    ("reload::c_server_settings_apply_to_new_connections", "an operations listener"),
    // The door takes what the client does not read.
    ("streams::h_reader_that_never_reads_is_ended_and_others_are_served", "a full connection"),
    // They use the files of one process, or commands that do.
    ("full_disk", "the disk of one process"),
    ("logging", "the log of one process"),
    ("lost_state", "one state directory"),
    ("reload_files", "one configuration file"),
    ("cluster_settings::c_reload_that_adds_a_cluster_waits_for_the_next_start", "it begins alone"),
    ("signals", "one process gets the signals"),
    ("webhooks::s8_endpoint_can_be_tested", "one state directory"),
    ("webhooks_discard", "one state directory"),
    ("webhooks_failing", "one state directory"),
    ("webhooks_log", "one state directory"),
    ("webhooks_replay", "one state directory"),
    ("reload_webhooks", "one state directory"),
    // Each node counts for itself, which the documentation says.
    ("client_api::events_of_pages_are_limited", "rates are counted on each node"),
    ("connect_rate", "rates are counted on each node"),
    ("rates", "rates are counted on each node"),
    ("rates_backend", "rates are counted on each node"),
    ("reload_rates", "rates are counted on each node"),
    ("presence_flapping", "departures are held on each node"),
    ("cache::f15_lowered_budget_applies_at_once", "last events are in the memory of each node"),
    (
        "cache::s4_cache_miss_first_then_the_last_event",
        "last events are in the memory of each node",
    ),
    ("users::s5_1_departed_user_is_gone", "users are counted on each node"),
    // What a cluster does not promise, which the documentation says.
    ("http_batch::s7_3_items_are_delivered_in_order", "the order is that of one channel"),
    (
        "sealing_alias::f30_batches_several_aliases_and_the_legacy_form_are_sealed",
        "the order is that of one channel",
    ),
    ("http_queries::s7_5_channel_query", "counts of a node are gathered for a moment"),
    (
        "http_events::s7_2_info_about_the_channels_of_an_event",
        "counts of a node are gathered for a moment",
    ),
    ("sealing::s7_3_each_item_of_a_batch_is_sealed", "the order is that of one channel"),
    (
        "drain::s1_6_events_accepted_while_draining_reach_remaining_clients",
        "an event takes a moment to the other node",
    ),
    (
        "auth_forward::s10_allowed_answer_is_cached_per_user_and_channel",
        "each node asks for itself",
    ),
    ("auth_forward::s10_failing_application_is_paused_briefly", "each node asks for itself"),
    ("auth_forward::s10_concurrent_requests_are_limited", "each node asks for itself"),
    ("auth_jwks", "each node asks for itself"),
    ("reload_auth::c_fetched_keys_survive_unrelated_changes", "each node asks for itself"),
    ("reload_auth::c_forward_url_changes_for_the_next_request", "each node asks for itself"),
    (
        "reload::c_app_limits_and_switches_change_for_open_sockets",
        "connections are limited on each node",
    ),
    // A node rotates to a configured key with the others, a moment after the reload.
    ("key_state::c_settings_that_need_a_restart_are_named", "a configured key waits for all nodes"),
    (
        "key_state::e3_configured_key_waits_for_the_running_rotation",
        "a configured key waits for all nodes",
    ),
    (
        "key_state::e3_inapplicable_configuration_changes_nothing",
        "a configured key waits for all nodes",
    ),
    ("key_state::e3_new_configured_key_rotates_on_sighup", "a configured key waits for all nodes"),
    (
        "key_stragglers::f18_reload_applies_the_rest_and_the_key_after_the_rotation",
        "a configured key waits for all nodes",
    ),
    ("reload::c_key_errors_reject_the_whole_configuration", "a configured key waits for all nodes"),
    (
        "key_revocation::e4_revoked_active_key_opens_no_new_event",
        "last events in Redis end with their key",
    ),
    (
        "revocation_cached::f1_token_revocation_drops_cached_answers_about_the_user",
        "each node asks for itself",
    ),
    ("keys_admin::c_operations_listener_needs_the_token", "an operations listener"),
    ("keys_admin::c_without_a_token_there_is_no_admin_api_over_tcp", "an operations listener"),
    ("keys_cli::c_remote_server_takes_the_token", "an operations listener"),
    (
        "keys_cli::c_rotate_shows_progress_until_all_have_moved",
        "the command asks again after all nodes have agreed",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_goes_by_settings_modules_and_tests() {
        let plain = "[apps.it]";
        assert_eq!(one_node("presence::a_test", plain), None);
        assert_eq!(one_node("memory::a_test", plain), Some("memory of one process"));
        assert_eq!(one_node("memory_of_others::a_test", plain), None);
        let listed = "webhooks::s8_endpoint_can_be_tested";
        assert_eq!(one_node(listed, plain), Some("one state directory"));
        assert_eq!(one_node(&format!("{listed}_too"), plain), None);
        let shared = one_node("presence::a_test", "audit_file = \"a\"");
        assert_eq!(shared, Some("nodes cannot share an audit file"));
    }

    #[test]
    fn every_listed_test_exists() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
        for (entry, reason) in ONE_NODE {
            let (module, test) = entry.split_once("::").unwrap_or((entry, ""));
            let text = std::fs::read_to_string(format!("{folder}/{module}.rs"));
            let text = text.unwrap_or_else(|err| panic!("{module}: {err}"));
            assert!(test.is_empty() || text.contains(&format!("fn {test}()")), "{entry}: no test");
            assert!(!reason.is_empty(), "{entry}: no reason");
        }
    }
}
