//! mod_dbd, whose connections others have opened.

use crate::httpd::dbd::{self, OpenHook};
use crate::httpd::hook::OneThread;
use crate::httpd::log;
use crate::worker;
use messages::{Code, Message};

/// Why pages of mapped requests get no connection of mod_dbd's.
static ON_KEPT_CONNECTION: Message = Code::DbdConnection.constant("a page asked for a connection of mod_dbd's, which the server or another context may have opened: refused (say DBDPersist Off, or have it open one of its own)");

/// Has each connection judged that a page asks for; to be called when all modules are loaded.
pub fn judge_open(start: &OneThread) {
    dbd::judge_open::<KeptConnection>(start);
}

/// Its connections.
struct KeptConnection;

impl OpenHook for KeptConnection {
    fn may_open() -> bool {
        let may_open = !worker::is_worker() || dbd::keeps_none();
        if !may_open {
            log::server(&ON_KEPT_CONNECTION);
        }
        may_open
    }
}
