//! The policy as the kernel has it: what no confined domain may do, and what the shipped ones can.
//!
//! `checks/policy/check.py` works each property out, over every rule and every state of the booleans;
//! here each is a test of its own.

use crate::support::httpd::{install, turn};
use crate::support::{outcome, run};
use std::collections::BTreeMap;
use std::sync::OnceLock;

fn script(name: &str) -> String {
    let project = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    format!("{project}/checks/policy/{name}")
}

/// What check.py says of each property: nothing, or what it found wrong.
fn findings() -> &'static BTreeMap<String, Option<String>> {
    static FINDINGS: OnceLock<BTreeMap<String, Option<String>>> = OnceLock::new();
    FINDINGS.get_or_init(|| {
        let _turn = turn();
        install();
        // Debian's setools belongs to Debian's Python, whatever else is first in the PATH.
        let output = outcome("/usr/bin/python3", &[&script("check.py")]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let findings: BTreeMap<_, _> = text
            .lines()
            .filter_map(|line| match line.split_once(' ') {
                Some(("ok", name)) => Some((name.to_owned(), None)),
                Some(("FAIL", rest)) => {
                    rest.split_once(": ").map(|(name, found)| (name.to_owned(), Some(found.to_owned())))
                }
                _ => None,
            })
            .collect();
        assert!(
            !findings.is_empty() && matches!(output.status.code(), Some(0 | 1)),
            "check.py: {}\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        findings
    })
}

macro_rules! properties {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                match findings().get(stringify!($name)) {
                    Some(None) => (),
                    Some(Some(found)) => panic!("{found}"),
                    None => panic!("check.py does not look at this"),
                }
            }
        )*

        #[test]
        fn every_property_that_is_checked_has_a_test() {
            let tests = [$(stringify!($name)),*];
            for name in findings().keys() {
                assert!(tests.contains(&name.as_str()), "{name} has none");
            }
        }
    };
}

properties! {
    the_domains_are_there
    every_domain_is_bounded_by_the_server
    every_type_bounded_by_the_server_is_a_domain
    no_grant_goes_beyond_the_bounds
    categories_confine_every_domain
    categories_decide_of_all_that_has_some
    nothing_is_made_without_its_makers_categories
    no_domain_is_in_attribute_domain
    no_domain_writes_a_process_file
    no_domain_reads_process_memory
    no_domain_changes_context
    only_the_server_enters_a_domain
    no_domain_traces
    no_domain_signals
    no_domain_reads_secrets
    no_domain_reaches_published_maps
    nothing_is_both_written_and_executed
    no_domain_has_executable_memory
    no_domain_relabels_or_mounts
    no_domain_connects
    no_domain_has_privileges
    shipped_domains_write_only_what_they_are_meant_to
    the_server_gets_no_power_over_a_domain
    the_server_has_what_the_module_needs
    shipped_domains_have_what_serving_takes
    administrators_see_and_end_scripts
    the_applications_types_are_there
    categories_confine_every_application
    none_but_the_broker_starts_applications
    no_application_changes_context
    no_application_reaches_other_processes
    no_application_connects
    no_application_executes_what_is_written
    applications_and_their_broker_have_no_privileges
}

/// Each property is seen to fail, on a small policy that breaks it; and an administrator's own domain,
/// made as the documentation says, has them all.
#[test]
fn a_policy_that_breaks_a_property_is_found_out() {
    run("/usr/bin/python3", &[&script("test_check.py")]);
}
