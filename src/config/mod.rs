//! What the configuration says: directives, the settings that they make, and what is shown of them.

mod arguments;
pub mod directives;
pub mod dump;
pub mod rule;
mod server_directives;
pub mod settings;
pub mod strays;
