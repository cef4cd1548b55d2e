//! `selinux-map denials`: what it says of a request is what the kernel did.

use crate::lifecycle::policies::with_module;
use crate::support::audit::Mark;
use crate::support::distribution::log_folder;
use crate::support::{Httpd, Mpm, Site, library, outcome, wait_for};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const CONFIGURATION: &str = "
LogFormat \"%{SELINUX_TAG}e %U\" tags
CustomLog @LOG@ tags
AddHandler lua-script .lua
Alias /user @ROOT@
<Location /user>
    SELinuxDomainVal user_webapp_t:s0:c0
</Location>
Alias /beyond @ROOT@
<Location /beyond>
    SELinuxDomainVal beyond_webapp_t
</Location>
";

const READ_LUA: &str = r#"
function handle(r)
  local file = io.open("@FILE@")
  r.status = file and 200 or 403
  return apache2.OK
end
"#;

/// What a terminal would obey, and what would be a field of the record, were it not for the kernel.
const HOSTILE: &str = "of another\u{1b}[31m scontext=x:x:x_t:s0.txt";

/// What the tool says, of all requests or of one.
fn told(log: &str, arguments: &[&str]) -> (i32, String) {
    let arguments = [&["denials", "--access", log], arguments].concat();
    let output = outcome(library("selinux-map").to_str().unwrap(), &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_tool_tells_of_a_request_what_was_refused_and_what_would_allow_it() {
    let _policy = with_module();
    let site = Site::new("denials");
    for (page, file, type_, range) in [
        ("type.lua", "settings.txt", "httpd_config_t", "s0:c0"),
        ("category.lua", HOSTILE, "httpd_sys_content_t", "s0:c1"),
        ("bounds.lua", "beyond.txt", "beyond_content_t", "s0"),
    ] {
        site.file(file, "").relabel(file, type_, range);
        let path = site.root().join(file);
        site.file(page, &READ_LUA.replace("@FILE@", path.to_str().unwrap()));
    }
    let log = log_folder().join("test-denials-access.log");
    let _ = fs::remove_file(&log);
    let log = log.to_str().unwrap();
    let mut httpd = Httpd::start(&site, Mpm::Event, &["lua"], &CONFIGURATION.replace("@LOG@", log));
    let refused = |path: &str| {
        assert_eq!(httpd.get(path, None).status, 403, "{path}");
        let line = wait_for("the access log's line", Duration::from_secs(10), || {
            fs::read_to_string(log).ok()?.lines().find(|line| line.ends_with(path)).map(str::to_owned)
        });
        let tag = line.split(' ').next().unwrap().to_owned();
        httpd.audit.denial(&[&format!("comm=\"{tag}\"")]);
        let (code, text) = told(log, &["--json", "--tag", &tag]);
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let [request] = value["requests"].as_array().unwrap().as_slice() else { panic!("{text}") };
        assert_eq!((code, &request["tag"], &request["line"]), (1, &json!(tag), &json!(line)));
        let [denial] = request["denials"].as_array().unwrap().as_slice() else { panic!("{text}") };
        assert_eq!((&denial["permissions"], &denial["class"]), (&json!(["read"]), &json!("file")));
        (tag, denial.clone())
    };
    let user = "system_u:system_r:user_webapp_t:s0:c0";

    let (_, denial) = refused("/user/type.lua");
    assert_eq!(denial["refused"], "read the file settings.txt");
    assert_eq!((&denial["source"], &denial["cause"]), (&json!(user), &json!("rule")), "{denial}");
    assert_eq!(denial["rules"], json!(["(allow user_webapp_t httpd_config_t (file (read)))"]));
    assert_eq!((&denial["server_has_it"], &denial["commands"]), (&json!(true), &json!([])), "{denial}");

    let (tag, denial) = refused("/user/category.lua");
    assert_eq!((&denial["object"], &denial["source"]), (&json!(HOSTILE), &json!(user)));
    assert_eq!((&denial["cause"], &denial["rules"]), (&json!("categories"), &json!([])), "{denial}");
    let (code, text) = told(log, &["--tag", &tag]);
    assert!(
        code == 1 && !text.contains('\u{1b}') && text.contains("the file has s0:c1, the request s0:c0"),
        "{text}"
    );

    let (_, denial) = refused("/beyond/bounds.lua");
    assert_eq!((&denial["cause"], &denial["server_has_it"]), (&json!("bounds"), &json!(false)), "{denial}");
    let rules =
        ["beyond_webapp_t", "httpd_t"].map(|who| format!("(allow {who} beyond_content_t (file (read)))"));
    assert_eq!(denial["rules"], json!(rules));

    assert_eq!(told(log, &["--tag", "0000000000000"]).0, 0);
    // What went beyond the bounds was meant to.
    httpd.audit = Mark::now();
}
