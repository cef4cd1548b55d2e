//! `selinux-map domain`.

use crate::Folder;
use serde_json::json;

const WHOLE: &str = "\
; The domain intranet_webapp_t, as `selinux-map domain` wrote it. It needs the policy module mod_selinux.
(type intranet_webapp_t)
(call webapp_domain (intranet_webapp_t))
(call webapp_cgi (intranet_webapp_t))

; Content that no other domain reads.
(type intranet_content_t)
(call webapp_content (intranet_webapp_t intranet_content_t))

; Content that it alone changes.
(type intranet_rw_content_t)
(call webapp_rw_content (intranet_webapp_t intranet_rw_content_t))
";

#[test]
fn domain_writes_the_policy_and_tells_the_commands() {
    let folder = Folder::new();
    let options = ["--path", "/srv/the intranet", "--write", "/srv/the intranet/data", "--cgi", "/srv/cgi/"];
    let (code, text, _) = folder.run(&[&["domain", "intranet"][..], &options].concat());
    assert_eq!(code, 0);
    assert_eq!(
        text,
        "# intranet.cil: intranet_webapp_t; then, in httpd's configuration: SELinuxDomainVal intranet_webapp_t\n\
         semodule -i intranet.cil\n\
         semanage fcontext -a -t intranet_content_t -r s0 '/srv/the\\x20intranet(/.*)?'\n\
         semanage fcontext -a -t httpd_sys_script_exec_t -r s0 '/srv/cgi(/.*)?'\n\
         semanage fcontext -a -t intranet_rw_content_t -r s0 '/srv/the\\x20intranet/data(/.*)?'\n\
         restorecon -RF '/srv/the intranet'\n\
         restorecon -RF /srv/cgi\n\
         restorecon -RF '/srv/the intranet/data'\n"
    );
    assert_eq!(folder.text("intranet.cil"), WHOLE);
    // Without options, what only reads.
    let (code, value) = folder.json(&["domain", "shop", "-o", "other.cil"]);
    assert_eq!((code, &value["domain"], &value["file"]), (0, &json!("shop_webapp_t"), &json!("other.cil")));
    assert_eq!(value["policy"], folder.text("other.cil"));
    let lines = WHOLE.lines().filter(|line| !line.contains("cgi") && !line.contains("rw_content"));
    let expected: Vec<_> =
        lines.filter(|line| line.starts_with('(')).map(|line| line.replace("intranet", "shop")).collect();
    assert_eq!(
        folder.text("other.cil").lines().filter(|line| line.starts_with('(')).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(
        value["commands"],
        json!([
            "semodule -i other.cil",
            "semanage fcontext -a -t shop_content_t -r s0 '/var/www/shop(/.*)?'",
            "restorecon -RF /var/www/shop"
        ])
    );
}

#[test]
fn an_application_gets_a_type_that_reads_and_changes_the_same_content() {
    let folder = Folder::new();
    let (code, text, _) = folder.run(&["domain", "intranet", "--app", "--write", "/srv/data"]);
    assert_eq!(code, 0);
    let callers =
        "# In the application's file: [[callers]] worker = \"intranet_webapp_t\" app = \"intranet_app_t\"";
    assert_eq!(text.lines().nth(1), Some(callers));
    let policy = folder.text("intranet.cil");
    let rules: Vec<_> = policy.lines().filter(|line| line.starts_with('(')).collect();
    assert_eq!(
        rules,
        [
            "(type intranet_webapp_t)",
            "(call webapp_domain (intranet_webapp_t))",
            "(type intranet_app_t)",
            "(call webapp_app (intranet_app_t))",
            "(call webapp_app_serve (intranet_webapp_t intranet_app_t))",
            "(type intranet_content_t)",
            "(call webapp_content (intranet_webapp_t intranet_content_t))",
            "(call webapp_content (intranet_app_t intranet_content_t))",
            "(type intranet_rw_content_t)",
            "(call webapp_rw_content (intranet_webapp_t intranet_rw_content_t))",
            "(call webapp_rw_content (intranet_app_t intranet_rw_content_t))",
        ]
    );
}

#[test]
fn domain_takes_no_name_that_means_something_in_policy_and_replaces_no_file() {
    let folder = Folder::new().with("shop.cil", "mine");
    let long = "x".repeat(65);
    for name in [
        "", "Intranet", "9lives", "_x", "a-b", "a.b", "a b", "a)(allow", "a;b", "\u{e9}", "user", "a\n",
        "../a", &long,
    ] {
        let (code, text, errors) = folder.run(&["domain", "--", name]);
        assert_eq!((code, text.as_str(), errors.is_empty()), (2, "", false), "{name:?}");
    }
    for options in [["--path", "srv"], ["--path", "/"], ["--write", "/a/../b"], ["--cgi", "/a\nb"]] {
        assert_eq!(folder.run(&[&["domain", "other"], &options[..]].concat()).0, 2, "{options:?}");
    }
    let (code, _, errors) = folder.run(&["domain", "shop"]);
    assert!(code == 2 && errors.contains("File exists"), "{errors}");
    assert_eq!((folder.text("shop.cil").as_str(), folder.names().len()), ("mine", 1));
}
