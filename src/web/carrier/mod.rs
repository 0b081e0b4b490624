//! Shared by all carriers of frames: the transport, the half of a connection that writes to it, and
//! the commands for its session.

pub mod command_queue;
pub mod frame_writer;
pub mod transport;
pub mod written_socket;
