//! What safe code could do with httpd's memory before types kept it from that. Each error is expected where it says so.

use crate::config::settings::{Selinux, Section};
use crate::httpd::directive::{Directive, Setter};
use crate::httpd::filter::Call;
use crate::httpd::hook::{HookOrder, RequestHook, Server, fixups};
use crate::httpd::configuration::{Keeper, Module};
use crate::httpd::phase::PhaseCall;
use crate::httpd::pool::{Name, Pool};
use crate::httpd::provider::Provider;
use crate::httpd::record::Kept;
use crate::httpd::request::{Request, Ticket};
use crate::httpd::status::Status;
use crate::httpd::{handler, phase, process_state, ssi};
use std::cell::Cell;
use std::rc::Rc;

/// A type of one's own for the record that another is kept as.
fn another_record(request: Request<'_>) -> Option<&String> {
    request.record::<String>() //~ E0277
}

/// The same, for a section.
fn another_section(request: Request<'_>) -> &u64 {
    request.section::<u64>() //~ E0277
}

/// A module of one's own, by which both would be had.
struct Mine;
impl Module for Mine { //~ E0200
    type Section<'c> = Section<'c>;
    type Request = String;

    fn shorter<'s, 'l: 's>(section: &'s Section<'l>) -> &'s Section<'s> {
        section
    }
}

/// A table of directives that would write another type of section.
struct Wide;
impl Setter for Wide {
    type Module = Selinux;
    const CONTEXT: crate::httpd::directive::DirectiveContext = crate::httpd::directive::DirectiveContext::Server;

    fn set<'c>(_: &Directive<'c>, _: &mut u64, _: &str) -> Result<(), String> { //~ E0053
        Ok(())
    }
}

/// A ticket redeemed twice, by a copy.
fn copied(ticket: Ticket) {
    let copy: Ticket = ticket.clone(); //~ E0599
    drop(copy);
}

/// A request that is still used by the thread that has lent it.
fn kept_by_its_lender(request: Request<'_>) {
    request.lend(|ticket| { //~ E0277
        drop(ticket);
        request.finalize();
    });
}

/// What it has in its record, or its pool, used meanwhile.
fn record_kept_by_its_lender(request: Request<'_>) {
    let record = request.record::<Selinux>();
    request.lend(|_ticket| record.is_some_and(|record| record.has_run.get())); //~ E0277
    let pool = request.pool();
    request.lend(|_ticket| pool.text("")); //~ E0277
}

/// A phase that its lender keeps.
fn phase_kept_by_its_lender(call: PhaseCall<'_>) {
    call.lend(|_ticket| call.run()); //~ E0277
}

/// A request sent to another thread without a ticket.
fn sent(request: Request<'_>) {
    std::thread::scope(|scope| {
        scope.spawn(|| request.finalize()); //~ E0277
    });
}

/// A call of a filter that is made twice.
fn twice(call: Call) -> i32 {
    call.clone().run() //~ E0599
}

/// What the pool would drop on another thread.
fn of_this_thread(pool: Pool<'_>) {
    pool.keep(Rc::new(1)); //~ E0277
    pool.one(const { Name::new(c"mod_selinux counted") }, || Rc::new(1)); //~ E0277
}

/// What all threads would share.
fn unshared(keeper: Keeper<'_>) {
    keeper.keep(Cell::new(1)); //~ E0277
}

/// A provider made of whatever texts.
fn provider() {
    let _ = Provider::new; //~ E0624
}

/// A place in a record filled with what goes before the request.
fn early(kept: &Kept<&'static std::ffi::CStr>, request: Request<'_>) {
    kept.set(request, c""); //~ E0308
}

/// What only the start may do, done by a request.
struct Late;
impl RequestHook for Late {
    fn run(_: Request<'_>) -> Status {
        fixups::<Late>(HookOrder::MIDDLE); //~ E0061
        let _ = phase::take_over::<crate::request::hooks::Phases>(); //~ E0061
        let _ = handler::take_over::<crate::request::handlers::HandlersInTurn>(); //~ E0061
        ssi::judge_exec::<Exec>(); //~ E0061
        process_state::note(); //~ E0061
        Status::OK
    }
}
struct Exec;
impl ssi::ExecHook for Exec {
    fn may_run(_: Request<'_>) -> bool {
        true
    }
}

/// The servers, in two hands.
fn two_hands(main: &Server<'_>) {
    let other: Server<'_> = main.clone(); //~ E0308
    drop(other);
}
