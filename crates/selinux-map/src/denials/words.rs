//! What was refused, in words.

use super::audit::Refusal;

/// What an object of this class is called.
pub fn kind(class: &str) -> &str {
    match class {
        "file" => "file",
        "dir" => "folder",
        "lnk_file" => "link",
        "fifo_file" => "pipe",
        "sock_file" => "socket in the file system",
        "chr_file" | "blk_file" => "device",
        "fd" => "open descriptor",
        "process" | "process2" => "process",
        "tcp_socket" => "TCP socket",
        "udp_socket" => "UDP socket",
        "unix_stream_socket" | "unix_dgram_socket" => "local socket",
        "capability" | "capability2" | "cap_userns" => "privilege",
        other => other,
    }
}

/// What a permission is for.
fn verb(permission: &str) -> &str {
    match permission {
        "add_name" => "add a name to",
        "append" => "append to",
        "connectto" | "name_connect" => "connect to",
        "dyntransition" => "enter the context of",
        "execmem" => "make executable memory in",
        "execute" | "execute_no_trans" => "run",
        "getattr" => "look at",
        "ioctl" => "control",
        "map" => "map",
        "open" => "open",
        "ptrace" => "trace",
        "read" => "read",
        "remove_name" => "take a name out of",
        "search" => "go through",
        "setattr" => "change the attributes of",
        "sigkill" | "signal" | "signull" | "sigstop" => "send a signal to",
        "unlink" | "rmdir" => "remove",
        "use" => "use",
        "write" => "write to",
        other => other,
    }
}

/// What was refused, as a part of a sentence: `read the file bar.txt`.
pub fn refused(refusal: &Refusal) -> String {
    let mut verbs = Vec::new();
    for verb in refusal.permissions.iter().map(|permission| verb(permission)) {
        if !verbs.contains(&verb) {
            verbs.push(verb);
        }
    }
    let object = refusal.object.as_ref().map_or(String::new(), |object| format!(" {object}"));
    format!("{} the {}{object}", verbs.join(", "), kind(&refusal.class))
}
