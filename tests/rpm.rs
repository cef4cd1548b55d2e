//! The packages for Fedora and RHEL: what is in them, and what installing, upgrading and removing them does to a system.
//! The system is an empty folder (`rpm --root`) with stand-ins for the programs that the scriptlets call.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a command of the shell in a folder, and gives what it prints. Panics where it fails.
fn shell(folder: &Path, command: &str) -> String {
    let output = Command::new("bash").args(["-euc", command]).current_dir(folder).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{command}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A folder with the packages of release 1 and, with another map in them, of release 2.
fn packages() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        // This program is in target/release/deps.
        let program = std::env::current_exe().unwrap();
        let release = program.parent().unwrap().parent().unwrap();
        let built = release.parent().unwrap().display();
        let packages = folder.path().display();
        shell(
            Path::new(PROJECT),
            &format!(
                "make -s build CARGO_TARGET_DIR={built} >&2
                 export MOD_SELINUX_BUILT={built}
                 packaging/rpm/build {packages} 1
                 packaging/sources {packages}/changed
                 cd {packages}/changed
                 echo '# a line more' >>conf/selinux.map
                 packaging/rpm/build {packages} 2"
            ),
        );
        folder
    });
    folder.path()
}

/// The file of a package: `("mod_selinux", 1)`.
fn package(name: &str, release: u32) -> String {
    let arch = if name == "mod_selinux" { std::env::consts::ARCH } else { "noarch" };
    let version = env!("CARGO_PKG_VERSION");
    format!("{}/RPMS/{name}-{version}-{release}.{arch}.rpm", packages().display())
}

/// What rpm tells of a package.
fn query(name: &str, question: &str) -> String {
    shell(Path::new("/"), &format!("rpm -qp {question} {}", package(name, 1)))
}

/// A system with nothing but a shell and stand-ins, which note how they are called in `/calls`.
struct System(TempDir);

impl System {
    fn new() -> System {
        let system = System(tempfile::tempdir().unwrap());
        system.shell(
            "mkdir -p usr/bin usr/sbin usr/lib usr/lib64 etc/selinux var/lib/rpm dev
             : >dev/null
             ln -s usr/bin bin; ln -s usr/lib lib; ln -s usr/lib64 lib64
             cp \"$(readlink -f /bin/dash)\" usr/bin/sh
             for file in $(ldd usr/bin/sh | grep -o '/[^ ]*'); do mkdir -p .${file%/*}; cp $file .$file; done
             echo SELINUXTYPE=targeted >etc/selinux/config",
        );
        // What is to be installed must be there when it is.
        system.program("semodule", "for file; do case $file in *.cil) [ -s $file ] || exit 1 ;; esac; done");
        system.program("selinuxenabled", "");
        system.program("load_policy", "");
        system.program("restorecon", "");
        system.shell("mkdir -p usr/lib/systemd; ln -s /usr/sbin/systemd-update-helper usr/lib/systemd/");
        system.program("systemd-update-helper", "");
        system
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn program(&self, name: &str, text: &str) {
        let file = self.path("usr/sbin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\necho {name} \"$@\" >>/calls\n")).unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
    }

    fn shell(&self, command: &str) -> String {
        shell(self.0.path(), command)
    }

    /// Runs rpm on the system. Dependencies are Fedora's, of which there are none here.
    fn rpm(&self, arguments: &str) {
        self.shell(&format!(
            "[[ $(id -u) == 0 ]] || unshare='unshare --map-root-user'
             ${{unshare:-}} rpm --root $PWD --dbpath /var/lib/rpm --nodeps {arguments}"
        ));
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// How the stand-ins were called since the last time.
    fn calls(&self) -> String {
        let calls = self.text("calls");
        fs::remove_file(self.path("calls")).unwrap();
        calls
    }

    /// All files and folders, with their modes and owners, but for rpm's own.
    fn files(&self) -> BTreeMap<String, String> {
        let listed = self.shell("find . -path ./var/lib/rpm -prune -o -printf '/%P\\t%M %U:%G\\n'");
        let lines = listed.lines().filter_map(|line| line.split_once('\t'));
        lines.map(|(file, what)| (file.to_owned(), what.to_owned())).collect()
    }
}

const UNIT: &str = "selinux-broker.service";
const POLICY: &str = "/usr/share/selinux/packages/targeted/mod_selinux.cil";

#[test]
fn files_are_where_fedora_has_them_with_their_modes_and_owners() {
    let files = |name| {
        let text = query(
            name,
            "--qf '[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags}\n]'",
        );
        let lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        lines
            .into_iter()
            .filter(|line| {
                !["/usr/share/doc/", "/usr/share/licenses/"].iter().any(|doc| line.starts_with(doc))
            })
            .collect::<Vec<_>>()
    };
    let manual = |name: &str| format!("/usr/share/man/man{name} -rw-r--r-- root:root d");
    let expected = [
        "/etc/httpd/conf.d/mod_selinux.conf -rw-r--r-- root:root cn",
        "/etc/httpd/conf.modules.d/20-selinux.conf -rw-r--r-- root:root cn",
        "/etc/httpd/conf/selinux.map -rw-r--r-- root:root cn",
        "/etc/mod_selinux drwxr-xr-x root:root",
        "/etc/mod_selinux/apps drwxr-xr-x root:root",
        "/usr/bin/selinux-map -rwxr-xr-x root:root",
        "/usr/lib/systemd/system/selinux-broker.service -rw-r--r-- root:root",
        "/usr/lib64/httpd/modules/mod_selinux.so -rwxr-xr-x root:root",
        "/usr/sbin/selinux-broker -rwxr-xr-x root:root",
        "/usr/share/bash-completion/completions/selinux-map -rw-r--r-- root:root",
        "/usr/share/mod_selinux drwxr-xr-x root:root",
        "/usr/share/mod_selinux/apps drwxr-xr-x root:root",
        "/usr/share/mod_selinux/apps/php-fpm.conf -rw-r--r-- root:root",
        "/usr/share/mod_selinux/apps/php.toml -rw-r--r-- root:root",
    ];
    let (pages, others): (Vec<_>, Vec<_>) =
        files("mod_selinux").into_iter().partition(|line| line.starts_with("/usr/share/man/"));
    assert_eq!(others, expected);
    for page in ["1/selinux-map.1", "1/selinux-map-check.1", "5/selinux-map.5", "8/selinux-broker.8"] {
        assert!(pages.contains(&manual(page)), "{page}: {pages:?}");
    }
    let module = "/var/lib/selinux/targeted/active/modules/200/mod_selinux ---------- root:root g";
    assert_eq!(files("mod_selinux-selinux"), [format!("{POLICY} -rw-r--r-- root:root"), module.to_owned()]);
}

#[test]
fn the_module_wants_the_httpd_it_is_built_for_and_the_policy_where_there_is_one() {
    let required = query("mod_selinux", "--requires");
    for line in [
        "httpd-mmn = 20120211x8664",
        &format!("(mod_selinux-selinux = {}-1 if selinux-policy-targeted)", env!("CARGO_PKG_VERSION")),
        "libselinux.so.1()(64bit)",
    ] {
        assert!(required.lines().any(|required| required.trim() == line), "{line} is not in\n{required}");
    }
    let provided = query("mod_selinux", "--provides");
    assert!(!provided.contains(".so"), "{provided}");
    let required = query("mod_selinux-selinux", "--requires");
    for line in ["selinux-policy", "policycoreutils", "libselinux-utils"] {
        assert!(required.lines().any(|required| required.trim() == line), "{line} is not in\n{required}");
    }
}

#[test]
fn the_system_is_as_before_once_the_packages_are_removed() {
    let system = System::new();
    let before = system.files();
    for name in ["mod_selinux", "mod_selinux-selinux"] {
        system.rpm(&format!("-i {}", package(name, 1)));
    }
    let installed = system.files();
    let module = |name| installed.get(name).map(String::as_str);
    assert_eq!(module("/usr/lib64/httpd/modules/mod_selinux.so"), Some("-rwxr-xr-x 0:0"));
    assert_eq!(module("/etc/httpd/conf.modules.d/20-selinux.conf"), Some("-rw-r--r-- 0:0"));
    assert_eq!(
        system.text("etc/httpd/conf.modules.d/20-selinux.conf"),
        "LoadModule selinux_module modules/mod_selinux.so\n"
    );
    assert_eq!(module("/usr/sbin/selinux-broker"), Some("-rwxr-xr-x 0:0"));
    let unit = system.text("usr/lib/systemd/system/selinux-broker.service");
    let settings: Vec<_> =
        unit.lines().filter(|line| line.contains("selinux-broker --") || line.starts_with("User")).collect();
    assert_eq!(
        settings,
        [
            "ExecStartPre=-/usr/sbin/selinux-broker --check",
            "ExecStart=/usr/sbin/selinux-broker --state /var/lib/mod_selinux/apps",
            "ExecReload=/usr/sbin/selinux-broker --check",
            "User=apache",
        ]
    );
    assert!(system.text("usr/share/mod_selinux/apps/php.toml").contains("[\"/usr/sbin/php-fpm\", "));
    let relabel = "restorecon -i /usr/sbin/selinux-broker\n";
    let install =
        format!("semodule -n -s targeted -X 200 -i {POLICY}\nselinuxenabled\nload_policy\n{relabel}");
    // What is enabled, a preset says.
    let helper = "systemd-update-helper";
    assert_eq!(system.calls(), format!("{relabel}{helper} install-system-units {UNIT}\n{install}"));

    for name in ["mod_selinux", "mod_selinux-selinux"] {
        system.rpm(&format!("-U {}", package(name, 2)));
    }
    assert_eq!(
        system.calls(),
        format!("{relabel}{helper} mark-restart-system-units {UNIT}\n{install}"),
        "the policy module is installed once more, and not removed; the broker is restarted where it runs"
    );

    system.rpm("-e mod_selinux mod_selinux-selinux");
    assert_eq!(
        system.calls(),
        format!(
            "{helper} remove-system-units {UNIT}\nsemodule -n -s targeted -X 200 -r mod_selinux\nselinuxenabled\nload_policy\n"
        )
    );
    // Folders of httpd and of the system belong to packages that are not here.
    let ours = |(file, what): &(String, String)| !what.starts_with('d') || file.contains("mod_selinux");
    let left: Vec<_> =
        system.files().into_iter().filter(|(file, _)| !before.contains_key(file)).filter(ours).collect();
    assert_eq!(left, []);
}

#[test]
fn an_edited_configuration_survives_an_upgrade_and_is_kept_on_removal() {
    let system = System::new();
    system.rpm(&format!("-i {}", package("mod_selinux", 1)));
    let (map, configuration) = ("etc/httpd/conf/selinux.map", "etc/httpd/conf.d/mod_selinux.conf");
    let shipped = system.text(map);
    fs::write(system.path(map), "foo user_webapp_t:s0:c5\n").unwrap();
    system.rpm(&format!("-U {}", package("mod_selinux", 2)));
    assert_eq!(system.text(map), "foo user_webapp_t:s0:c5\n");
    assert_eq!(system.text(&format!("{map}.rpmnew")), format!("{shipped}# a line more\n"));
    system.rpm("-e mod_selinux");
    assert_eq!(system.text(&format!("{map}.rpmsave")), "foo user_webapp_t:s0:c5\n");
    assert!(!system.path(map).exists() && !system.path(configuration).exists());
}
