//! `selinux-map apps`, from outside. What the broker itself answers is shown end to end (`tests/e2e/applications`).

use crate::Folder;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::thread;

/// Answers one question by this.
fn answer(folder: &Folder, text: &'static str) -> thread::JoinHandle<String> {
    let listener = UnixListener::bind(folder.path("broker")).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut question = [0; 7];
        stream.read_exact(&mut question).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        String::from_utf8(question.to_vec()).unwrap()
    })
}

#[test]
fn pools_are_told_with_their_last_error() {
    let told = "refused 2\n\
        pool php system_u:system_r:user_app_t:s0:c0 processes= idle=7 starts=3 error=no \x1b[2Jsuch file\n";
    let folder = Folder::new();
    let asked = answer(&folder, told);
    let (code, text, _) = folder.run(&["apps", "--broker", "broker"]);
    assert_eq!(asked.join().unwrap(), "status\n");
    assert_eq!(
        (code, text.as_str()),
        (
            0,
            "php in system_u:system_r:user_app_t:s0:c0\n  processes: none, started 3 times\n  idle: 7 s\n  \
             last error: no \\x1b[2Jsuch file\n1 applications in contexts, 2 callers refused\n"
        )
    );
    std::fs::remove_file(folder.path("broker")).unwrap();
    let asked = answer(&folder, told);
    let (code, value) = folder.json(&["apps", "--broker", "broker"]);
    asked.join().unwrap();
    assert_eq!((code, &value["refused"], &value["pools"][0]["starts"]), (0, &2.into(), &3.into()), "{value}");
}

#[test]
fn a_refusal_and_a_broker_that_is_not_there_are_told_apart() {
    let folder = Folder::new();
    let (code, _, error) = folder.run(&["apps", "--broker", "broker"]);
    assert!(code == 2 && error.contains("selinux-broker.service"), "{error}");
    let asked = answer(&folder, "no the list of pools is for root alone\n");
    let (code, _, error) = folder.run(&["apps", "--broker", "broker"]);
    asked.join().unwrap();
    assert!(code == 1 && error.contains("refuses: the list of pools is for root alone"), "{error}");
}
