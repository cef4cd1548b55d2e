//! `src/worker/handoff.rs` itself, under a model checker: loom runs each scenario in every order in which its threads
//! can come by the lock, the condition variable and the requests, and fails where two threads have a request at
//! once without an order between them, or where all wait.
//!
//! The rest of the module is played: a request is a cell, a nested request's filters end in a call of the parent's,
//! as in `worker`.

#[path = "../../src/worker/handoff.rs"]
mod handoff;

// What handoff.rs finds at the crate's root, in the module.
mod httpd {
    pub use loom::sync;
    pub mod filter {
        pub struct Call(pub i32);
    }
    pub mod phase {
        pub struct PhaseTicket;
    }
    pub mod request {
        pub struct Ticket(pub crate::Errand);
    }
    pub mod status {
        #[derive(Debug)]
        pub struct Status(pub i32);
    }
}

use handoff::{Handoff, Reply, SupervisorRequest, WorkerCommand, WorkerEvent};
use httpd::filter::Call;
use httpd::phase::PhaseTicket;
use httpd::request::Ticket;
use httpd::status::Status;
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;

/// A request that a worker's handler starts.
#[derive(Clone, Copy)]
enum Errand {
    /// A phase, or a request that the supervisor serves itself.
    Here,
    /// One for a worker of its own, whose handler takes these steps.
    Elsewhere(&'static [Step]),
}

/// What a handler does, touching its request before and after.
#[derive(Clone, Copy)]
enum Step {
    Serve(Errand),
    /// A phase of such a request.
    Phase,
    /// A subrequest's output, for the parent's filters, which themselves start this.
    Pass(Option<Errand>),
    /// Ends the thread here and now.
    Exit,
}

/// What one thread at a time may be at.
struct Lent<T>(UnsafeCell<T>);

// SAFETY: what is to be shown; loom fails where two threads are at it at once, or one after the other without an order.
unsafe impl<T: Send> Sync for Lent<T> {}

impl<T> Lent<T> {
    fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: what is to be shown: nobody else is at it.
        self.0.with_mut(|value| body(unsafe { &mut *value }))
    }
}

/// What the workers of one page share: the page's request, and all that hangs on it.
struct Job {
    handoff: Handoff<&'static [Step]>,
    request: Arc<Lent<u32>>,
    origin: Option<Arc<Job>>,
    /// What the parent's filter starts when it is called.
    filter: Lent<Option<Errand>>,
}

/// As in `worker`: its drop is the thread's end.
struct Kept(Arc<Job>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.handoff.end();
    }
}

const CALL: i32 = 5;

impl Job {
    /// Nobody else may be at it: loom sees to that.
    fn touch(&self) {
        self.request.with(|touched| *touched += 1);
    }

    /// The worker's handler.
    fn run(self: &Arc<Job>, steps: &[Step]) {
        for step in steps {
            self.touch();
            match *step {
                Step::Serve(errand) => self.served(SupervisorRequest::Serve(Ticket(errand))),
                Step::Phase => self.served(SupervisorRequest::Phase(PhaseTicket)),
                Step::Pass(filter) => {
                    if let Some(origin) = &self.origin {
                        origin.filter.with(|place| *place = filter);
                    }
                    match self.ask(SupervisorRequest::Call(Call(CALL))) {
                        Reply::Returned(result) => assert_eq!(result, CALL + 1),
                        Reply::Served(_) => panic!("a call is answered by its result"),
                    }
                }
                Step::Exit => return,
            }
            self.touch();
        }
        self.touch();
    }

    fn served(self: &Arc<Job>, question: SupervisorRequest) {
        match self.ask(question) {
            Reply::Served(status) => assert_eq!(status.0, 0),
            Reply::Returned(_) => panic!("a request is answered by its status"),
        }
    }

    fn ask(self: &Arc<Job>, question: SupervisorRequest) -> Reply {
        self.handoff.ask(question, |call| self.make(&call))
    }

    /// The worker's filter, called by what its subrequest sends.
    fn make(self: &Arc<Job>, call: &Call) -> i32 {
        self.touch();
        if let Some(errand) = self.filter.with(Option::take) {
            self.served(SupervisorRequest::Serve(Ticket(errand)));
        }
        self.touch();
        call.0 + 1
    }

    /// The supervisor's side of a question.
    fn answer(self: &Arc<Job>, question: SupervisorRequest) -> Reply {
        self.touch();
        let answer = match question {
            SupervisorRequest::Serve(Ticket(Errand::Elsewhere(steps))) => {
                enter(&self.request, steps, Some(Arc::clone(self)));
                Reply::Served(Status(0))
            }
            SupervisorRequest::Serve(Ticket(Errand::Here)) | SupervisorRequest::Phase(PhaseTicket) => {
                Reply::Served(Status(0))
            }
            SupervisorRequest::Call(call) => Reply::Returned(match &self.origin {
                None => call.0 + 1,
                Some(origin) => match origin.handoff.call(call, |question| origin.answer(question)) {
                    WorkerEvent::Returned(result) => result,
                    WorkerEvent::Served | WorkerEvent::Ended => -1,
                },
            }),
        };
        self.touch();
        answer
    }
}

/// Serves a request on a worker that takes these steps. One request for all of a page: a subrequest and its parent
/// share pools and connection, so nobody may touch the one while another has the other.
fn enter(request: &Arc<Lent<u32>>, steps: &'static [Step], origin: Option<Arc<Job>>) -> Arc<Job> {
    let job = Arc::new(Job {
        handoff: Handoff::new(),
        request: Arc::clone(request),
        origin,
        filter: Lent(UnsafeCell::new(None)),
    });
    job.touch();
    let worker = thread::spawn({
        let kept = Kept(Arc::clone(&job));
        move || {
            if let Some(WorkerCommand::Serve(steps)) = kept.0.handoff.await_command(None) {
                kept.0.run(steps);
            }
        }
    });
    job.handoff.command(WorkerCommand::Serve(steps));
    while let WorkerEvent::Returned(_) = job.handoff.attend(|question| job.answer(question)) {}
    // Before the worker is joined: its last word alone gives the request back.
    job.touch();
    worker.join().unwrap();
    job
}

/// Serves a page whose worker takes these steps, in all orders.
fn page(steps: &'static [Step]) {
    check(steps, None);
}

/// As `page`, in all orders in which no more than four times a thread is stopped that could go on: with three threads
/// and several messages, all orders are more than there is time for.
fn long_page(steps: &'static [Step]) {
    check(steps, Some(4));
}

fn check(steps: &'static [Step], preemptions: Option<usize>) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(move || {
        let request = Arc::new(Lent(UnsafeCell::new(0)));
        let job = enter(&request, steps, None);
        job.touch();
    });
}

#[test]
fn a_worker_serves_its_request() {
    page(&[]);
}

#[test]
fn a_worker_that_ends_at_once_gives_its_request_back() {
    page(&[Step::Exit]);
}

#[test]
fn a_worker_has_its_nested_requests_prepared_and_served_by_the_supervisor() {
    page(&[Step::Phase, Step::Serve(Errand::Here)]);
}

#[test]
fn a_worker_that_ends_after_an_answer_gives_its_request_back() {
    page(&[Step::Phase, Step::Exit]);
}

#[test]
fn a_nested_request_has_a_worker_of_its_own() {
    long_page(&[Step::Serve(Errand::Elsewhere(&[]))]);
}

#[test]
fn a_nested_worker_that_ends_gives_the_request_back_to_the_one_that_waits() {
    long_page(&[Step::Serve(Errand::Elsewhere(&[Step::Exit])), Step::Exit]);
}

#[test]
fn a_nested_request_sends_through_its_parents_filters() {
    long_page(&[Step::Serve(Errand::Elsewhere(&[Step::Pass(None)]))]);
}

#[test]
fn a_nested_request_sends_and_its_worker_ends() {
    long_page(&[Step::Serve(Errand::Elsewhere(&[Step::Pass(None), Step::Exit]))]);
}

#[test]
fn a_parents_filter_starts_requests_of_its_own() {
    long_page(&[Step::Serve(Errand::Elsewhere(&[Step::Pass(Some(Errand::Here))]))]);
}

#[test]
fn a_request_nested_twice_sends_through_both_filters() {
    long_page(&[Step::Serve(Errand::Elsewhere(&[Step::Serve(Errand::Elsewhere(&[Step::Pass(None)]))]))]);
}

#[test]
fn a_spare_that_nobody_needs_ends() {
    loom::model(|| {
        let handoff = Arc::new(Handoff::<()>::new());
        let spare = thread::spawn({
            let handoff = Arc::clone(&handoff);
            move || assert_eq!(handoff.await_command(None), Some(WorkerCommand::Dismiss))
        });
        handoff.command(WorkerCommand::Dismiss);
        spare.join().unwrap();
    });
}

#[test]
fn a_worker_that_stays_serves_one_request_after_the_other() {
    loom::model(|| {
        let handoff = Arc::new(Handoff::<Arc<Lent<u32>>>::new());
        let worker = thread::spawn({
            let handoff = Arc::clone(&handoff);
            move || {
                while let Some(WorkerCommand::Serve(request)) = handoff.await_command(None) {
                    request.with(|touched| *touched += 1);
                    drop(request);
                    handoff.finish();
                }
                handoff.end();
            }
        });
        for _ in 0..2 {
            let request = Arc::new(Lent(UnsafeCell::new(0)));
            handoff.command(WorkerCommand::Serve(Arc::clone(&request)));
            assert_eq!(handoff.attend(|_| unreachable!("it asks nothing")), WorkerEvent::Served);
            request.with(|touched| assert_eq!(*touched, 1));
        }
        handoff.command(WorkerCommand::Dismiss);
        worker.join().unwrap();
    });
}

#[test]
fn a_call_to_a_worker_that_has_ended_is_over_at_once() {
    loom::model(|| {
        let request = Arc::new(Lent(UnsafeCell::new(0)));
        let job = enter(&request, &[], None);
        assert_eq!(job.handoff.call(Call(CALL), |_| unreachable!("it says no more")), WorkerEvent::Ended);
    });
}
