#!/usr/bin/python3
"""Does check.py see what is wrong? For each property, a policy that breaks it.

Compiles small.cil with conf/policy/mod_selinux.cil and one line that must not be there (or
without one that must), and expects check.py to name the property. Needs secilc and setools.
"""

import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import check  # noqa: E402 pylint: disable=wrong-import-position

HERE = os.path.dirname(os.path.abspath(__file__))
MODULE = os.path.join(HERE, "..", "..", "conf", "policy", "mod_selinux.cil")

# What the documentation tells an administrator to write.
OWN_DOMAIN = "(type own_webapp_t)(call webapp_domain (own_webapp_t))(call webapp_cgi (own_webapp_t))"

# What `selinux-map domain` writes beside it.
OWN_CONTENT = "(type own_content_t)(call webapp_content (own_webapp_t own_content_t))" \
              "(type own_rw_content_t)(call webapp_rw_content (own_webapp_t own_rw_content_t))"

# And with `--app`.
OWN_APP = "(type own_app_t)(call webapp_app (own_app_t))(call webapp_app_serve (own_webapp_t own_app_t))" \
          "(call webapp_content (own_app_t own_content_t))(call webapp_rw_content (own_app_t own_rw_content_t))"

# (property that must fail, text added, (pattern, replacement) applied to the module)
BROKEN = [
    ("the_domains_are_there", "", (r"\(call webapp_domain \(anon_webapp_t\)\)", "")),
    ("every_domain_is_bounded_by_the_server", "", (r"\(typebounds httpd_t this\)", "")),
    ("every_type_bounded_by_the_server_is_a_domain",
     "(type stray_t)(roletype system_r stray_t)(typebounds httpd_t stray_t)", None),
    # The same right under a boolean for the server, under none or another for the domain.
    ("no_grant_goes_beyond_the_bounds", "(allow user_webapp_t httpd_sys_rw_content_t (file (map)))", None),
    ("no_grant_goes_beyond_the_bounds",
     "(booleanif httpd_enable_cgi (true (allow user_webapp_t httpd_sys_rw_content_t (file (map)))))", None),
    ("no_grant_goes_beyond_the_bounds", "(allow anon_webapp_t security_t (dir (ioctl)))", None),
    ("no_grant_goes_beyond_the_bounds", "(allow anon_webapp_t self (dir (add_name)))", None),
    ("categories_confine_every_domain", "", (r"\(typeattributeset mcs_constrained_type .*\)", "")),
    ("categories_decide_of_all_that_has_some", "", (r"(?s)\(mlsconstrain \(unix_stream_socket .*?webapp_categorized\)\)\)", "")),
    ("categories_decide_of_all_that_has_some", "", (r"reparent rmdir search", "reparent search")),
    ("nothing_is_made_without_its_makers_categories", "", (r"\(mlsconstrain \(dir \(create\)\).*", "")),
    ("nothing_is_made_without_its_makers_categories", "", (r"domby l1 l2", "dom l2 l1")),
    ("nothing_is_made_without_its_makers_categories", "",
     (r"\(typeattributeset webapp_common_file .*\)", "")),
    ("nothing_is_made_without_its_makers_categories", "(typeattributeset webapp_common_file (httpd_tmp_t))", None),
    ("nothing_is_made_without_its_makers_categories", "(defaultrange unix_stream_socket target low)", None),
    ("no_domain_is_in_attribute_domain", "(typeattributeset domain (staff_webapp_t))", None),
    ("no_domain_writes_a_process_file", "(allow webapp_domain self (file (write)))", None),
    ("no_domain_writes_a_process_file", "(allow user_webapp_t httpd_t (file (append)))", None),
    ("no_domain_reads_process_memory", "(allow user_webapp_t self (file (open read)))", None),
    ("no_domain_reads_process_memory", "(allow user_webapp_t proc_t (dir (search)))", None),
    ("no_domain_changes_context", "(allow anon_webapp_t self (process (setcurrent)))", None),
    ("no_domain_changes_context", "(allow anon_webapp_t httpd_t (process (dyntransition)))", None),
    ("no_domain_changes_context", "(allow anon_webapp_t user_webapp_t (process (transition)))", None),
    ("only_the_server_enters_a_domain", "(allow unconfined_t webapp_domain (process (transition)))", None),
    ("only_the_server_enters_a_domain", "(allow init_t user_webapp_t (process (dyntransition)))", None),
    ("no_domain_traces", "(allow staff_webapp_t self (process (ptrace)))", None),
    ("no_domain_signals", "(allow staff_webapp_t httpd_t (process (signull)))", None),
    ("no_domain_signals", "(allow staff_webapp_t self (process (sigkill)))", None),
    ("no_domain_reads_secrets", "(allow user_webapp_t httpd_config_t (file (read)))", None),
    ("no_domain_reads_secrets", "(allow user_webapp_t etc_t (file (open)))", None),
    ("no_domain_reads_secrets", "(allow user_webapp_t shadow_t (file (map)))", None),
    ("no_domain_reaches_published_maps", "(allow user_webapp_t file_type (file (getattr)))", None),
    ("no_domain_reaches_published_maps", "(allow webapp_domain mod_selinux_run_t (dir (search)))", None),
    ("no_domain_reaches_published_maps", "", (r"mod_selinux_run_t", "renamed_run_t")),
    ("nothing_is_both_written_and_executed", "(allow user_webapp_t bin_t (file (append)))", None),
    ("nothing_is_both_written_and_executed", "(allow user_webapp_t httpd_tmp_t (file (execute)))", None),
    ("nothing_is_both_written_and_executed",
     "(booleanif httpd_enable_cgi (true (allow user_webapp_t httpd_sys_script_exec_t (dir (add_name)))))",
     None),
    ("no_domain_has_executable_memory", "(allow anon_webapp_t self (process (execmem)))", None),
    ("no_domain_has_executable_memory", "(allow anon_webapp_t lib_t (file (execmod)))", None),
    ("no_domain_relabels_or_mounts", "(allow user_webapp_t httpd_tmp_t (file (relabelto)))", None),
    ("no_domain_connects", "(allow user_webapp_t http_port_t (tcp_socket (name_connect)))", None),
    ("no_domain_connects", "(allow user_webapp_t httpd_t (unix_stream_socket (connectto)))", None),
    ("no_domain_connects", "(allow user_webapp_t self (udp_socket (create)))", None),
    ("no_domain_connects", "(allow webapp_domain httpd_t (unix_dgram_socket (connect)))", None),
    ("no_domain_connects", "(allow webapp_domain httpd_t (unix_dgram_socket (read)))", None),
    ("no_domain_connects", "(allow webapp_domain self (unix_dgram_socket (write)))", None),
    ("no_domain_has_privileges", "(allow user_webapp_t self (capability (sys_admin)))", None),
    ("no_domain_has_privileges", "(allow webapp_domain httpd_t (sem (unix_read)))", None),
    ("no_domain_has_privileges", "(allow webapp_domain self (sem (write)))", None),
    ("shipped_domains_write_only_what_they_are_meant_to", "(call webapp_write (anon_webapp_t))", None),
    ("shipped_domains_write_only_what_they_are_meant_to",
     "(allow user_webapp_t httpd_sys_content_t (file (write)))", None),
    ("the_server_gets_no_power_over_a_domain", "(allow httpd_t webapp_domain (process (ptrace)))", None),
    ("the_server_has_what_the_module_needs", "", (r"\(allow httpd_t self \(peer .*\)", "")),
    ("the_server_has_what_the_module_needs", "", (r"\(allow httpd_t self \(process \(setcurrent .*\)", "")),
    ("the_server_has_what_the_module_needs", "", (r"\(allow httpd_t webapp_domain \(process .*", "")),
    ("the_server_has_what_the_module_needs", "", (r"\(allow httpd_t selinux_config_t \(file .*", "")),
    ("the_server_has_what_the_module_needs", "", (r"\(allow httpd_t security_t \(security .*", "")),
    # A name that the policy lacks drops an optional block without a word.
    ("shipped_domains_have_what_serving_takes", "", (r"require (httpd_runtime_t|passwd_file_t)", "require no_such_t")),
    ("administrators_see_and_end_scripts", "", (r"allow init_t webapp_domain", "allow no_such_t webapp_domain")),
    ("no_domain_connects", "(allow user_webapp_t init_t (unix_stream_socket (connectto)))", None),
    ("no_domain_has_privileges", "(allow user_webapp_t mod_selinux_app_run_t (sock_file (unlink)))", None),
    ("the_applications_types_are_there", "", (r"\(call webapp_app \(anon_app_t\)\)", "")),
    ("categories_confine_every_application", "", (r"\(typeattributeset mcs_constrained_type \(webapp_app\)\)", "")),
    ("categories_confine_every_application", "", (r"\(typeattributeset webapp_categorized \(webapp_app\)\)", "")),
    ("none_but_the_broker_starts_applications", "(allow httpd_t user_app_t (process (transition)))", None),
    ("none_but_the_broker_starts_applications", "(allow user_webapp_t user_app_t (process (transition)))", None),
    ("none_but_the_broker_starts_applications", "(allow selinux_broker_t user_app_t (process (dyntransition)))", None),
    ("no_application_changes_context", "(allow user_app_t self (process (setexec)))", None),
    ("no_application_changes_context", "(allow user_app_t staff_app_t (process (transition)))", None),
    ("no_application_reaches_other_processes", "(allow user_app_t staff_app_t (process (signull)))", None),
    ("no_application_reaches_other_processes", "(allow user_app_t self (process (ptrace)))", None),
    ("no_application_reaches_other_processes", "(allow user_app_t httpd_t (file (read)))", None),
    ("no_application_reaches_other_processes", "(allow user_app_t user_webapp_t (dir (search)))", None),
    ("no_application_connects", "(allow user_app_t selinux_broker_t (unix_stream_socket (connectto)))", None),
    ("no_application_connects", "(allow user_app_t staff_app_t (unix_stream_socket (connectto)))", None),
    ("no_application_connects", "(allow user_app_t self (tcp_socket (create)))", None),
    ("no_application_connects", "(allow user_app_t mod_selinux_app_run_t (sock_file (write)))", None),
    ("no_application_executes_what_is_written", "(allow user_app_t mod_selinux_app_state_t (file (execute)))", None),
    ("no_application_executes_what_is_written", "(allow user_app_t self (process (execmem)))", None),
    ("no_application_executes_what_is_written", "(allow selinux_broker_t bin_t (file (write)))", None),
    ("applications_and_their_broker_have_no_privileges", "(allow selinux_broker_t self (capability (sys_admin)))", None),
    ("applications_and_their_broker_have_no_privileges", "(allow selinux_broker_t httpd_t (process (transition)))", None),
    ("applications_and_their_broker_have_no_privileges", "(allow user_app_t etc_t (file (relabelto)))", None),
]


def compile_policy(folder, distribution, added, edit):
    with open(MODULE, encoding="utf-8") as file:
        text = file.read()
    if edit:
        text, count = re.subn(*edit, text)
        if not count:
            raise SystemExit(f"test_check.py: nothing matches {edit[0]}")
    sources = [os.path.join(HERE, "small.cil"), os.path.join(HERE, f"{distribution}.cil")]
    for name, content in (("module.cil", text), ("added.cil", added)):
        sources.append(os.path.join(folder, name))
        with open(sources[-1], "w", encoding="utf-8") as file:
            file.write(content + "\n")
    policy = os.path.join(folder, "policy")
    # -N: neverallow and bounds are not enforced, as with `expand-check=0` of both distributions.
    subprocess.run(["secilc", "-N", "-c", "31", "-f", "/dev/null", "-o", policy, *sources], check=True)
    return policy


def failures(policy):
    found = {}
    rules = check.Policy(policy)
    for prop in check.PROPERTIES:
        wrong = list(prop(rules))
        if wrong:
            found[prop.__name__] = "; ".join(wrong)
    return found


def main():
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for distribution in ("debian", "fedora"):
            for what, added in (("as it is", ""), ("with a domain of one's own", OWN_DOMAIN),
                                ("and content of its own", OWN_DOMAIN + OWN_CONTENT),
                                ("and an application", OWN_DOMAIN + OWN_CONTENT + OWN_APP)):
                found = failures(compile_policy(folder, distribution, added, None))
                print("FAIL" if found else "ok", f"{distribution}, {what}: {found}")
                wrong += bool(found)
        for name, added, edit in BROKEN:
            # What is not the same on both is in blocks of the module that one of them drops.
            distributions = ("debian", "fedora") if name.startswith(("shipped", "nothing_is_made")) else ("debian",)
            for distribution in distributions:
                found = failures(compile_policy(folder, distribution, added, edit))
                seen = name in found
                print("ok" if seen else "FAIL", f"{distribution}, {added or edit}: {name}: {found.get(name)}")
                wrong += not seen
    for prop in check.PROPERTIES:
        if prop.__name__ not in {name for name, _, _ in BROKEN}:
            wrong += 1
            print(f"FAIL no broken policy for {prop.__name__}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
