//! Tests against a real Redis (`server`).

/// Everything around the nodes of a model.
macro_rules! around {
    ($model:expr) => {
        &mut $crate::cluster::redis::tests::node::Surroundings {
            world: &mut $model.world,
            random: &mut $model.random,
            births: &mut $model.births,
        }
    };
}
mod access;
mod book;
mod book_change;
mod compare;
mod contents;
mod control_book;
mod disasters;
pub(in crate::cluster) mod engine;
mod interleavings;
mod letters;
mod link_outages;
mod link_pitfalls;
mod link_refusals;
pub(in crate::cluster) mod link_scene;
mod link_sentinel;
mod link_stalls;
mod link_tls;
mod links;
mod links_scene;
mod log;
mod log_model;
mod masters;
mod model;
mod names;
mod node;
mod pitfalls;
pub(in crate::cluster) mod proxy;
pub(in crate::cluster) mod random;
mod revocations;
mod scene;
pub(in crate::cluster) mod sentinels;
pub(in crate::cluster) mod server;
mod stories;
mod tables;
mod world;
