//! Memberships on a real Redis, under a clock of the test.

mod deaths;
mod entering;
mod node;
mod scene;
mod watch;
