//! `docs/recipes/*.md`, each done as it is told: what is installed, typed, and configured here stands in the document's
//! boxes, with the place of the content and the configuration's folder changed to the test's.

mod back_end;
mod dav;
mod git;
mod php;
mod php_fpm;
mod places;
mod postgresql;
mod virtual_hosts;

use crate::support::distribution::unix_user;
use crate::support::document::boxes;
use crate::support::{Httpd, Mpm, Site, outcome, run};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The recipes' modules for the policy, all together. `policies::with_module` builds one policy with everything.
pub fn modules() -> String {
    let modules = ["back-end", "php-fpm", "postgresql"].map(|name| boxes(&document(name), "cil").concat());
    assert!(modules.iter().all(|module| !module.is_empty()));
    modules.concat()
}

/// As a command of a document's, `semanage` takes ten seconds: this puts a line where it puts it, for `restorecon` to
/// find, and takes it away when all is labelled.
const SEMANAGE: &str = r#"
. /etc/selinux/config
local=/etc/selinux/$SELINUXTYPE/contexts/files/file_contexts.local
saved=$(mktemp)
cat "$local" >"$saved" 2>/dev/null || :
trap 'cat "$saved" >"$local"; rm "$saved"' EXIT
semanage() {
    [ "$1 $2 $3 $5 $#" = "fcontext -a -t -r 7" ]
    printf '%s system_u:object_r:%s:%s\n' "$7" "$4" "$6" >>"$local"
}
"#;

fn document(name: &str) -> String {
    format!("docs/recipes/{name}.md")
}

/// A recipe with a site for it.
struct Recipe {
    name: &'static str,
    site: Site,
    /// Names in the document, and what they are here.
    changed: Vec<(&'static str, String)>,
}

impl Recipe {
    /// The recipe of `docs/recipes/NAME.md`, whose content lies in `content` there, and here in a site's folder.
    fn new(name: &'static str, content: &'static str) -> Recipe {
        let site = Site::new(&format!("recipe-{name}"));
        let changed = vec![
            // Documents name Debian's.
            ("www-data", unix_user().to_owned()),
            (content, site.root().to_str().unwrap().to_owned()),
            ("conf/users", "users".to_owned()),
            ("conf/", String::new()),
        ];
        Recipe { name, site, changed }
    }

    /// All boxes of a language, one after the other, with this machine's names.
    fn told(&self, language: &str) -> String {
        let text = boxes(&document(self.name), language).concat();
        assert!(!text.is_empty(), "{language} in {}", self.name);
        self.changed.iter().fold(text, |text, (theirs, ours)| text.replace(theirs, ours))
    }

    /// Types what the document says at a shell.
    fn do_commands(&self) {
        run("sh", &["-euc", &format!("{SEMANAGE}{}", self.told("sh"))]);
    }

    /// A file with the text of a language's boxes.
    fn install(&self, language: &str, path: &str) {
        let path = Path::new(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.told(language)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        run("restorecon", &["-RF", path.parent().unwrap().to_str().unwrap()]);
    }

    /// Starts httpd with the document's configuration, and more.
    fn start(&self, mpm: Mpm, modules: &[&str], more: &str) -> Httpd {
        Httpd::start(&self.site, mpm, modules, &format!("{}{more}", self.told("apache")))
    }
}

/// A unit that a recipe told of, started; stopped when the value is gone.
struct Service(String);

impl Service {
    /// Installs the unit as `file`, and starts it, or an instance of it, by its name.
    fn start(recipe: &Recipe, file: &str, name: &str) -> Service {
        recipe.install("ini", &format!("/run/systemd/system/{file}.service"));
        run("systemctl", &["daemon-reload"]);
        run("systemctl", &["restart", name]);
        Service(name.to_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = outcome("systemctl", &["stop", &self.0]);
    }
}
