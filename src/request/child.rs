//! What a child of httpd has for itself from its beginning to its end.

use crate::httpd::random;
use crate::selinux::SharedContext;
use messages::{Code, Message};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// A child that has begun as it should: in another one, nobody is confined, and whoever is mapped is refused.
pub struct Child {
    /// Where the code of the interpreters is that httpd has loaded; empty where nobody is mapped.
    pub interpreters: Vec<Range<usize>>,
    /// The sockets that it has been told of, by context and application.
    pub sockets: Mutex<HashMap<(SharedContext, String), Arc<str>>>,
    next_tag: AtomicU64,
}

static CHILD: OnceLock<Child> = OnceLock::new();

impl Child {
    /// This process is one from now on. (httpd begins a child once.)
    pub fn begin(interpreters: Vec<Range<usize>>) -> &'static Child {
        CHILD.get_or_init(|| Child {
            interpreters,
            sockets: Mutex::default(),
            next_tag: AtomicU64::new(random()),
        })
    }

    /// This process as a child.
    ///
    /// # Errors
    /// It has not begun as it should.
    pub fn this() -> Result<&'static Child, Message> {
        CHILD.get().ok_or(Code::Internal.constant("refused: this child has not begun as it should"))
    }

    /// A number that no other request on this host has, for days: children count from places of their own.
    pub fn next_tag() -> u64 {
        CHILD.get().map_or_else(random, |child| child.next_tag.fetch_add(1, Ordering::Relaxed))
    }
}
