//! What the configuration says: directives, the settings that they make, and what is shown of them.

pub mod directives;
pub mod dump;
pub mod rule;
pub mod settings;
pub mod strays;
