"""What the constraints of a policy make of levels, and what labels new files get: for check.py."""

from collections import defaultdict

import setools

OPERATORS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "eq": lambda a, b: a == b,
    "dom": lambda a, b: a >= b,
    "domby": lambda a, b: a <= b,
    "incomp": lambda a, b: not (a >= b or a <= b),
}

# What a process of one category meets that another made, or nobody with any.
OWN, OTHER, NONE = frozenset({0}), frozenset({1}), frozenset()

FILES = ("file", "dir", "lnk_file", "chr_file", "blk_file", "sock_file", "fifo_file")
_FILE = {"append", "create", "ioctl", "link", "lock", "read", "relabelfrom", "relabelto", "rename", "setattr",
         "unlink", "write"}
_SOCKET = {"accept", "append", "bind", "connect", "create", "getopt", "ioctl", "listen", "read", "setattr", "setopt",
           "shutdown", "write"}
_IPC = {"create", "destroy", "read", "setattr", "unix_read", "unix_write", "write"}

# What categories decide, by class: all but names and attributes.
DECIDED = {name: _FILE | {"open"} for name in FILES}
DECIDED["lnk_file"] = _FILE
DECIDED["file"] = _FILE | {"execute", "execute_no_trans", "map", "open"}
DECIDED["dir"] = _FILE | {"add_name", "open", "remove_name", "reparent", "rmdir", "search"}
DECIDED |= {name: _SOCKET for name in ("tcp_socket", "udp_socket", "rawip_socket")}
DECIDED["unix_stream_socket"] = _SOCKET | {"connectto"}
DECIDED["unix_dgram_socket"] = _SOCKET | {"sendto"}
DECIDED |= {"sem": _IPC, "shm": _IPC | {"lock"}, "msgq": _IPC | {"enqueue"}}
DECIDED["key"] = {"create", "link", "read", "search", "setattr", "view", "write"}
DECIDED["process"] = {"getattr", "getcap", "getpgid", "getsched", "getsession", "ptrace", "setcap", "setpgid",
                      "setrlimit", "setsched", "share", "sigkill", "signal", "sigstop"}


class Constraints:
    """The mlsconstrain rules, and the ranges that new files get."""

    def __init__(self, policy):
        self.by_permission = defaultdict(list)
        for rule in policy.constraints():
            if rule.ruletype == setools.ConstraintRuletype.mlsconstrain:
                expression = [token if isinstance(token, str)
                              else {str(name) for symbol in token for name in symbol.expand()}
                              for token in rule.expression]
                for perm in rule.perms:
                    self.by_permission[str(rule.tclass), perm].append(expression)
        # class -> "source" or "target"
        self.defaults = {str(rule.tclass): str(rule.default) for rule in policy.defaults()
                         if rule.ruletype == setools.DefaultRuletype.default_range}

    def refuse(self, tclass, perm, source, target, levels):
        """Whether a process of the type `source` is refused this, whatever the rules say: `levels` are its own
        categories and the object's. User and role are the same for both."""
        values = {"t1": source, "t2": target, "u1": "u", "u2": "u", "r1": "r", "r2": "r",
                  "l1": levels[0], "h1": levels[0], "l2": levels[1], "h2": levels[1]}
        return not all(holds(expression, values) for expression in self.by_permission[tclass, perm])


def holds(expression, values):
    stack = []
    for token in expression:
        if not isinstance(token, str):
            stack.append(token)
        elif token in values:
            stack.append(values[token])
        elif token == "not":
            stack.append(not stack.pop())
        else:
            right, left = stack.pop(), stack.pop()
            if token in ("and", "or"):
                stack.append(left and right if token == "and" else left or right)
            elif isinstance(right, set):
                stack.append((left in right) == (token == "=="))
            else:
                stack.append(OPERATORS[token](left, right))
    return stack.pop()
