//! Folders for sessions, uploads and scratch files, for each context.

use super::Recipe;
use crate::support::distribution::run_php;
use crate::support::httpd::ONE_PROCESS;
use crate::support::{Mpm, label};
use std::fs;

const PRIVATE_TMP: &str = "/var/lib/mod_selinux/tmp";

const SESSION: &str = "<?php session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo session_id(), ' ', $_SESSION['n'];";

const UPLOAD: &str = "<?php $to = __DIR__ . '/uploads/' . basename($_FILES['file']['name']);
    echo move_uploaded_file($_FILES['file']['tmp_name'], $to) ? 'stored' : 'refused';
    $scratch = tempnam(sys_get_temp_dir(), 'scratch');
    echo ' ', dirname($scratch), ' ', file_put_contents($scratch, 'scratch');";

const SCRATCH: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nfile=$(mktemp) && echo scratch >$file && cat $file\n";

/// Reads all that lies in the folder that the query names.
const READ: &str = "<?php foreach (@scandir($_SERVER['QUERY_STRING']) ?: [] as $name)
    echo @file_get_contents($_SERVER['QUERY_STRING'] . '/' . $name);";

#[test]
fn each_context_has_its_sessions_uploads_and_scratch_files() {
    let recipe = Recipe::new("places", "/var/www/tenants");
    for folder in ["/var/lib/webapps", PRIVATE_TMP] {
        let _ = fs::remove_dir_all(folder);
    }
    for number in ["31", "32"] {
        recipe
            .site
            .file(&format!("{number}/session.php"), SESSION)
            .file(&format!("{number}/upload.php"), UPLOAD)
            .file(&format!("{number}/read.php"), READ)
            .script(&format!("{number}/scratch.cgi"), SCRATCH)
            .writable(&format!("{number}/uploads"), &format!("s0:c{number}"));
    }
    recipe.site.file("users/session.php", SESSION).file("users/read.php", READ);
    recipe.site.config_file("selinux.map", "foo user_webapp_t:s0:c33\nbar user_webapp_t:s0:c34\n");
    recipe.do_commands();
    recipe.install("php", "/usr/local/share/mod_selinux/sessions.php");
    let configuration = format!("{}{ONE_PROCESS}AddHandler cgi-script .cgi\n", run_php());
    let httpd = recipe.start(Mpm::Prefork, &["cgi"], &configuration);
    let body = "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"photo.txt\"\r\n\
                Content-Type: text/plain\r\n\r\na photo\r\n--limit--\r\n";
    for (number, other) in [("31", "32"), ("32", "31")] {
        let place = format!("/var/lib/webapps/{number}");
        let first = httpd.get(&format!("/{number}/session.php"), None).body;
        let (session, count) = first.split_once(' ').unwrap_or_else(|| panic!("{first}"));
        assert_eq!(count, "1");
        let cookie = format!("PHPSESSID={session}");
        let again = |number: &str| {
            httpd
                .client()
                .try_get(&format!("/{number}/session.php"), None, &[("Cookie", &cookie)])
                .unwrap()
                .body
        };
        assert_eq!(again(number), format!("{session} 2"));
        // Whoever has stolen the cookie has another session under that name, if any.
        assert!(!again(other).ends_with('3'));
        assert_eq!(again(number), format!("{session} 3"));
        let kind = "multipart/form-data; boundary=limit";
        let stored = httpd.client().post(&format!("/{number}/upload.php"), None, kind, body.as_bytes()).body;
        assert_eq!(stored, format!("stored {place} 7"));
        assert_eq!(httpd.get(&format!("/{number}/scratch.cgi"), None).body, "scratch\n");
        let photo = recipe.site.root().join(number).join("uploads/photo.txt");
        assert_eq!(fs::read_to_string(&photo).unwrap(), "a photo");
        let names = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path());
        let made: Vec<_> = names.chain([photo]).collect();
        assert!(made.len() >= 3, "{made:?}");
        for path in made {
            let label = label(&path);
            assert!(label.ends_with(&format!("_t:s0:c{number}")), "{}: {label}", path.display());
        }
        assert!(httpd.get(&format!("/{number}/read.php?{place}"), None).body.contains("scratch"));
        assert_eq!(httpd.get(&format!("/{other}/read.php?{place}"), None).body, "");
    }
    // Contexts by user in one place.
    for (user, other, category) in [("foo", "bar", 33), ("bar", "foo", 34)] {
        let page = httpd.get("/users/session.php", Some(user));
        let (session, count) = page.body.split_once(' ').unwrap_or_else(|| panic!("{page:?}"));
        assert_eq!(count, "1");
        let folder = format!("{PRIVATE_TMP}/user_webapp_t:s0:c{category}");
        let file = format!("{folder}/sess_{session}");
        assert_eq!(label(&file), format!("system_u:object_r:httpd_tmp_t:s0:c{category}"));
        assert!(httpd.get(&format!("/users/read.php?{folder}"), Some(user)).body.starts_with("n|i:1"));
        assert_eq!(httpd.get(&format!("/users/read.php?{folder}"), Some(other)).body, "");
    }
}
