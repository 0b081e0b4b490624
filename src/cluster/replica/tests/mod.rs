//! Replicas of several nodes around a model of the engine. Everything between them waits in queues,
//! and a test says what moves.

mod engine;
mod events;
mod local;
mod log;
mod losses;
mod model;
mod names;
mod node;
mod opening;
mod world;
