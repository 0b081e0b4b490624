//! What all carriers of frames share: the transport, and the half that writes to it.

pub mod transport;
