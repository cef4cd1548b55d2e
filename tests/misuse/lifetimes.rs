//! What safe code could keep of httpd's memory for longer than it is there.

use crate::config::settings::{Section, Selinux, Serving, Settings, section};
use crate::httpd::hook::Server;
use crate::httpd::configuration::Keeper;
use crate::httpd::pool::Pool;
use crate::httpd::record::Own;
use crate::httpd::request::{Request, Ticket};
use crate::httpd::sections;
use crate::request::identity::Attested;
use std::ffi::CString;
use std::sync::Mutex;

static SETTINGS: Mutex<Option<&'static Settings>> = Mutex::new(None);

/// What a configuration refers to, in a static.
fn kept_for_ever(keeper: Keeper<'_>) {
    *SETTINGS.lock().unwrap() = Some(Settings::of(keeper)); //~ E0521
}

/// The same, from a request's place.
fn section_for_ever(request: Request<'_>) -> &'static Section<'static> {
    section(request) //~ lifetime
}

/// A section that refers to what goes before it.
fn short_lived<'s>(main: &mut Server<'s>, serving: &Serving) {
    sections::for_each_server::<Selinux>(main, |section| section.serving = Some(serving)); //~ E0621
}

/// A section that is read while it is written.
fn read_while_written<'s>(main: &mut Server<'s>, serving: &'s Serving) {
    let section = sections::server_section::<Selinux>(main);
    sections::for_each_server::<Selinux>(main, |section| section.serving = Some(serving)); //~ E0502
    drop(section.serving);
}

/// A request that outlives its ticket.
fn after_the_ticket(mut ticket: Ticket) {
    let request = ticket.redeem();
    drop(ticket); //~ E0505
    request.finalize();
}

/// A ticket that is sent on while its request is used here.
fn sent_on(mut ticket: Ticket) {
    let request = ticket.redeem();
    std::thread::spawn(move || drop(ticket)); //~ E0505
    request.finalize();
}

/// A request redeemed twice at one time.
fn redeemed_twice(mut ticket: Ticket) {
    let one = ticket.redeem();
    let other = ticket.redeem(); //~ E0499
    one.finalize();
    other.finalize();
}

/// What is kept with a request, and lives less long: a text of this function's, and what another request has.
fn less_long(request: Request<'_>) {
    let text = CString::new("nobody").unwrap();
    let user = text.as_c_str(); //~ E0597
    crate::request::record::keep(request, |own, record| {
        let attested = Attested { user: Some(user), ..Attested::of(own.request(), None, None) };
        record.set_attested(own, attested);
    });
}

fn of_another<'r>(own: Own<'_>, other: Request<'r>, record: &crate::request::record::Record) {
    record.first_place.set(own, other.dir_config_id()); //~ E0621
}
