//! Shared by all carriers of frames: the transport, and the half of a connection that writes to it.

pub mod frame_writer;
pub mod transport;
