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
mod engine;
mod interleavings;
mod link_outages;
mod link_pitfalls;
mod link_refusals;
mod link_scene;
mod link_tls;
mod model;
mod names;
mod node;
mod pitfalls;
mod proxy;
pub mod random;
mod scene;
pub mod server;
mod stories;
mod world;
