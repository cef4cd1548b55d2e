//! Applications with processes for each context: their files, and the line that asks `selinux-broker` for a socket. What the
//! broker, the module and the tool have in common.

#![forbid(unsafe_code)]

mod app;
mod folder;
mod message;
mod status;

pub use app::{App, AppError, MAX_NAME, Protocol, SocketStyle, is_name};
pub use folder::Folder;
pub use message::{Answer, Line, MAX_LINE, Question};
pub use status::{PoolStatus, Status};
