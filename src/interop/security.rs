//! ModSecurity, which keeps long request bodies in a folder of its own.

use crate::httpd::{config_tree, has_module};
use messages::{Code, Message};

/// What is said of it when the server starts.
pub fn warnings() -> Vec<Message> {
    if !has_module(c"mod_security2.c") {
        return Vec::new();
    }
    let folders = config_tree::arguments_of("SecTmpDir");
    let folders = folders.iter().map(|folder| String::from_utf8_lossy(folder));
    let folders = folders.map(|folder| folder.trim_matches('"').trim_end_matches('/').to_owned());
    let unreadable = folders.filter(|folder| folder != "/tmp");
    unreadable.map(|folder| {
        Code::BodiesUnreadable.message(format!(
            "ModSecurity keeps long request bodies in {folder}, where workers may not read them, so that mapped requests fail: say SecTmpDir /tmp"
        ))
    })
    .collect()
}
