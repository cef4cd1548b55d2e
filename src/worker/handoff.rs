//! The hand-over between a worker and its supervisor: strictly in turn, one message each way.
//!
//! Whoever has sent a message waits for the next one. So at any time one of the two touches the
//! request, and the lock orders what one wrote before what the other reads. `tests/model` has a model
//! checker go through all orders in which threads can come by here.

use crate::httpd::filter::Call;
use crate::httpd::phase::PhaseTicket;
use crate::httpd::request::Ticket;
use crate::httpd::status::Status;
use crate::httpd::sync::{Condvar, Mutex, MutexGuard};
use std::sync::PoisonError;
use std::time::Duration;

/// What a worker wants of its supervisor.
pub enum SupervisorRequest {
    /// Serve this request, which the worker's own has started, elsewhere.
    Serve(Ticket),
    /// Run a phase of this request, which the worker's own has started, or is, with the server's privileges.
    Phase(PhaseTicket),
    /// Make this call where the request's parent is served.
    Call(Call),
}

/// What became of it.
pub enum Reply {
    /// The nested request's handler, or a phase, answered.
    Served(Status),
    /// What the call gave.
    Returned(i32),
}

/// What a worker without a request is told.
#[derive(PartialEq, Eq, Debug)]
pub enum WorkerCommand<O> {
    /// Serve this.
    Serve(O),
    /// There will be nothing to serve.
    Dismiss,
}

/// What a supervisor hears of its worker.
#[derive(PartialEq, Eq, Debug)]
pub enum WorkerEvent {
    /// The result of the call that it was to make.
    Returned(i32),
    /// It has served its request, and waits for another.
    Served,
    /// It has ended.
    Ended,
}

enum ToSupervisor {
    Ask(SupervisorRequest),
    /// What the supervisor's call gave.
    Returned(i32),
}

enum ToWorker {
    Reply(Reply),
    /// Make this call, of a filter of the request that the worker serves.
    Call(Call),
}

enum Turn<O> {
    /// The worker has no request, and an order where it is given one.
    Idle(Option<WorkerCommand<O>>),
    /// The worker has the request, and a message where one is due.
    Worker(Option<ToWorker>),
    /// The supervisor has it, and a message, until it takes it.
    Supervisor(Option<ToSupervisor>),
    /// The worker is at its end, and will say no more.
    Ended,
}

struct State<O> {
    turn: Turn<O>,
    /// Whether somebody sleeps: to wake nobody costs a system call, too.
    is_awaited: bool,
}

/// One worker's link to its supervisor.
pub struct Handoff<O> {
    state: Mutex<State<O>>,
    changed: Condvar,
}

impl<O> Handoff<O> {
    /// A link whose worker has no request yet.
    pub fn new() -> Handoff<O> {
        Handoff {
            state: Mutex::new(State { turn: Turn::Idle(None), is_awaited: false }),
            changed: Condvar::new(),
        }
    }

    /// Supervisor: tells a worker that has no request what to do.
    pub fn command(&self, command: WorkerCommand<O>) {
        self.give(Turn::Idle(Some(command)));
    }

    /// Worker: waits for an order; `None` where there was none for so long.
    pub fn await_command(&self, limit: Option<Duration>) -> Option<WorkerCommand<O>> {
        let mut state = self.wait(limit, |turn| matches!(turn, Turn::Idle(Some(_))));
        match &mut state.turn {
            Turn::Idle(command) if command.is_some() => {
                let command = command.take();
                state.turn = Turn::Worker(None);
                command
            }
            _ => None,
        }
    }

    /// Worker: has served its request, and gives it back.
    pub fn finish(&self) {
        self.give(Turn::Idle(None));
    }

    /// Supervisor: answers the worker until there is other news of it.
    pub fn attend(&self, mut answer: impl FnMut(SupervisorRequest) -> Reply) -> WorkerEvent {
        loop {
            match self.hear() {
                Ok(ToSupervisor::Ask(question)) => {
                    self.give(Turn::Worker(Some(ToWorker::Reply(answer(question)))));
                }
                Ok(ToSupervisor::Returned(result)) => return WorkerEvent::Returned(result),
                Err(news) => return news,
            }
        }
    }

    /// Supervisor: has the worker, which waits for an answer, make a call, and attends to it meanwhile.
    pub fn call(&self, call: Call, answer: impl FnMut(SupervisorRequest) -> Reply) -> WorkerEvent {
        self.give(Turn::Worker(Some(ToWorker::Call(call))));
        self.attend(answer)
    }

    /// Worker: gives the request to the supervisor, and waits to have it back; makes the calls that the
    /// supervisor wants made meanwhile.
    pub fn ask(&self, question: SupervisorRequest, mut make: impl FnMut(Call) -> i32) -> Reply {
        let mut message = ToSupervisor::Ask(question);
        loop {
            match self.exchange(message) {
                ToWorker::Reply(answer) => return answer,
                ToWorker::Call(call) => message = ToSupervisor::Returned(make(call)),
            }
        }
    }

    /// Worker: the end, however it comes.
    pub fn end(&self) {
        self.give(Turn::Ended);
    }

    fn state(&self) -> MutexGuard<'_, State<O>> {
        // Nothing panics under the lock, and a state is always whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, turn: Turn<O>) {
        let mut state = self.state();
        if !matches!(state.turn, Turn::Ended) {
            state.turn = turn;
        }
        let is_awaited = std::mem::take(&mut state.is_awaited);
        drop(state);
        if is_awaited {
            self.changed.notify_one();
        }
    }

    /// The state, once the turn is such a one, or after so long.
    fn wait(&self, limit: Option<Duration>, is_due: impl Fn(&Turn<O>) -> bool) -> MutexGuard<'_, State<O>> {
        let mut state = self.state();
        while !is_due(&state.turn) {
            state.is_awaited = true;
            match limit {
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(limit) => {
                    let waited = self.changed.wait_timeout(state, limit);
                    let (next, result) = waited.unwrap_or_else(PoisonError::into_inner);
                    state = next;
                    if result.timed_out() {
                        break;
                    }
                }
            }
        }
        state
    }

    /// Supervisor: waits for the worker's next message, or other news.
    fn hear(&self) -> Result<ToSupervisor, WorkerEvent> {
        let is_due =
            |turn: &Turn<O>| matches!(turn, Turn::Supervisor(Some(_)) | Turn::Idle(None) | Turn::Ended);
        match &mut self.wait(None, is_due).turn {
            Turn::Supervisor(message) => message.take().ok_or(WorkerEvent::Ended),
            Turn::Idle(_) => Err(WorkerEvent::Served),
            _ => Err(WorkerEvent::Ended),
        }
    }

    /// Worker: gives the request to the supervisor, and waits to have it back.
    fn exchange(&self, message: ToSupervisor) -> ToWorker {
        self.give(Turn::Supervisor(Some(message)));
        match &mut self.wait(None, |turn| matches!(turn, Turn::Worker(Some(_)))).turn {
            Turn::Worker(message) => message.take().expect("the wait ends with a message"),
            _ => unreachable!("the wait ends with the worker's turn"),
        }
    }
}
