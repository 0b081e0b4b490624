//! Names that other servers have for what is called otherwise here.

/// Theirs in lower case, and the path of ours.
pub const OTHER_NAMES: [(&str, &str); 86] = [
    ("accept_client_events_from", "apps.ID.client_events"),
    ("activity_timeout", "activity_timeout_seconds"),
    ("address", "listen"),
    ("allowed_origins", "apps.ID.origins"),
    ("api_port", "api_listen"),
    ("app_key", "apps.ID.key"),
    ("app_secret", "apps.ID.secret"),
    ("auth_timeout", "apps.ID.authorization_timeout_seconds"),
    ("bind", "listen"),
    ("bind_address", "listen"),
    ("ca_cert", "apps.ID.jwt.ca_file"),
    ("cert", "tls_cert_file"),
    ("cert_file", "tls_cert_file"),
    ("certfile", "tls_cert_file"),
    ("certificate", "tls_cert_file"),
    ("channel_cache_ttl", "apps.ID.limits.cache_ttl_seconds"),
    ("client_messages", "apps.ID.client_events"),
    ("cors", "apps.ID.origins"),
    ("cors_origin", "apps.ID.origins"),
    ("debug", "log"),
    ("enable_client_messages", "apps.ID.client_events"),
    ("enable_subscription_count", "apps.ID.subscription_count"),
    ("enable_user_authentication", "apps.ID.authorized_connections"),
    ("enable_watchlist_events", "apps.ID.watchlist"),
    ("encryption_master_key", "apps.ID.master_key"),
    ("encryption_master_key_base64", "apps.ID.master_key"),
    ("event_max_batch_size", "apps.ID.limits.batch_events"),
    ("event_max_channels_at_once", "apps.ID.limits.channels_per_event"),
    ("event_max_name_length", "apps.ID.limits.event_name_chars"),
    ("event_max_size", "apps.ID.limits.event_bytes"),
    ("event_max_size_in_kb", "apps.ID.limits.event_bytes"),
    ("grace_period", "drain_seconds"),
    ("host", "listen"),
    ("hostname", "listen"),
    ("http_port", "listen"),
    ("jwks", "apps.ID.jwt.jwks_url"),
    ("keyfile", "tls_key_file"),
    ("local_cert", "tls_cert_file"),
    ("local_pk", "tls_key_file"),
    ("log_level", "log"),
    ("loglevel", "log"),
    ("max_backend_events_per_second", "apps.ID.limits.events_per_second"),
    ("max_batch_size", "apps.ID.limits.batch_events"),
    ("max_body_size", "http_body_bytes"),
    ("max_channel_name_length", "apps.ID.limits.channel_name_bytes"),
    ("max_client_events_per_second", "apps.ID.limits.client_events_per_second"),
    ("max_connections", "apps.ID.limits.connections"),
    ("max_conns", "apps.ID.limits.connections"),
    ("max_event_size", "apps.ID.limits.event_bytes"),
    ("max_message_size", "message_bytes"),
    ("max_name_length", "apps.ID.limits.channel_name_bytes"),
    ("max_payload", "message_bytes"),
    ("max_presence_members", "apps.ID.limits.presence_members"),
    ("max_presence_members_per_channel", "apps.ID.limits.presence_members"),
    ("max_read_requests_per_second", "apps.ID.limits.reads_per_second"),
    ("max_request_size", "http_body_bytes"),
    ("max_request_size_in_kb", "http_body_bytes"),
    ("memory_limit", "memory_limit_bytes"),
    ("metrics", "ops_listen"),
    ("metrics_enabled", "ops_listen"),
    ("metrics_host", "ops_listen"),
    ("metrics_port", "ops_listen"),
    ("metrics_server_port", "ops_listen"),
    ("path", "path_prefix"),
    ("ping_interval", "activity_timeout_seconds"),
    ("ping_timeout", "pong_timeout_seconds"),
    ("pong_timeout", "pong_timeout_seconds"),
    ("port", "listen"),
    ("presence_max_member_size_in_kb", "apps.ID.limits.presence_member_bytes"),
    ("presence_max_members", "apps.ID.limits.presence_members"),
    ("private_key", "tls_key_file"),
    ("real_ip_header", "forwarded_header"),
    ("redis", "cluster.url"),
    ("redis_host", "cluster.url"),
    ("redis_url", "cluster.url"),
    ("server_port", "listen"),
    ("shutdown_grace_period", "drain_seconds"),
    ("ssl_cert", "tls_cert_file"),
    ("ssl_certificate", "tls_cert_file"),
    ("ssl_key", "tls_key_file"),
    ("threads", "workers"),
    ("tls_cert", "tls_cert_file"),
    ("tls_key", "tls_key_file"),
    ("user_authentication", "apps.ID.authorized_connections"),
    ("user_authentication_timeout", "apps.ID.authorization_timeout_seconds"),
    ("webhook", "apps.ID.webhooks"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::Schema;

    #[test]
    fn every_other_name_leads_to_a_setting() {
        let schema = Schema::new();
        assert!(OTHER_NAMES.is_sorted());
        for (theirs, ours) in OTHER_NAMES {
            let path: Vec<&str> = ours.split('.').collect();
            assert!(schema.at(&path).is_some(), "{ours}");
            let own = schema.leaves().into_iter().any(|setting| setting.name() == theirs);
            assert!(!own, "{theirs} is a setting");
        }
    }
}
