//! What all carriers of frames share: the transport, and the half that writes to it.

pub mod frame_writer;
pub mod transport;
