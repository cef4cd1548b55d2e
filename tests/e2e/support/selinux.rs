//! The kernel's SELinux in another state than the tests' usual one. Every change ends with its guard, and no other
//! test's httpd runs meanwhile.

use super::httpd::{Turn, install, turn};
use super::run;
use std::fs;
use std::path::PathBuf;

/// While it lives, the kernel logs what the policy forbids, and lets it happen.
pub struct Permissive {
    _turn: Turn,
}

impl Permissive {
    /// `setenforce 0`
    pub fn begin() -> Permissive {
        let turn = turn();
        run("setenforce", &["0"]);
        Permissive { _turn: turn }
    }
}

impl Drop for Permissive {
    fn drop(&mut self) {
        run("setenforce", &["1"]);
    }
}

/// A boolean of the policy; off, as distributions ship it, when the value is gone.
pub struct Boolean {
    name: &'static str,
    _turn: Turn,
}

impl Boolean {
    /// Switches off the one of `names` that this policy has.
    pub fn off(names: &[&'static str]) -> Boolean {
        let turn = turn();
        let is_known = |name: &&&str| fs::exists(format!("/sys/fs/selinux/booleans/{name}")).unwrap();
        let name = names.iter().find(is_known).unwrap_or_else(|| panic!("no boolean of {names:?}"));
        let boolean = Boolean { name, _turn: turn };
        run("setsebool", &[name, "off"]);
        boolean
    }

    /// Switches it on.
    pub fn on(&self) {
        run("setsebool", &[self.name, "on"]);
    }
}

impl Drop for Boolean {
    fn drop(&mut self) {
        run("setsebool", &[self.name, "off"]);
    }
}

/// While it lives, the kernel has another policy than the usual one.
pub struct OtherPolicy {
    usual: Vec<u8>,
    other: &'static [u8],
    _turn: Turn,
}

impl OtherPolicy {
    /// Loads a policy that `policy_with` built.
    pub fn begin(other: &'static [u8]) -> OtherPolicy {
        let turn = turn();
        let usual = fs::read("/sys/fs/selinux/policy").unwrap();
        let policy = OtherPolicy { usual, other, _turn: turn };
        policy.resume();
        policy
    }

    /// Loads the usual policy for a while.
    pub fn suspend(&self) {
        load(&self.usual);
    }

    /// Loads the other one again.
    pub fn resume(&self) {
        load(self.other);
    }
}

impl Drop for OtherPolicy {
    fn drop(&mut self) {
        self.suspend();
    }
}

/// Gives a policy to the kernel, which takes it in one write.
fn load(policy: &[u8]) {
    fs::write("/sys/fs/selinux/load", policy).expect("the kernel takes the policy");
}

/// The policy that there would be with a module more, in the kernel's own version of the format. It is built beside
/// the module store, which stays as it is.
pub fn policy_with(cil: &str) -> Vec<u8> {
    let _turn = turn();
    install();
    let root = std::env::temp_dir().join("mod_selinux-policy/root");
    let _ = fs::remove_dir_all(&root);
    let version = fs::read_to_string("/sys/fs/selinux/policyvers").unwrap();
    for (from, to) in [("/etc/selinux", "etc"), ("/var/lib/selinux", "var/lib")] {
        let to = root.join(to);
        fs::create_dir_all(&to).unwrap();
        run("cp", &["-a", from, to.to_str().unwrap()]);
    }
    let settings = root.join("etc/selinux/semanage.conf");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{text}\npolicy-version = {version}\n")).unwrap();
    let module = root.join("mod_selinux_test.cil");
    fs::write(&module, cil).unwrap();
    run("semodule", &["-n", "-p", root.to_str().unwrap(), "-i", module.to_str().unwrap()]);
    let name = run("sh", &["-c", ". /etc/selinux/config; echo $SELINUXTYPE"]);
    let file: PathBuf = [root.to_str().unwrap(), "etc/selinux", name.trim(), "policy"].iter().collect();
    let policy = fs::read(file.join(format!("policy.{version}"))).unwrap();
    fs::remove_dir_all(&root).unwrap();
    policy
}
