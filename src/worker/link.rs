//! The hand-over between a worker and its supervisor: strictly in turn, one message each way.
//!
//! Whoever has sent a message waits for the next one. So at any time one of the two touches the
//! request, and the lock orders what one wrote before what the other reads. `tests/model` has a model
//! checker go through all orders in which threads can come by here.

// Its parent's: the model has a `sync` of its own.
use super::sync::{Condvar, Mutex, MutexGuard};
use crate::httpd::filter::Call;
use crate::httpd::request::Ticket;
use crate::httpd::status::Status;
use std::os::fd::OwnedFd;
use std::sync::PoisonError;

/// What a worker wants of its supervisor.
pub enum Question {
    /// Serve this request, which the worker's own has started, elsewhere.
    Serve(Ticket),
    /// Decide on this request, which the worker's own has started, with the server's privileges.
    Decide(Ticket),
    /// Authorize this request, which the worker's own has started, with the server's privileges.
    Authorize(Ticket),
    /// Say whether the `.htaccess` counts that httpd is about to read for this request, which the worker's own has
    /// started.
    Judge(Ticket, OwnedFd),
    /// Make this call where the request's parent is served.
    Call(Call),
}

/// What became of it.
pub enum Answer {
    /// The nested request's handler, or its last fixup, answered.
    Served(Status),
    /// What the call gave.
    Returned(i32),
}

enum ToSupervisor {
    Ask(Question),
    /// What the supervisor's call gave.
    Returned(i32),
}

enum ToWorker {
    Answer(Answer),
    /// Make this call, of a filter of the request that the worker serves.
    Call(Call),
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

    /// Supervisor: answers the worker until it has the result of a call (`Some`) or ends (`None`).
    pub fn attend(&self, mut answer: impl FnMut(Question) -> Answer) -> Option<i32> {
        loop {
            match self.hear()? {
                ToSupervisor::Ask(question) => {
                    self.give(Turn::Worker(Some(ToWorker::Answer(answer(question)))));
                }
                ToSupervisor::Returned(result) => return Some(result),
            }
        }
    }

    /// Supervisor: has the worker, which waits for an answer, make a call, and attends to it meanwhile.
    pub fn call(&self, call: Call, answer: impl FnMut(Question) -> Answer) -> Option<i32> {
        self.give(Turn::Worker(Some(ToWorker::Call(call))));
        self.attend(answer)
    }

    /// Worker: gives the request to the supervisor, and waits to have it back; makes the calls that the
    /// supervisor wants made meanwhile.
    pub fn ask(&self, question: Question, mut make: impl FnMut(Call) -> i32) -> Answer {
        let mut message = ToSupervisor::Ask(question);
        loop {
            match self.exchange(message) {
                ToWorker::Answer(answer) => return answer,
                ToWorker::Call(call) => message = ToSupervisor::Returned(make(call)),
            }
        }
    }

    /// Worker: the end, however it comes.
    pub fn end(&self) {
        *self.turn() = Turn::Ended;
        self.changed.notify_one();
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

    /// The turn, once it is such a one.
    fn wait(&self, is_due: impl Fn(&Turn) -> bool) -> MutexGuard<'_, Turn> {
        let mut turn = self.turn();
        while !is_due(&turn) {
            turn = self.changed.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        turn
    }

    /// Supervisor: waits for the worker's next message; `None` when it has ended.
    fn hear(&self) -> Option<ToSupervisor> {
        match &mut *self.wait(|turn| matches!(turn, Turn::Supervisor(Some(_)) | Turn::Ended)) {
            Turn::Supervisor(message) => message.take(),
            _ => None,
        }
    }

    /// Worker: gives the request to the supervisor, and waits to have it back.
    fn exchange(&self, message: ToSupervisor) -> ToWorker {
        self.give(Turn::Supervisor(Some(message)));
        match &mut *self.wait(|turn| matches!(turn, Turn::Worker(Some(_)))) {
            Turn::Worker(message) => message.take().expect("the wait ends with a message"),
            _ => unreachable!("the wait ends on the worker's turn"),
        }
    }
}
