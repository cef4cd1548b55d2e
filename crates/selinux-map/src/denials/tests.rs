use proptest::prelude::*;

use super::judge::Cause;
use super::*;

/// What a kernel 6.12 and auditd 4 wrote of a static file with another category.
const CATEGORY: &str = r#"type=AVC msg=audit(1795262401.144:1558): avc:  denied  { read } for  pid=704 comm="5qbfzvtsfksfk" name="locked.txt" dev="vda" ino=21082 scontext=system_u:system_r:anon_webapp_t:s0:c2 tcontext=system_u:object_r:httpd_sys_content_t:s0:c99 tclass=file permissive=0
type=SYSCALL msg=audit(1795262401.144:1558): arch=c000003e syscall=257 success=no exit=-13 a0=ffffffffffffff9c a1=7f7a50018cf0 a2=80000 a3=0 items=0 ppid=685 pid=704 auid=4294967295 uid=33 gid=33 euid=33 suid=33 fsuid=33 egid=33 sgid=33 fsgid=33 tty=(none) ses=4294967295 comm="5qbfzvtsfksfk" exe="/usr/sbin/apache2" subj=system_u:system_r:anon_webapp_t:s0:c2 key=(null)ARCH=x86_64 SYSCALL=openat AUID="unset" UID="www-data" GID="www-data" EUID="www-data" SUID="www-data" FSUID="www-data" EGID="www-data" SGID="www-data" FSGID="www-data"
type=PROCTITLE msg=audit(1795262401.144:1558): proctitle=2F7573722F7362696E2F61706163686532002D66002F6574632F617061636865322F746573742D7461672F68747470642E636F6E66002D44464F524547524F554E44
"#;

/// And of a domain with a right that httpd has not.
const BOUNDS: &str = r#"type=SELINUX_ERR msg=audit(1795263827.500:3311): op=security_compute_av reason=bounds scontext=system_u:system_r:beyond_webapp_t:s0 tcontext=system_u:object_r:beyond_content_t:s0 tclass=file perms=read,getattr,open
type=AVC msg=audit(1795263827.500:3311): avc:  denied  { read } for  pid=2922 comm="7293hcfmkp535" name="beyond.txt" dev="vda" ino=18161 scontext=system_u:system_r:beyond_webapp_t:s0 tcontext=system_u:object_r:beyond_content_t:s0 tclass=file permissive=0
type=SELINUX_ERR msg=audit(1795263827.956:3312): op=security_compute_av reason=bounds scontext=system_u:system_r:beyond_webapp_t:s0 tcontext=system_u:object_r:other_t:s0 tclass=file perms=read,getattr,open
type=SYSCALL msg=audit(1795263827.956:3312): arch=c000003e syscall=1 success=yes exit=78 pid=3031 comm="selinux-map" exe="/root/mod_selinux/selinux-map" subj=unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023 key=(null)
"#;

fn told(log: &str, ask: Ask<'_>) -> DenialReport {
    let mut events = Events::default();
    events.read(log.as_bytes()).unwrap();
    let passed_over = events.passed_over;
    DenialReport { requests: requests(&events.finish(), |_| true, "httpd_t", ask), passed_over }
}

fn unknown(_: &Context, _: &Context, _: &str, _: &[String]) -> Option<bool> {
    None
}

/// A policy without constraints, and so of types alone: those of `sources` may.
fn types(sources: &'static [&str]) -> impl Fn(&Context, &Context, &str, &[String]) -> Option<bool> {
    |source, target, _, _| Some(sources.contains(&source.type_()) && source.range() == target.range())
}

#[test]
fn a_record_becomes_words_and_a_repeated_one_is_counted() {
    let again = CATEGORY.replace(":1558)", ":1559)");
    let mut told = told(&format!("{CATEGORY}{again}"), &types(&["anon_webapp_t", "httpd_t"]));
    let log = "- 10.0.0.1 GET /\n5qbfzvtsfksfk 10.0.0.2 GET /locked.txt\n5qbfzvtsfksfk later\n";
    told.find_lines(log.as_bytes()).unwrap();
    assert_eq!(
        told.to_string(),
        "request 5qbfzvtsfksfk: 5qbfzvtsfksfk 10.0.0.2 GET /locked.txt\n\
         \x20 refused: read the file locked.txt (2 times)\n\
         \x20   who:  system_u:system_r:anon_webapp_t:s0:c2\n\
         \x20   what: system_u:object_r:httpd_sys_content_t:s0:c99\n\
         \x20   event 1795262401.144:1558, /usr/sbin/apache2\n\
         \x20   why:  the file has s0:c99, the request s0:c2: no rule is missing, it is the categories\n\
         \x20   or:   chcon -l s0:c2 -- locked.txt\n"
    );
}

#[test]
fn the_advice_goes_by_what_types_and_server_may() {
    let plain = CATEGORY.replace(":c99", "").replace(":c2 ", " ");
    let own = "(allow anon_webapp_t httpd_sys_content_t (file (read)))";
    let servers = "(allow httpd_t httpd_sys_content_t (file (read)))";
    for (log, ask, cause, has_it, rules) in [
        (&plain, &types(&["httpd_t"]) as Ask<'_>, Cause::Rule, Some(true), vec![own]),
        (&plain, &types(&[]), Cause::Rule, Some(false), vec![own, servers]),
        (&plain, &types(&["anon_webapp_t"]), Cause::Nothing, None, vec![]),
        (&plain, &unknown, Cause::Unknown, None, vec![own]),
        (&CATEGORY.to_owned(), &types(&["httpd_t"]), Cause::Rule, Some(true), vec![own]),
        (&CATEGORY.to_owned(), &unknown, Cause::Categories, None, vec![]),
    ] {
        let told = told(log, ask);
        let advice = &told.requests[0].denials[0].advice;
        assert_eq!(
            (advice.cause, advice.server_has_it, advice.rules.as_slice()),
            (cause, has_it, &rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>()[..])
        );
    }
    // The categories would be in the way of a new rule, too.
    let told = told(CATEGORY, &types(&["httpd_t"]));
    assert!(
        told.requests[0].denials[0].advice.why.ends_with("the ranges do not fit either (s0:c2 and s0:c99)")
    );
}

#[test]
fn a_rule_beyond_the_bounds_is_told_from_one_that_is_missing() {
    // Without the audit rules of system calls (Fedora), each record is an event of its own.
    let apart = BOUNDS.replacen(":3311", ":3310", 1);
    for (log, ask, cause) in [
        (BOUNDS, &types(&[]) as Ask<'_>, Cause::Bounds),
        (&apart, &types(&[]), Cause::Bounds),
        (BOUNDS, &unknown, Cause::Bounds),
        (&BOUNDS.replace("perms=read,", "perms="), &types(&[]), Cause::Rule),
        // It was put right since.
        (BOUNDS, &types(&["httpd_t", "beyond_webapp_t"]), Cause::Nothing),
    ] {
        let told = told(log, ask);
        let [request] = told.requests.as_slice() else { panic!("{told}") };
        let advice = &request.denials[0].advice;
        assert_eq!((request.tag.as_deref(), advice.cause), (Some("7293hcfmkp535"), cause));
        let both =
            ["beyond_webapp_t", "httpd_t"].map(|who| format!("(allow {who} beyond_content_t (file (read)))"));
        assert_eq!(advice.rules[..], both[..if cause == Cause::Nothing { 0 } else { 2 }]);
    }
}

#[test]
fn a_process_is_asked_about_itself() {
    let log = CATEGORY
        .replace("{ read }", "{ signal }")
        .replace("tclass=file", "tclass=process")
        .replace("system_u:object_r:httpd_sys_content_t:s0:c99", "system_u:system_r:anon_webapp_t:s0:c2");
    let own = "(allow anon_webapp_t self (process (signal)))".to_owned();
    let servers = "(allow httpd_t self (process (signal)))".to_owned();
    let advice = |may: &'static str| {
        let ask = |source: &Context, target: &Context, _: &str, _: &[String]| {
            Some((source.type_(), target.type_()) == ("httpd_t", may))
        };
        let mut told = told(&log, &ask);
        let advice = told.requests.remove(0).denials.remove(0).advice;
        (advice.server_has_it, advice.rules)
    };
    // The kernel compares with the server's right to itself.
    assert_eq!(advice("httpd_t"), (Some(true), vec![own.clone()]));
    assert_eq!(advice("anon_webapp_t"), (Some(false), vec![own, servers]));
}

#[test]
fn the_first_tag_of_a_line_is_its_requests() {
    // A client that has seen a tag cannot put its own request in that one's place.
    let mut told = told(CATEGORY, &unknown);
    told.find_lines("0000000000000 GET /?tag=5qbfzvtsfksfk\n".as_bytes()).unwrap();
    assert_eq!(told.requests[0].line, None);
}

#[test]
fn a_program_without_a_tag_is_told_of_by_its_name_if_it_is_confined() {
    let script = CATEGORY.replace("comm=\"5qbfzvtsfksfk\"", "comm=\"perl\"").replace(":1558)", ":1)");
    let other = script.replace("anon_webapp_t", "sshd_t").replace("perl", "sshd").replace(":1)", ":2)");
    let told = told(&format!("{other}{script}{CATEGORY}"), &unknown);
    let tags: Vec<_> = told.requests.iter().map(|request| request.tag.as_deref()).collect();
    assert_eq!(tags, [Some("5qbfzvtsfksfk"), None]);
    assert!(told.to_string().contains("\na program without a tag\n"));
}

#[test]
fn what_has_no_name_in_policy_gets_no_rule() {
    for (from, to) in [
        ("{ read }", "{ read)) }"),
        ("{ read }", "{ }"),
        ("tclass=file", "tclass=file)"),
        ("anon_webapp_t", "a(b"),
    ] {
        let told = told(&CATEGORY.replace(from, to), &unknown);
        assert!(told.requests.iter().all(|request| request.denials[0].advice.rules.is_empty()), "{to}");
        assert!(told.requests.iter().all(|request| request.denials[0].advice.commands.is_empty()), "{to}");
    }
}

#[test]
fn lines_that_are_too_long_are_passed_over() {
    let told = told(&format!("{}\n{CATEGORY}{}", "x".repeat(200_000), "y".repeat(65_536)), &unknown);
    assert_eq!((told.requests.len(), told.passed_over), (1, 2));
}

/// As the kernel writes text from outside (`audit_log_untrustedstring`).
fn untrusted(text: &str) -> String {
    if text.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'"') {
        format!("\"{text}\"")
    } else {
        text.bytes().map(|byte| format!("{byte:02X}")).collect()
    }
}

proptest! {
    #[test]
    fn a_files_name_is_read_back_and_printed_harmlessly(name in "\\PC{1,20}|[ -~]{1,20}|(?s:.){1,20}") {
        prop_assume!(!name.contains('\0'));
        let log = CATEGORY.replace("\"locked.txt\"", &untrusted(&name));
        let told = told(&log, &types(&["anon_webapp_t"]));
        prop_assert_eq!(told.requests[0].denials[0].object.as_deref(), Some(name.as_str()));
        let text = told.to_string();
        prop_assert_eq!(text.lines().count(), told.requests[0].denials[0].advice.commands.len() + 6);
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{}", text);
    }

    #[test]
    fn no_log_is_too_strange(log in "(?s:.){0,200}", cut in 0..CATEGORY.len(), put in "(?s:.){0,9}") {
        let (head, tail) = CATEGORY.split_at(cut);
        for log in [log, format!("{head}{put}{tail}"), tail.to_owned()] {
            let mut told = told(&log, &unknown);
            told.find_lines(log.as_bytes()).unwrap();
            prop_assert!(told.to_string().chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
