"""attribute.py TOOL REPORT: counts valgrind's errors, and tells those whose innermost code is the module's.

A worker runs httpd's handlers, so that the module is somewhere in most stacks; a fault is its own where no code but
libc's, the loader's and valgrind's own is further in, in any of the fault's stacks.
"""

import sys
import xml.etree.ElementTree as tree

OTHERS = ("/vgpreload", "/libc.so", "/libc-", "/ld-linux", "/libpthread", "/libgcc_s", "-amd64-linux")
# (kind, part of a function's name or its file, why it is none)
KNOWN = [
    ("Leak_DefinitelyLost", "arc_swap::debt::list::Node",
     "one for each thread at a time, used again, in a list whose head goes when httpd unloads the module"),
    ("Dubious", "handoff.rs",
     "who waits is woken when the lock is free, and looks once more under it; tests/model checks the hand-over"),
    ("Race", "std::sync::once_lock::OnceLock", "std's locks are futexes, which helgrind does not know"),
    ("Race", "arc_swap::debt::list", "works without locks, by atomic instructions, which helgrind takes for plain ones"),
    ("Race", "board.rs", "the status page's counters: atomics alone, as above; tests/counters.rs"),
    ("Race", "get_cached_stack", "glibc's own: stacks of threads that have ended, under a lock that helgrind does not know"),
]


def innermost(stack):
    """The first object of a stack that may be to blame."""
    for frame in stack.iter("frame"):
        name = frame.findtext("obj", "")
        if name and not any(other in name for other in OTHERS):
            return name
    return ""


def known(error):
    """Why it is no fault, where that is known."""
    names = [frame.findtext(name, "") for frame in error.iter("frame") for name in ("fn", "file")]
    for kind, part, why in KNOWN:
        if error.findtext("kind") == kind and any(part in name for name in names):
            return why
    return None


tool, report = sys.argv[1:]
root = tree.parse(report).getroot()
if [status.findtext("state") for status in root.iter("status")][-1:] != ["FINISHED"]:
    sys.exit(f"{tool}: {report} is not whole")
errors = list(root.iter("error"))
own = [error for error in errors if any("mod_selinux" in innermost(stack) for stack in error.iter("stack"))]
faults = [error for error in own if not known(error)]
print(f"{tool}: {len(errors)} errors told, {len(own)} of the module's own, {len(faults)} of them faults")
for why in {known(error) for error in own} - {None}:
    print(f"{tool}: known: {why}")
for error in faults:
    print(error.findtext("kind"), error.findtext("what") or error.findtext("xwhat/text"))
    for stack in error.iter("stack"):
        for frame in list(stack.iter("frame"))[:12]:
            print("   ", frame.findtext("fn", "?"), frame.findtext("file", ""), frame.findtext("line", ""))
        print("    --")
sys.exit(bool(faults))
