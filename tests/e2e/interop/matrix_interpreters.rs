//! Interpreters inside httpd, and content filters.

use crate::lifecycle::policies::with_module;
use crate::support::raw::Connection;
use crate::support::{Httpd, Mpm, Site};
use std::thread;

const SERVER: &str = "system_u:system_r:httpd_t:s0";
const ANON: &str = "system_u:system_r:anon_webapp_t:s0";
const FOO: &str = "system_u:system_r:user_webapp_t:s0:c0";
const BAR: &str = "system_u:system_r:user_webapp_t:s0:c1";

const MAP: &str = "
Alias /open @ROOT@
<Directory @ROOT@>
    Options +Includes
</Directory>
<LocationMatch ^/(?!open)>
    SELinuxDomainMap @ETC@/map
</LocationMatch>
";

/// Who asks for what, and the context that it is mapped to.
const ASKERS: [(&str, Option<&str>, &str); 4] = [
    ("/open", None, SERVER),
    ("", None, ANON),
    ("/private", Some("foo"), FOO),
    ("/private", Some("bar"), BAR),
];

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.config_file("map", "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:c1\n* anon_webapp_t:s0\n");
    site
}

/// A handler, and a filter, that put the kernel's word on the thread they run on into the response.
const PERL: &str = r#"
package Test::Context;
use strict;
use Apache2::RequestRec ();
use Apache2::RequestIO ();
use Apache2::Filter ();
use APR::Table ();
use Apache2::Const -compile => 'OK';

sub context { socketpair(my $one, my $other, 1, 1, 0) or die; return unpack 'Z*', getsockopt($one, 1, 31) }

sub handler {
    my $r = shift;
    $r->content_type('text/plain');
    $r->print(context());
    return Apache2::Const::OK;
}

sub mark {
    my $filter = shift;
    $filter->print('<' . context() . '>') unless $filter->ctx;
    $filter->ctx(1);
    $filter->r->headers_out->unset('Content-Length');
    while ($filter->read(my $part, 1024)) { $filter->print($part) }
    return Apache2::Const::OK;
}
1;
"#;

const PERL_PLACES: &str = "
PerlRequire @ETC@/context.pl
<Files *.perl>
    SetHandler modperl
    PerlResponseHandler Test::Context
</Files>
<Files *.registry>
    SetHandler perl-script
    PerlOptions +ParseHeaders
    PerlResponseHandler ModPerl::Registry
</Files>
<Files *.marked>
    PerlOutputFilterHandler Test::Context::mark
</Files>
";

fn perl_runs_where_the_request_is_mapped(mpm: Mpm) {
    let site = site("perl");
    site.config_file("context.pl", PERL);
    site.file("page.perl", "")
        .file("page.marked", "text")
        .script("page.registry", "print \"Content-Type: text/plain\\n\\n\"; print Test::Context::context();");
    let httpd = Httpd::start(&site, mpm, &["perl"], &format!("{MAP}{PERL_PLACES}"));
    for (folder, user, context) in ASKERS {
        for (page, body) in [
            ("page.perl", context.to_owned()),
            ("page.registry", context.to_owned()),
            ("page.marked", format!("<{context}>text")),
        ] {
            let reply = httpd.get(&format!("{folder}/{page}"), user);
            assert_eq!((reply.status, &reply.body), (200, &body), "{mpm:?} {folder}/{page} {user:?}");
        }
    }
    // Interpreters go from thread to thread, many at a time.
    thread::scope(|scope| {
        for number in 0..6 {
            scope.spawn(move || {
                let mut connection = Connection::open().unwrap();
                for (folder, user, context) in ASKERS.iter().cycle().skip(number).take(20) {
                    connection
                        .send(&crate::support::raw::request(&format!("{folder}/page.perl"), *user, ""))
                        .unwrap();
                    assert_eq!(chunked(&mut connection), *context, "{mpm:?} {folder} {user:?}");
                }
            });
        }
    });
    assert!(!httpd.log().contains("exit signal"), "{}", httpd.log());
}

/// The one chunk of a response.
fn chunked(connection: &mut Connection) -> String {
    let (status, body) = connection.receive_chunked().unwrap();
    assert_eq!(status, 200, "{body}");
    body
}

#[test]
fn perl_runs_where_the_request_is_mapped_on_event() {
    perl_runs_where_the_request_is_mapped(Mpm::Event);
}

#[test]
fn perl_runs_where_the_request_is_mapped_on_prefork() {
    perl_runs_where_the_request_is_mapped(Mpm::Prefork);
}

/// Says in which context it runs.
const WSGI: &str = r#"
import socket

def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    one, other = socket.socketpair()
    return [one.getsockopt(socket.SOL_SOCKET, 31, 256).rstrip(b'\0')]

handle_request = application
"#;

const WSGI_PLACES: &str = "
WSGISocketPrefix /run/httpd-test/wsgi
WSGIDaemonProcess group
WSGIHandlerScript own-handler @ROOT@/app.wsgi
AddHandler wsgi-script .wsgi
AddHandler own-handler .own
";

#[test]
fn mod_wsgis_embedded_mode_is_refused_to_mapped_requests() {
    let site = site("wsgi-embedded");
    site.file("app.wsgi", WSGI)
        .file("page.own", "")
        .file("page.txt", "a page")
        .file("page.shtml", "<!--#include virtual=\"/app.wsgi\" -->");
    // A dispatch script runs in httpd, whatever it says then.
    site.config_file("dispatch.py", "def process_group(environ): return 'group'\n");
    let rest = "WSGIScriptAlias /alias @ROOT@/app.wsgi
        WSGIScriptAlias /daemon @ROOT@/app.wsgi process-group=group
        AddOutputFilter INCLUDES .shtml";
    for (mpm, further) in [
        (Mpm::Event, ""),
        (Mpm::Prefork, "WSGIRestrictEmbedded Off"),
        (
            Mpm::Event,
            "WSGIRestrictEmbedded On\n<Directory @ROOT@>\nWSGIDispatchScript @ETC@/dispatch.py\n</Directory>",
        ),
    ] {
        let configuration = format!("{MAP}{WSGI_PLACES}{rest}\n{further}\n");
        let httpd = Httpd::start(&site, mpm, &["wsgi", "include"], &configuration);
        httpd.logged(&["selinux:warn", "SEL0017", "WSGIRestrictEmbedded"]);
        assert_eq!(httpd.get("/page.txt", None).body, "a page");
        if further.is_empty() {
            assert_eq!(httpd.get("/open/app.wsgi", None).body, SERVER, "{mpm:?}");
            assert_eq!(httpd.get("/open/page.own", None).body, SERVER, "{mpm:?}");
        }
        for path in ["/app.wsgi", "/alias", "/alias/more", "/daemon", "/page.own"] {
            let reply = httpd.get(path, None);
            assert_eq!(reply.status, 500, "{mpm:?} {further} {path}: {reply:?}");
            assert!(!reply.body.contains("system_u"), "{path}: {reply:?}");
        }
        let page = httpd.get("/page.shtml", None);
        assert!(page.status == 200 && !page.body.contains("system_u"), "{page:?}");
        httpd.logged(&["SEL0110", "WSGIRestrictEmbedded On"]);
    }
}

#[test]
fn mod_wsgis_daemon_serves_outside_of_the_confinement_whom_the_policy_lets_connect() {
    let site = site("wsgi-daemon");
    site.file("app.wsgi", WSGI);
    let configuration = format!(
        "{MAP}{WSGI_PLACES}WSGIRestrictEmbedded On
        WSGIProcessGroup group
        Alias /connects @ROOT@
        <Location /connects>
            SELinuxDomainVal proxy_webapp_t:s0:c3
        </Location>
        WSGIScriptAlias /embedded @ROOT@/app.wsgi process-group=%{{GLOBAL}}"
    );
    let _policy = with_module();
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, &["wsgi"], &configuration);
        assert!(!httpd.log().contains("SEL0017"), "{}", httpd.log());
        for folder in ["/open", "/connects"] {
            let reply = httpd.get(&format!("{folder}/app.wsgi"), None);
            assert_eq!((reply.status, reply.body.as_str()), (200, SERVER), "{mpm:?} {folder}");
        }
        // The shipped types may not connect to it.
        assert_eq!(httpd.get("/private/app.wsgi", Some("foo")).status, 503, "{mpm:?}");
        httpd.audit.denial(&[&format!("scontext={FOO} "), ":httpd_", "run"]);
        // mod_wsgi keeps its word.
        assert_eq!(httpd.get("/embedded", None).status, 500, "{mpm:?}");
        httpd.logged(&["Embedded mode of mod_wsgi disabled by runtime configuration"]);
    }
}

/// Put before what passes: the kernel's word on whoever runs the program.
const PROGRAM: &str = "#!/bin/sh\nperl -e 'socketpair $a, $b, 1, 1, 0; print unpack(q(Z*), getsockopt $a, 1, 31), q(|)'\nexec cat\n";

const FILTERS: &str = "
AddHandler cgi-script .cgi
ExtFilterDefine before-output mode=output cmd=@ROOT@/program
ExtFilterDefine before-input mode=input cmd=@ROOT@/program
<Files *.ext>
    SetOutputFilter before-output
</Files>
<Files body.cgi>
    SetInputFilter before-input
</Files>
<Files *.sub>
    SetOutputFilter SUBSTITUTE
    ForceType text/plain
    Substitute s/words/others/
</Files>
<Files *.gz>
    SetOutputFilter DEFLATE
    ForceType text/plain
</Files>
<Files *.shtml>
    SetOutputFilter INCLUDES;SUBSTITUTE;before-output
    Substitute s/words/others/
</Files>
";

fn filters_run_where_the_request_is_mapped(mpm: Mpm) {
    let site = site("filters");
    site.script("program", PROGRAM)
        .script("body.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec cat\n");
    for name in ["page.ext", "page.sub", "page.gz"] {
        site.file(name, "words").file_at("s0:c0", &format!("foo-{name}"), "words");
    }
    site.file("page.shtml", "words <!--#exec cmd=\"./program </dev/null\" -->");
    let modules = ["ext_filter", "filter", "substitute", "deflate", "include", "cgi"];
    let httpd = Httpd::start(&site, mpm, &modules, &format!("{MAP}{FILTERS}"));
    for (folder, user, context) in ASKERS.into_iter().skip(1) {
        for (page, body) in [
            ("page.ext", format!("{context}|words")),
            ("page.sub", "others".to_owned()),
            ("page.shtml", format!("{context}|others {context}|")),
        ] {
            let reply = httpd.get(&format!("{folder}/{page}"), user);
            assert_eq!((reply.status, &reply.body), (200, &body), "{mpm:?} {folder}/{page} {user:?}");
        }
        // What foo alone may read passes the filters for foo alone.
        for (page, body) in
            [("foo-page.ext", format!("{context}|words")), ("foo-page.sub", "others".to_owned())]
        {
            let reply = httpd.get(&format!("{folder}/{page}"), user);
            let (status, shows) = if user == Some("foo") { (200, true) } else { (403, false) };
            assert_eq!(
                (reply.status, reply.body == body),
                (status, shows),
                "{mpm:?} {page} {user:?}: {reply:?}"
            );
        }
        let packed = httpd
            .client()
            .try_get(&format!("{folder}/page.gz"), user, &[("Accept-Encoding", "gzip")])
            .unwrap();
        assert_eq!(packed.status, 200);
        assert!(packed.body == "words" || packed.header("content-encoding") == Some("gzip"), "{packed:?}");
        let reply = httpd.client().post(&format!("{folder}/body.cgi"), user, "text/plain", b"words");
        assert_eq!((reply.status, reply.body), (200, format!("{context}|words")), "{mpm:?} {user:?}");
    }
}

#[test]
fn content_filters_run_where_the_request_is_mapped_on_event() {
    filters_run_where_the_request_is_mapped(Mpm::Event);
}

#[test]
fn content_filters_run_where_the_request_is_mapped_on_prefork() {
    filters_run_where_the_request_is_mapped(Mpm::Prefork);
}
