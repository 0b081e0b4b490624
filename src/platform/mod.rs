//! The process and the system around it: files, sockets, memory, time, output, HTTP requests to other
//! servers. Nothing here knows a channel.

pub mod address;
pub mod capacity;
pub mod clock;
pub mod counting;
pub mod file_stamp;
pub mod heap;
pub mod http;
pub mod output;
pub mod state_dir;
pub mod system;
pub mod text_file;
pub mod threads;
pub mod traces;
pub mod unix_socket;
