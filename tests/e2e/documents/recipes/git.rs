//! Git over HTTP, with Git's own client.

use super::Recipe;
use crate::support::pages::PRINT_CONTEXT;
use crate::support::{Httpd, Mpm, label, outcome, run};
use std::fs;
use std::path::Path;

/// Where clients have their clones.
const CLONES: &str = "/tmp/test-recipe-git";

/// Runs Git as a client; gives whether it succeeded, and all it printed.
fn git(arguments: &[&str]) -> (bool, String) {
    let identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
    let output = outcome("git", &[&identity, arguments].concat());
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn done(arguments: &[&str]) {
    let (succeeded, text) = git(arguments);
    assert!(succeeded, "git {arguments:?}: {text}");
}

/// A clone of a repository, as a user; whether that succeeded.
fn cloned(user: &str, repository: &str) -> (bool, String) {
    let clone = format!("{CLONES}/{user}-{repository}");
    let _ = fs::remove_dir_all(&clone);
    git(&["clone", "--quiet", &format!("http://{user}:{user}@127.0.0.1/git/{repository}.git"), &clone])
}

/// A commit with one file more, pushed from a clone; whether that succeeded.
fn pushed(user: &str, repository: &str, file: &str) -> (bool, String) {
    let clone = format!("{CLONES}/{user}-{repository}");
    fs::write(Path::new(&clone).join(file), format!("{user}'s")).unwrap();
    done(&["-C", &clone, "add", "."]);
    done(&["-C", &clone, "commit", "--quiet", "-m", file]);
    git(&["-C", &clone, "push", "--quiet", "origin", "HEAD:refs/heads/main"])
}

/// The labels of all that a repository's objects and branches are kept in.
fn assert_labels(recipe: &Recipe, repository: &str, range: &str) {
    let root = recipe.site.root().join(repository);
    let all = run("find", &[root.to_str().unwrap(), "-printf", "%Z %p\n"]);
    let expected = format!("system_u:object_r:httpd_sys_rw_content_t:{range} ");
    assert!(all.lines().count() > 20 && all.contains("/refs/heads/main"), "{all}");
    for line in all.lines() {
        assert!(line.replace('\0', "").starts_with(&expected), "{line}");
    }
}

#[test]
fn users_clone_and_push_their_own_repositories_and_those_they_share() {
    let recipe = Recipe::new("git", "/var/www/git");
    recipe.do_commands();
    recipe.site.config_file("git.map", &recipe.told("map"));
    let httpd = recipe.start(Mpm::Event, &["cgi"], "");
    fs::create_dir_all(CLONES).unwrap();
    for user in ["foo", "bar"] {
        for repository in [user, "shared"] {
            let (succeeded, text) = cloned(user, repository);
            assert!(succeeded, "{user} {repository}: {text}");
            let (succeeded, text) = pushed(user, repository, &format!("{user}.txt"));
            assert!(succeeded, "{user} {repository}: {text}");
        }
    }
    let shared = fs::read_dir(format!("{CLONES}/bar-shared")).unwrap();
    let mut files: Vec<_> = shared.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, [".git", "bar.txt", "foo.txt"], "what foo has pushed is there");
    for (repository, range) in [("foo.git", "s0:c0"), ("bar.git", "s0:c1"), ("shared.git", "s0:c10")] {
        assert_labels(&recipe, repository, range);
    }
    assert_hooks_need_their_type(&recipe);
    assert_refused(&recipe, &httpd);
}

/// A hook is run if it has the type of scripts, and then in the user's context.
fn assert_hooks_need_their_type(recipe: &Recipe) {
    let hook = recipe.site.root().join("foo.git/hooks/post-receive");
    fs::write(&hook, format!("#!/bin/sh\n{PRINT_CONTEXT}\n")).unwrap();
    run("chmod", &["755", hook.to_str().unwrap()]);
    for (type_, told) in [("httpd_sys_rw_content_t", false), ("httpd_sys_script_exec_t", true)] {
        run("chcon", &["-t", type_, hook.to_str().unwrap()]);
        let (succeeded, text) = pushed("foo", "foo", type_);
        assert!(succeeded, "{text}");
        assert_eq!(text.contains("remote: system_u:system_r:user_webapp_t:s0:c0"), told, "{type_}: {text}");
    }
}

/// Nobody gets at another's repository, neither to read nor to write; a wider label, and they would.
fn assert_refused(recipe: &Recipe, httpd: &Httpd) {
    let foos = "scontext=system_u:system_r:user_webapp_t:s0:c0 ";
    let bars = "tcontext=system_u:object_r:httpd_sys_rw_content_t:s0:c1 ";
    assert!(!cloned("foo", "bar").0);
    httpd.audit.denial(&[foos, bars, "comm=\"git"]);
    // From what foo has: bar's repository as another place to push to.
    let before = bars_branch(recipe);
    let theirs = "http://foo:foo@127.0.0.1/git/bar.git";
    let clone = format!("{CLONES}/foo-foo");
    assert!(!git(&["-C", &clone, "push", "--force", theirs, "HEAD:refs/heads/main"]).0);
    assert_eq!(bars_branch(recipe), before);
    assert!(!cloned("staff", "shared").0);

    let repository = recipe.site.root().join("bar.git");
    run("chcon", &["-R", "-l", "s0", repository.to_str().unwrap()]);
    let (succeeded, text) = cloned("foo", "bar");
    assert!(succeeded, "{text}");
    assert!(label(&repository).ends_with(":s0"));
}

/// Where bar's branch stands.
fn bars_branch(recipe: &Recipe) -> String {
    fs::read_to_string(recipe.site.root().join("bar.git/refs/heads/main")).unwrap()
}
