//! WebSockets of Pusher clients: the handshake, and the connection after it (protocol.md 1).

pub mod handshake_rejections;
pub mod socket;
pub mod socket_path;
pub mod upgrade;
