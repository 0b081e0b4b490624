//! What operators read of an app's channels and connections. It is made when they ask; nothing here
//! is on the path of an event.

pub mod channel;
pub mod channels;
pub mod connections;
