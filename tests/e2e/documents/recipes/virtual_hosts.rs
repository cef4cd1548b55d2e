//! Mass virtual hosting, with a category for each tenant.

use super::Recipe;
use crate::support::client::Client;
use crate::support::httpd::PORT;
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Mpm, label, run, wait_for};
use std::fs;
use std::time::Duration;

/// Says what the file that the query names has in it.
const READ_LUA: &str = r#"
function handle(r)
  local file = io.open(r.args)
  r:puts(file and file:read("*a") or "refused")
  return apache2.OK
end
"#;

/// Leaves a file in the tenant's folder for data.
const WRITE_LUA: &str = r#"
function handle(r)
  local file = io.open(r.document_root .. "/data/made.txt", "w")
  r:puts(file and file:write("made") and "written" or "refused")
  if file then file:close() end
  return apache2.OK
end
"#;

#[test]
fn each_tenant_of_many_has_a_category_by_the_name_of_the_host() {
    let recipe = Recipe::new("virtual-hosts", "/var/www/hosts");
    let site = &recipe.site;
    for tenant in ["dog", "cat", "new"] {
        let file = |name: &str| format!("{tenant}.example.org/{name}");
        site.writable(&file("data"), "s0")
            .file(&file("context.lua"), CONTEXT_LUA)
            .file(&file("read.lua"), READ_LUA)
            .file(&file("write.lua"), WRITE_LUA)
            .file(&file("secret.txt"), &format!("{tenant}'s"));
    }
    let www = site.root().join("www.dog.example.org");
    std::os::unix::fs::symlink("dog.example.org", &www).unwrap();
    recipe.do_commands();
    let map = recipe.told("map");
    let map_file = site.config_file("tenants.txt", &map);
    let httpd = recipe.start(Mpm::Event, &["vhost_alias", "rewrite", "lua"], "AddHandler lua-script .lua\n");
    let client = Client::new(PORT);
    let get = |host: &str, path: &str| {
        let reply = client.try_get(path, None, &[("Host", host)]).unwrap();
        (reply.status, if reply.status == 200 { reply.body } else { String::new() })
    };
    let served = |context: &str| (200, format!("system_u:system_r:user_webapp_t:{context}"));
    let root = site.root().display();
    for (host, tenant, other, range) in [
        ("dog.example.org", "dog", "cat", "s0:c100"),
        ("CAT.Example.ORG:80", "cat", "dog", "s0:c101"),
        ("www.dog.example.org", "dog", "cat", "s0:c100"),
    ] {
        assert_eq!(get(host, "/context.lua"), served(range), "{host}");
        let read = |of: &str| get(host, &format!("/read.lua?{root}/{of}.example.org/secret.txt")).1;
        assert_eq!([read(tenant), read(other)], [format!("{tenant}'s"), "refused".to_owned()], "{host}");
        httpd.audit.denial(&[
            &format!("scontext=system_u:system_r:user_webapp_t:{range} "),
            "tcontext=system_u:object_r:httpd_sys_content_t:s0:c10",
        ]);
        assert_eq!(get(host, "/write.lua"), (200, "written".to_owned()), "{host}");
        let made = site.root().join(format!("{tenant}.example.org/data/made.txt"));
        assert_eq!(label(&made), format!("system_u:object_r:httpd_sys_rw_content_t:{range}"));
    }

    // A new tenant is nobody until it is in the map; httpd is not restarted.
    assert_eq!(get("new.example.org", "/context.lua").0, 403);
    httpd.logged(&["SEL0104"]);
    fs::write(&map_file, format!("{map}new.example.org user_webapp_t:s0:c102\n")).unwrap();
    wait_for("the new tenant to be served", Duration::from_secs(10), || {
        (get("new.example.org", "/context.lua") == served("s0:c102")).then_some(())
    });

    // It is the label that keeps others out.
    let cats = site.root().join("cat.example.org");
    run("chcon", &["-R", "-l", "s0", cats.to_str().unwrap()]);
    assert_eq!(get("dog.example.org", &format!("/read.lua?{}/secret.txt", cats.display())).1, "cat's");
}
