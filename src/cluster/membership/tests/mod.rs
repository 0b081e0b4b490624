//! Memberships on a real Redis, under a clock of the test.

mod deaths;
mod entering;
mod leaving;
mod node;
mod owners;
mod scene;
mod stories;
mod watch;
