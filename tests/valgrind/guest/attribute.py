"""attribute.py TOOL REPORT: counts valgrind's errors, and tells those whose innermost code is the module's.

A worker runs httpd's handlers, so that the module is somewhere in most stacks; a fault is its own where no code but
libc's, the loader's and valgrind's own is further in, in any of the fault's stacks.
"""

import sys
import xml.etree.ElementTree as tree

OTHERS = ("/vgpreload", "/libc.so", "/libc-", "/ld-linux", "/libpthread", "/libgcc_s", "-amd64-linux")


def innermost(stack):
    """The first object of a stack that may be to blame."""
    for frame in stack.iter("frame"):
        name = frame.findtext("obj", "")
        if name and not any(other in name for other in OTHERS):
            return name
    return ""


tool, report = sys.argv[1:]
errors = list(tree.parse(report).getroot().iter("error"))
own = [error for error in errors if any("mod_selinux" in innermost(stack) for stack in error.iter("stack"))]
print(f"{tool}: {len(errors)} errors told, {len(own)} of the module's own")
for error in own:
    print(error.findtext("kind"), error.findtext("what") or error.findtext("xwhat/text"))
    for stack in error.iter("stack"):
        for frame in list(stack.iter("frame"))[:12]:
            print("   ", frame.findtext("fn", "?"), frame.findtext("file", ""), frame.findtext("line", ""))
        print("    --")
sys.exit(bool(own))
