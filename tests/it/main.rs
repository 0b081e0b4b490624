//! Tests of the `sealcast` binary from outside, point by point from the protocol description.
//! Names begin with the section they check: `s2_5_...` is section 2.5 of the protocol,
//! `e1_...` section 1 of the description of sealed channels, `c_...` the command line and configuration.

mod support;

mod audit;
mod auth_endpoints;
mod auth_jwt;
mod auth_refusals;
mod auth_sockets;
mod backpressure;
mod cache;
mod client_events;
mod config;
mod connection;
mod cookies;
mod cors;
mod delivery;
mod drain;
mod explain;
mod frames;
mod frames_json;
mod handshake_bytes;
mod http_auth;
mod http_batch;
mod http_events;
mod http_queries;
mod http_signing;
mod jetsocket;
mod key_refusals;
mod key_revocation;
mod key_rotation;
mod key_state;
mod keys;
mod keys_admin;
mod keys_cli;
mod liveness;
mod ordering;
mod presence;
mod presence_members;
mod process;
mod properties;
mod rates;
mod sealing;
mod sealing_modes;
mod secrets;
mod selftest;
mod signatures;
mod subscribe;
mod subscription_count;
mod terminate;
mod tls;
mod tls_files;
mod users;
mod watchlist;
mod webhooks;
