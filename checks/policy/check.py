#!/usr/bin/python3
"""What must hold of the confined domains, checked on a compiled SELinux policy.

    check.py [POLICY]        POLICY: a binary policy; the loaded one by default

Prints one line for each property, `ok NAME` or `FAIL NAME: what was found`, and ends with 1
where any failed. Rules are counted as allowed where *any* state of the booleans allows them.
Needs setools (python3-setools).
"""

import itertools
import sys
from collections import defaultdict

import setools

import levels

SERVER = "httpd_t"
SHIPPED = {"anon_webapp_t", "user_webapp_t", "staff_webapp_t"}
BROKER = "selinux_broker_t"
SOCKETS = "mod_selinux_app_run_t"

WRITE = {"write", "append", "create", "link", "rename", "setattr", "unlink"}
EXECUTE = {"execute", "execute_no_trans", "entrypoint", "execmod"}
CHANGE_CONTEXT = {"setcurrent", "setexec", "setfscreate", "setsockcreate", "setkeycreate",
                  "dyntransition", "transition"}
SIGNAL = {"signal", "sigkill", "sigstop", "signull"}
EXECUTABLE_MEMORY = {"execmem", "execstack", "execheap"}
RELABEL = {"relabelfrom", "relabelto", "mounton"}
CONNECT = {"accept", "bind", "connect", "connectto", "listen", "name_bind", "name_connect",
           "node_bind", "sendto"}

# The daemon that translates levels, to which both policies let every `domain` connect.
TRANSLATION = {"setrans_t", "setrans_runtime_t", "setrans_var_run_t"}

# Where passwords and keys are kept; a type that a policy lacks is passed over.
SECRETS = {"httpd_config_t", "httpd_keytab_t", "cert_t", "tls_privkey_t", "shadow_t",
           "passwd_file_t", "etc_t", "krb5_keytab_t", "sssd_var_lib_t", "selinux_config_t",
           "httpd_passwd_t", "httpd_passwd_file_t", "ssh_home_t", "sshd_key_t", "user_home_t",
           "admin_home_t", "var_log_t", "mysqld_etc_t", "security_t"}

# What the domains that come with the module may write. Sessions are in httpd_var_lib_t on
# Debian, in httpd_var_run_t on Fedora; httpd_var_lib_t holds DAV's locks on Fedora.
SESSIONS = {"debian": {"httpd_var_lib_t"}, "fedora": {"httpd_var_run_t"}}
SCRATCH = {"httpd_tmp_t"}
CONTENT = {"httpd_sys_rw_content_t", "httpd_lock_t", "httpd_var_lib_t"}

# Classes of which a confined domain needs nothing at all.
NOTHING_OF = {"capability", "capability2", "cap_userns", "cap2_userns", "security", "system",
              "kernel_service", "bpf", "perf_event", "io_uring", "user_namespace", "key",
              "filesystem", "dbus", "service", "memprotect", "blk_file", "sock_file", "shm",
              "sem", "msg", "msgq", "ipc", "process2"}
# But for the semaphores that httpd has for its locks: what semop() takes, and nothing that reads, makes or finds one.
LOCKING = {(SERVER, "sem", perm) for perm in ("read", "unix_write", "write")}


class Policy:
    """The rules of the confined domains, of applications' processes and their broker, and of what the server may do to
    them."""

    def __init__(self, path):
        self.policy = setools.SELinuxPolicy(path)
        self.types = {str(t): t for t in self.policy.types()}
        self.aliases = {str(a): str(t) for t in self.policy.types() for a in t.aliases()}
        self.attributes = {str(a): {str(t) for t in a.expand()}
                           for a in self.policy.typeattributes()}
        self.domains = self.attributes.get("webapp_domain", set())
        # Types of applications' processes.
        self.apps = self.attributes.get("webapp_app", set())
        self.parent = {str(b.child): str(b.parent) for b in self.policy.bounds()}
        self.constraints = levels.Constraints(self.policy)
        self.distribution = "fedora" if "passwd_file_t" in self.types else "debian"

        # (source, target, class) -> permission -> [(condition, branch) or None]
        self.by_domain = defaultdict(lambda: defaultdict(list))
        self.into_domain = defaultdict(set)
        # The same of applications' processes and of the broker, whatever the booleans say.
        self.by_program = defaultdict(set)
        self.into_app = defaultdict(set)
        self.server_on_domain = set()
        # name -> [(targets, class, permissions)], for the sources that `granted` is asked of
        self.rules = {SERVER: [], "init_t": [], "unconfined_t": []}
        allows = [r for r in self.policy.terules() if r.ruletype == setools.TERuletype.allow]
        expanded = {}

        def names(symbol):
            key = str(symbol)
            if key not in expanded:
                expanded[key] = frozenset(str(t) for t in symbol.expand())
            return expanded[key]

        for rule in allows:
            sources = names(rule.source)
            for name, rules in self.rules.items():
                if name in sources:
                    rules.append((names(rule.target), str(rule.tclass), rule.perms))
            for source in sources & (self.apps | {BROKER}):
                for target in names(rule.target):
                    self.by_program[source, target, str(rule.tclass)] |= rule.perms
            if str(rule.tclass) == "process" and names(rule.target) & self.apps:
                for perm in rule.perms & {"transition", "dyntransition"}:
                    self.into_app[perm] |= sources
            mine = sources & self.domains
            onto = names(rule.target) & self.domains if not mine else ()
            if onto and str(rule.tclass) == "process":
                for perm in rule.perms & {"transition", "dyntransition"}:
                    self.into_domain[perm] |= sources
            if onto and SERVER in sources:
                self.server_on_domain |= {(str(rule.tclass), p) for p in rule.perms}
            if not mine:
                continue
            when = condition(rule)
            for source in mine:
                for target in names(rule.target):
                    for perm in rule.perms:
                        self.by_domain[source, target, str(rule.tclass)][perm].append(when)

        # What the server is allowed, of all that some domain is allowed.
        wanted = defaultdict(set)
        for (_, target, tclass), perms in self.by_domain.items():
            wanted[self.parent.get(target, target), tclass] |= set(perms)
        wanted_targets = defaultdict(set)
        for target, tclass in wanted:
            wanted_targets[tclass].add(target)
        self.server = defaultdict(list)
        for rule in allows:
            tclass = str(rule.tclass)
            if tclass not in wanted_targets or SERVER not in names(rule.source):
                continue
            when = condition(rule)
            for target in names(rule.target) & wanted_targets[tclass]:
                for perm in rule.perms & wanted[target, tclass]:
                    self.server[target, tclass, perm].append(when)

    def allowed(self, classes=None, perms=None, domains=None):
        """(domain, target, class, permission) of every rule that matches."""
        for (source, target, tclass), have in sorted(self.by_domain.items()):
            if domains is not None and source not in domains:
                continue
            if classes is not None and tclass not in classes:
                continue
            for perm in sorted(have):
                if perms is None or perm in perms:
                    yield source, target, tclass, perm

    def programs(self, classes, perms, sources):
        """The same of applications' processes, or of the broker."""
        for (source, target, tclass), have in sorted(self.by_program.items()):
            if source in sources and (classes is None or tclass in classes):
                for perm in sorted(have if perms is None else have & perms):
                    yield source, target, tclass, perm

    def has(self, source, target, tclass, perm):
        target = self.aliases.get(target, target)
        return perm in self.by_domain.get((source, target, tclass), {})

    def lacks(self, source, target, tclass, perms):
        """Those of `perms` that the rules do not give `source`."""
        target = self.aliases.get(target, target)
        return sorted(set(perms).difference(*(have for targets, of, have in self.rules[source]
                                              if of == tclass and target in targets)))


def condition(rule):
    try:
        return rule.conditional, rule.conditional_block
    except setools.exception.RuleNotConditional:
        return None


def holds(whens, state):
    return any(when is None
               or when[0].evaluate(**{str(b): state[str(b)] for b in when[0].booleans}) == when[1]
               for when in whens)


def booleans(whens):
    return {str(b) for when in whens if when is not None for b in when[0].booleans}


def words(quadruple):
    source, target, tclass, perm = quadruple
    return f"{source} {'self' if source == target else target}:{tclass} {perm}"


# ---- The properties: each yields what is wrong ------------------------------------------------

def the_domains_are_there(p):
    for name in sorted(SHIPPED - p.domains):
        yield f"{name} is not in attribute webapp_domain"


def every_domain_is_bounded_by_the_server(p):
    for name in sorted(p.domains):
        if p.parent.get(name) != SERVER:
            yield f"{name} is bounded by {p.parent.get(name)}"


def every_type_bounded_by_the_server_is_a_domain(p):
    """So that no domain escapes the checks below."""
    for child, parent in sorted(p.parent.items()):
        if parent == SERVER and child not in p.domains:
            yield f"{child} is bounded by {SERVER} but not in attribute webapp_domain"


def no_grant_goes_beyond_the_bounds(p):
    """Each right of a domain is one of the server's, in every state of the booleans."""
    for (source, target, tclass), perms in sorted(p.by_domain.items()):
        bound = p.parent.get(target, target)
        for perm, whens in sorted(perms.items()):
            server = p.server.get((bound, tclass, perm), [])
            if None in server:
                continue
            names = sorted(booleans(whens) | booleans(server))
            if len(names) > 14:
                yield words((source, target, tclass, perm)) + ": too many booleans to try"
                continue
            for values in itertools.product((False, True), repeat=len(names)):
                state = dict(zip(names, values))
                if holds(whens, state) and not holds(server, state):
                    said = ", ".join(f"{n}={'on' if v else 'off'}" for n, v in state.items())
                    yield words((source, target, tclass, perm)) + (f" where {said}" if said else "")
                    break


def categories_confine_every_domain(p):
    for name in sorted(p.domains - p.attributes.get("mcs_constrained_type", set())):
        yield f"{name} is not in attribute mcs_constrained_type"


def categories_decide_of_all_that_has_some(p):
    """The same on every distribution: of files of each class, sockets, pipes, memory, keys, processes."""
    for name in sorted(p.domains):
        for tclass, perms in levels.DECIDED.items():
            targets = {target for _, target, of, _ in p.allowed({tclass}, None, {name})} | {"any other"}
            for target, perm in itertools.product(sorted(targets), sorted(perms)):
                if not p.constraints.refuse(tclass, perm, name, target, (levels.OWN, levels.OTHER)):
                    yield f"{name} {target}:{tclass} {perm} of another category"


def nothing_is_made_without_its_makers_categories(p):
    """Where new files get their folder's range (default_range), none is made in a folder below; but for DAV's locks."""
    locks = {"fedora": "httpd_var_lib_t", "debian": "httpd_lock_t"}[p.distribution]
    for name in sorted(p.domains):
        for tclass in levels.FILES:
            targets = {target for _, target, of, _ in p.allowed({tclass}, {"create"}, {name})} | {"any other"}
            for target in sorted(targets - ({locks} if tclass == "file" else set())):
                if not p.constraints.refuse(tclass, "create", name, target, (levels.OWN, levels.NONE)):
                    yield f"{name} {target}:{tclass} create without a category"
                if p.constraints.refuse(tclass, "create", name, target, (levels.OWN, levels.OWN)):
                    yield f"{name} {target}:{tclass} create is refused with its own category"
        if p.constraints.refuse("file", "create", name, locks, (levels.OWN, levels.NONE)):
            yield f"{name} {locks}:file create, of DAV's lock database, is refused"
    for tclass, default in sorted(p.constraints.defaults.items()):
        if default == "target" and tclass not in levels.FILES:
            yield f"a new {tclass} has its target's range"


def no_domain_is_in_attribute_domain(p):
    if SERVER not in p.attributes.get("domain", set()):
        yield f"not to be seen: {SERVER} itself is not in it"
    for name in sorted(p.domains & p.attributes.get("domain", set())):
        yield name


def no_domain_writes_a_process_file(p):
    """/proc/TID/mem and /proc/TID/attr/* carry the label of their thread."""
    processes = p.domains | {SERVER} | p.attributes.get("domain", set())
    for found in p.allowed({"file", "dir", "lnk_file"}, WRITE):
        if found[1] in processes:
            yield words(found)


def no_domain_reads_process_memory(p):
    """Not by /proc/TID/mem either: neither opened nor reached."""
    processes = p.domains | {SERVER} | p.attributes.get("domain", set())
    for found in p.allowed({"file", "dir", "lnk_file"}, {"open", "read", "search"}):
        if found[1] in processes or (found[1] == "proc_t" and found[3] == "search"):
            yield words(found)


def no_domain_changes_context(p):
    for found in p.allowed({"process"}, CHANGE_CONTEXT):
        yield words(found)


def only_the_server_enters_a_domain(p):
    for perm in ("transition", "dyntransition"):
        allowed = {SERVER} if perm == "dyntransition" else set()
        for name in sorted(p.into_domain[perm] - allowed):
            yield f"{name}: {perm} to a confined domain"


def no_domain_traces(p):
    for found in p.allowed({"process"}, {"ptrace"}):
        yield words(found)


def no_domain_signals(p):
    """Not even itself: a signal to a worker's thread number goes to the whole server."""
    for found in p.allowed({"process"}, SIGNAL):
        yield words(found)


def no_domain_reads_secrets(p):
    for found in p.allowed({"file"}, {"open", "read", "map"}):
        if found[1] in SECRETS or "shadow" in found[1] or "key_t" in found[1]:
            yield words(found)


def no_domain_reaches_published_maps(p):
    """Who writes a map gives out contexts; who reads one learns who has which."""
    if "mod_selinux_run_t" not in p.types:
        yield "mod_selinux_run_t is no type"
    for found in p.allowed():
        if found[1] == "mod_selinux_run_t":
            yield words(found)


def nothing_is_both_written_and_executed(p):
    executed = {(f[0], f[1]): f for f in p.allowed({"file"}, EXECUTE)}
    for found in p.allowed({"file", "dir"}, WRITE | {"add_name"}):
        if (found[0], found[1]) in executed:
            yield f"{words(found)}, and {executed[found[0], found[1]][3]}"


def no_domain_has_executable_memory(p):
    for found in p.allowed({"process"}, EXECUTABLE_MEMORY):
        yield words(found)
    for found in p.allowed(None, {"execmod"}):
        yield words(found)


def no_domain_relabels_or_mounts(p):
    for found in p.allowed(None, RELABEL):
        yield words(found)


def no_domain_connects(p):
    """But to the broker, and to applications' processes of its own context."""
    for found in p.allowed(None, CONNECT):
        source, target, tclass, perm = found
        own = (tclass, perm) == ("unix_stream_socket", "connect") and target == source
        app = (tclass, perm) == ("unix_stream_socket", "connectto") and target in p.apps | {BROKER}
        if not own and not app:
            yield words(found)
    for found in p.allowed(None, {"create"}):
        if found[2].endswith("_socket") and (found[2], found[1]) != ("unix_stream_socket", found[0]):
            yield words(found)
    # Of datagrams, the server's log messages on the socket that it has connected.
    for found in p.allowed({"unix_dgram_socket"}):
        if found[1:] != (SERVER, "unix_dgram_socket", "write"):
            yield words(found)


def no_domain_has_privileges(p):
    for found in p.allowed(NOTHING_OF):
        if found[1:] not in LOCKING and found[1:] not in {(SOCKETS, "sock_file", perm) for perm in ("getattr", "write")}:
            yield words(found)


def shipped_domains_write_only_what_they_are_meant_to(p):
    may = SCRATCH | SESSIONS[p.distribution]
    for found in p.allowed({"file", "dir", "lnk_file", "fifo_file"}, WRITE | {"add_name", "remove_name"},
                           SHIPPED):
        target, tclass, perm = found[1:]
        writes = target in {p.aliases.get(t, t) for t in
                            (may if found[0] == "anon_webapp_t" else may | CONTENT)}
        # Names only, in /tmp; the open log; pipes of its own and of the server's.
        known = (target == "tmp_t" and tclass == "dir" and perm in {"write", "add_name", "remove_name"}
                 or target == "httpd_log_t" and tclass == "file" and perm == "append"
                 or tclass == "fifo_file" and target in {found[0], SERVER} and perm == "write")
        if not writes and not known:
            yield words(found)


def the_server_gets_no_power_over_a_domain(p):
    """Beyond entering it, ending its scripts, and using what it opened."""
    may = {("process", perm) for perm in ("dyntransition", "sigkill", "signal", "signull")}
    may |= {("fd", "use")} | {("fifo_file", perm) for perm in ("getattr", "ioctl", "read", "write")}
    for tclass, perm in sorted(p.server_on_domain - may):
        yield f"{SERVER} webapp_domain:{tclass} {perm}"


def the_server_has_what_the_module_needs(p):
    """A missing name drops a block of the policy without a word: look at the effect."""
    for target, tclass, perms in [
            (SERVER, "process", {"setcurrent", "dyntransition", "setsockcreate", "setrlimit"}),
            (SERVER, "file", {"open", "read", "write"}),
            ("selinux_config_t", "file", {"getattr", "open", "read"}),
            ("security_t", "dir", {"search"}),
            ("security_t", "file", {"getattr", "map", "open", "read", "write"}),
            ("security_t", "security", {"check_context", "compute_av", "compute_create"}),
            ("netlabel_peer_t", "peer", {"recv"}), (SERVER, "peer", {"recv"})] + [
            (name, "process", {"dyntransition"}) for name in sorted(p.domains)]:
        for perm in p.lacks(SERVER, target, tclass, perms):
            yield f"{SERVER} {target}:{tclass} {perm} is missing"
    if SERVER not in p.attributes.get("mcssetcats", {SERVER}):
        yield f"{SERVER} is not in attribute mcssetcats"


def shipped_domains_have_what_serving_takes(p):
    """The optional blocks and the conditional ones had their effect."""
    session = "httpd_var_run_t" if p.distribution == "fedora" else "httpd_var_lib_t"
    all_three = [(SERVER, "fd", "use"), (SERVER, "tcp_socket", "write"),
                 ("httpd_sys_content_t", "file", "map"), ("httpd_sys_rw_content_t", "file", "read"),
                 ("httpd_log_t", "file", "append"), ("httpd_tmpfs_t", "file", "lock"),
                 ("httpd_tmp_t", "file", "create"), (session, "file", "create"),
                 ("httpd_sys_script_exec_t", "file", "execute_no_trans"),
                 ("bin_t", "file", "execute_no_trans"), ("lib_t", "file", "execute")]
    writers = [("httpd_sys_rw_content_t", "file", "create"),
               ("httpd_lock_t" if p.distribution == "debian" else "httpd_var_lib_t", "file", "create")]
    for name in sorted(SHIPPED & p.domains):
        for target, tclass, perm in all_three + (writers if name != "anon_webapp_t" else []):
            if not p.has(name, target, tclass, perm):
                yield f"{name} {target}:{tclass} {perm} is missing"


def administrators_see_and_end_scripts(p):
    for name in ("init_t", "unconfined_t"):
        if name not in p.types:
            continue
        for perm in p.lacks(name, "anon_webapp_t", "process", {"getattr", "sigkill", "signal"}):
            yield f"{name} webapp_domain:process {perm} is missing"


def the_applications_types_are_there(p):
    for name in sorted({"anon_app_t", "user_app_t", "staff_app_t"} - p.apps):
        yield f"{name} is not in attribute webapp_app"


def categories_confine_every_application(p):
    for attribute in ("mcs_constrained_type", "webapp_categorized"):
        for name in sorted(p.apps - p.attributes.get(attribute, set())):
            yield f"{name} is not in attribute {attribute}"
    for name in sorted(p.apps):
        for tclass in levels.FILES:
            if not p.constraints.refuse(tclass, "create", name, "any other", (levels.OWN, levels.NONE)):
                yield f"{name}: {tclass} create without a category"


def none_but_the_broker_starts_applications(p):
    """Of those whom a request reaches; nobody enters one without executing a program."""
    for perm in ("transition", "dyntransition"):
        reached = p.domains | p.apps | {SERVER} | ({BROKER} if perm == "dyntransition" else set())
        for name in sorted(p.into_app[perm] & reached):
            yield f"{name}: {perm} to an application's type"


def no_application_changes_context(p):
    for found in p.programs({"process"}, CHANGE_CONTEXT, p.apps):
        yield words(found)


def no_application_reaches_other_processes(p):
    """Of the server's, the domains', the broker's, and other applications'."""
    for found in p.programs({"process"}, {"ptrace"} | SIGNAL, p.apps):
        if found[1] != found[0] or found[3] == "ptrace":
            yield words(found)
    others = p.domains | p.apps | {SERVER, BROKER}
    for found in p.programs({"file", "dir", "lnk_file"}, {"open", "read", "search"} | WRITE, p.apps):
        if found[1] in others - {found[0]}:
            yield words(found)


def no_application_connects(p):
    """But to its own sockets; and it has none but those in the file system."""
    for found in p.programs(None, CONNECT - {"accept", "bind", "listen"}, p.apps):
        own = found[1] == found[0] and (found[2].startswith("unix_") or found[2] == "association")
        if not own and found[1] not in TRANSLATION:
            yield words(found)
    for found in p.programs(None, {"create"}, p.apps):
        if found[2].endswith("socket") and not found[2].startswith("unix_"):
            yield words(found)
    for found in p.programs({"sock_file"}, {"write"}, p.apps):
        if found[1] not in TRANSLATION | {"mod_selinux_app_state_t"}:
            yield words(found)


def no_application_executes_what_is_written(p):
    sources = p.apps | {BROKER}
    executed = {(f[0], f[1]): f for f in p.programs({"file"}, EXECUTE, sources)}
    for found in p.programs({"file", "dir"}, WRITE | {"add_name"}, sources):
        if (found[0], found[1]) in executed:
            yield f"{words(found)}, and {executed[found[0], found[1]][3]}"
    for found in p.programs({"process"}, EXECUTABLE_MEMORY, sources):
        yield words(found)


def applications_and_their_broker_have_no_privileges(p):
    sources = p.apps | {BROKER}
    privileges = {name for name in NOTHING_OF if "cap" in name or name in {"system", "bpf", "io_uring", "user_namespace"}}
    for found in itertools.chain(p.programs(privileges, None, sources), p.programs(None, RELABEL, sources)):
        yield words(found)
    for found in p.programs({"process"}, {"transition", "dyntransition", "setcurrent", "setkeycreate", "ptrace"}, {BROKER}):
        if found[3] != "transition" or found[1] not in p.apps:
            yield words(found)


PROPERTIES = [
    the_domains_are_there,
    every_domain_is_bounded_by_the_server,
    every_type_bounded_by_the_server_is_a_domain,
    no_grant_goes_beyond_the_bounds,
    categories_confine_every_domain,
    categories_decide_of_all_that_has_some,
    nothing_is_made_without_its_makers_categories,
    no_domain_is_in_attribute_domain,
    no_domain_writes_a_process_file,
    no_domain_reads_process_memory,
    no_domain_changes_context,
    only_the_server_enters_a_domain,
    no_domain_traces,
    no_domain_signals,
    no_domain_reads_secrets,
    no_domain_reaches_published_maps,
    nothing_is_both_written_and_executed,
    no_domain_has_executable_memory,
    no_domain_relabels_or_mounts,
    no_domain_connects,
    no_domain_has_privileges,
    shipped_domains_write_only_what_they_are_meant_to,
    the_server_gets_no_power_over_a_domain,
    the_server_has_what_the_module_needs,
    shipped_domains_have_what_serving_takes,
    administrators_see_and_end_scripts,
    the_applications_types_are_there,
    categories_confine_every_application,
    none_but_the_broker_starts_applications,
    no_application_changes_context,
    no_application_reaches_other_processes,
    no_application_connects,
    no_application_executes_what_is_written,
    applications_and_their_broker_have_no_privileges,
]


def main(argv):
    path = argv[1] if len(argv) > 1 else "/sys/fs/selinux/policy"
    policy = Policy(path)
    failed = False
    for check in PROPERTIES:
        found = list(check(policy))
        if found:
            failed = True
            more = f" (and {len(found) - 20} more)" if len(found) > 20 else ""
            print(f"FAIL {check.__name__}: {'; '.join(found[:20])}{more}")
        else:
            print(f"ok {check.__name__}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
