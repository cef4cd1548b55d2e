//! The sample configuration: it loads as it is installed, does what its comments say, and so do its examples.

use crate::support::distribution::make_private_tmp;
use crate::support::httpd::project;
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Site};
use mapping::Map;
use std::fs;

/// What a site has beside the sample: pages, users, and a proxy in front that tells clients' addresses.
const CONFIGURATION: &str = "
AddHandler lua-script .lua
RemoteIPHeader X-Forwarded-For
Include conf.d/mod_selinux.conf
";

fn sample(name: &str) -> String {
    fs::read_to_string(project().join("conf").join(name)).unwrap()
}

/// A site whose `ServerRoot` has the samples where a distribution's has them.
fn site(name: &str, configuration: &str) -> Site {
    let site = Site::new(name);
    site.file("context.lua", CONTEXT_LUA);
    site.config_file("conf.d/mod_selinux.conf", configuration);
    site.config_file("conf/selinux.map", &sample("selinux.map"));
    site
}

#[test]
fn the_sample_configuration_works_as_it_is_installed() {
    let site = site("sample", &sample("mod_selinux.conf"));
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "remoteip"], CONFIGURATION);
    for (user, address, context) in [
        (Some("foo"), "127.0.0.1", "user_webapp_t:s0:c0"),
        (Some("bar"), "127.0.0.1", "user_webapp_t:s0:c1"),
        (Some("staff"), "127.0.0.1", "anon_webapp_t:s0"),
        (None, "127.0.0.1", "anon_webapp_t:s0"),
        (None, "192.0.2.7", "anon_webapp_t:s0:c7"),
        (None, "2001:db8::1", "anon_webapp_t:s0:c7"),
        (Some("foo"), "192.0.2.7", "user_webapp_t:s0:c0"),
    ] {
        let path = if user.is_some() { "/private/context.lua" } else { "/context.lua" };
        let reply = httpd.client().try_get(path, user, &[("X-Forwarded-For", address)]).unwrap();
        assert_eq!(reply.body, format!("system_u:system_r:{context}"), "{user:?} from {address}");
    }
}

#[test]
fn the_examples_in_the_sample_configuration_are_accepted() {
    let sample = sample("mod_selinux.conf");
    let is_example = |line: &str| ["#<", "#S", "#    S"].iter().any(|start| line.starts_with(start));
    assert_eq!(sample.lines().filter(|line| is_example(line)).count(), 28, "examples are found");
    let lines: Vec<_> = sample.lines().map(|line| if is_example(line) { &line[1..] } else { line }).collect();
    let site = site("sample-examples", &lines.join("\n"));
    let compiled = Map::parse(b"foo user_webapp_t:s0:c0\n").unwrap().compile().unwrap();
    fs::write(site.config_file("conf/users.fst", ""), compiled).unwrap();
    make_private_tmp();
    let modules = ["lua", "remoteip", "authz_groupfile"];
    // One of the examples is what tests have by default.
    let configuration = format!("# SELinuxInterpreters is in the sample.\n{CONFIGURATION}");
    let told = Httpd::check(&site, Mpm::Event, &modules, &configuration);
    assert!(told.as_ref().is_ok_and(|told| told.contains("Syntax OK")), "{told:?}");
}
