//! `selinux-map denials`, from outside.

use crate::Folder;
use std::io::Write as _;
use std::process::Stdio;

/// What the kernel writes of a page that would read another's file.
pub const AUDIT: &str = "\
type=AVC msg=audit(1795262401.144:1558): avc:  denied  { read } for  pid=704 comm=\"5qbfzvtsfksfk\" name=6120627A dev=\"vda\" ino=21082 scontext=system_u:system_r:user_webapp_t:s0:c2 tcontext=system_u:object_r:httpd_sys_content_t:s0:c99 tclass=file permissive=0
type=SYSCALL msg=audit(1795262401.144:1558): arch=c000003e syscall=257 success=no exit=-13 comm=\"5qbfzvtsfksfk\" exe=\"/usr/sbin/httpd\"
type=CWD msg=audit(1795262401.144:1558): cwd=\"/var/www/a\"
type=PATH msg=audit(1795262401.144:1558): item=0 name=6120627A inode=21082 dev=fe:00 nametype=NORMAL
";

#[test]
fn denials_are_told_of_each_request_and_of_one() {
    let other = AUDIT.replace("5qbfzvtsfksfk", "5qbfzvtsfksfm").replace(":1558)", ":1560)");
    let access = "5qbfzvtsfksfk 192.0.2.7 GET /a\x1b[2J\n5qbfzvtsfksfm 192.0.2.8 GET /b\n";
    let folder =
        Folder::new().with("audit", format!("{AUDIT}{other}")).with("access", access).with("none", "");
    let logs = ["denials", "--audit", "audit", "--access", "access"];
    let (code, text, _) = folder.run(&logs);
    assert_eq!(code, 1);
    let requests: Vec<_> = text.lines().filter(|line| line.starts_with("request ")).collect();
    assert_eq!(
        requests,
        [
            "request 5qbfzvtsfksfk: 5qbfzvtsfksfk 192.0.2.7 GET /a\\x1b[2J",
            "request 5qbfzvtsfksfm: 5qbfzvtsfksfm 192.0.2.8 GET /b",
        ]
    );
    // The whole path, from the system call's records.
    assert!(text.contains("  refused: read the file /var/www/a/a bz\n"), "{text}");
    let (code, value) = folder.json(&[&logs[..], &["--tag", "5qbfzvtsfksfm"]].concat());
    assert_eq!((code, value["requests"].as_array().unwrap().len()), (1, 1), "{value}");
    assert_eq!(value["requests"][0]["line"], "5qbfzvtsfksfm 192.0.2.8 GET /b");
    assert_eq!(
        folder.run(&["denials", "--audit", "none"]),
        (0, "no request was refused anything\n".to_owned(), String::new())
    );
    for arguments in [
        &["denials", "--audit", "missing"][..],
        &["denials", "--audit", "none", "--access", "missing"],
        &["denials", "--audit", "."],
    ] {
        assert_eq!(folder.run(arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn denials_are_read_from_standard_input() {
    let folder = Folder::new();
    let mut command = folder.command(&["denials", "--audit", "-"]);
    let mut tool = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    tool.stdin.take().unwrap().write_all(AUDIT.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    assert!(output.stdout.starts_with(b"request 5qbfzvtsfksfk\n  refused: read "), "{output:?}");
}
