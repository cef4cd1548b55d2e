//! The hand-over between a worker and its supervisor: strictly in turn, one message each way.
//!
//! Whoever has sent a message waits for the next one. So at any time one of the two touches the
//! request, and the lock orders what one wrote before what the other reads.

use crate::httpd::filter::Call;
use crate::httpd::request::Ticket;
use crate::httpd::status::Status;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What a worker says to its supervisor.
pub enum ToSupervisor {
    /// Serve this request, which the worker's own has started, elsewhere.
    Serve(Ticket),
    /// Decide on this request, which the worker's own has started, with the server's privileges.
    Decide(Ticket),
    /// Make this call where the request's parent is served.
    Call(Call),
    /// What the supervisor's call gave.
    Returned(i32),
}

/// What a supervisor says to its worker.
pub enum ToWorker {
    /// The nested request's handler, or its last fixup, answered.
    Served(Status),
    /// Make this call, of a filter of the request that the worker serves.
    Call(Call),
    /// What the worker's call gave.
    Returned(i32),
}

enum Turn {
    /// The worker has the request, and a message where one is due.
    Worker(Option<ToWorker>),
    /// The supervisor has it, and a message, until it takes it.
    Supervisor(Option<ToSupervisor>),
    /// The worker is at its end, and will say no more.
    Ended,
}

/// One worker's link to its supervisor.
pub struct Link {
    turn: Mutex<Turn>,
    changed: Condvar,
}

impl Link {
    /// A link whose worker begins.
    pub fn new() -> Link {
        Link { turn: Mutex::new(Turn::Worker(None)), changed: Condvar::new() }
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        // Nothing panics under the lock, and a turn is always whole.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, turn: Turn) {
        let mut now = self.turn();
        if !matches!(*now, Turn::Ended) {
            *now = turn;
        }
        drop(now);
        self.changed.notify_one();
    }

    /// Supervisor: waits for the worker's next message; `None` when it has ended.
    pub fn hear(&self) -> Option<ToSupervisor> {
        let waiting = |turn: &mut Turn| !matches!(turn, Turn::Supervisor(Some(_)) | Turn::Ended);
        let turn = self.changed.wait_while(self.turn(), waiting);
        match &mut *turn.unwrap_or_else(PoisonError::into_inner) {
            Turn::Supervisor(message) => message.take(),
            _ => None,
        }
    }

    /// Supervisor: gives the request back to the worker.
    pub fn tell(&self, message: ToWorker) {
        self.give(Turn::Worker(Some(message)));
    }

    /// Worker: gives the request to the supervisor, and waits to have it back.
    pub fn exchange(&self, message: ToSupervisor) -> ToWorker {
        self.give(Turn::Supervisor(Some(message)));
        let waiting = |turn: &mut Turn| !matches!(turn, Turn::Worker(Some(_)));
        let turn = self.changed.wait_while(self.turn(), waiting);
        match &mut *turn.unwrap_or_else(PoisonError::into_inner) {
            Turn::Worker(message) => message.take().expect("the wait ends with a message"),
            _ => unreachable!("the wait ends on the worker's turn"),
        }
    }

    /// Worker: the end, however it comes.
    pub fn end(&self) {
        *self.turn() = Turn::Ended;
        self.changed.notify_one();
    }
}
