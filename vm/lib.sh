# What the scripts of the virtual machine share. Sourced, never run.
# shellcheck shell=bash disable=SC2034

set -euo pipefail

vm_scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$vm_scripts")
cache=${MOD_SELINUX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mod_selinux}
# One folder per virtual machine: whoever wants another one of their own names another folder.
vm=$(realpath -m "${MOD_SELINUX_VM:-$cache/vm-default}")
# Where the project lies in the guest; its label there (user_home_t or the like) is nothing httpd may read.
guest_repo=/root/mod_selinux

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
    say "$@"
    exit 1
}

# The progress of long work: `step TEXT` says how far into the script it begins.
step() { printf '%s: [%3d s] %s\n' "${0##*/}" "$SECONDS" "$*" >&2; }

# The name of the image that the present recipe and key make.
image_dir() {
    printf '%s/image-%s\n' "$cache" \
        "$({ cat "$vm_scripts/image" "$vm_scripts/guest"/*; cat "$cache/key.pub" 2>/dev/null || true; } | sha256sum | cut -c1-16)"
}

# Is there still the QEMU of this VM? (Process ids are used again; the command line is the proof.)
vm_alive() {
    local pid line
    pid=$(cat "$vm/pid" 2>/dev/null) || return 1
    line=$(cat "/proc/$pid/cmdline" 2>/dev/null | tr '\0' ' ') || return 1
    [[ $line == *"$vm/console.log"* ]]
}

# A port of this machine that nobody has yet.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# This boot of this machine, by whose name the verdict over its KVM is kept.
this_boot() { cat /proc/sys/kernel/random/boot_id; }
# KVM is there, and no guest has died of it since this machine was booted.
kvm_usable() { [[ -r /dev/kvm && -w /dev/kvm && $(cat "$cache/no-kvm" 2>/dev/null) != $(this_boot) ]]; }
kvm_failed() { this_boot >"$cache/no-kvm"; }

# What the guest last said, for whoever has to find out why it failed.
console_tail() {
    {
        printf -- '---- last lines of the guest'\''s console (%s)\n' "$vm/console.log"
        tail -n 60 "$vm/console.log" 2>/dev/null | tr -d '\r' || true
        if [[ -s $vm/qemu.log ]]; then
            printf -- '---- QEMU said\n'
            tail -n 20 "$vm/qemu.log"
        fi
        printf -- '----\n'
    } >&2
}

# Options for ssh and scp. One master connection serves all commands: under emulation a handshake costs seconds.
ssh_options() {
    ssh_opts=(
        -F none -i "$cache/key" -p "$(<"$vm/port")"
        -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR
        -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no
        -o ControlMaster=auto -o ControlPath="$vm/ssh" -o ControlPersist=3600
        # A guest that hangs is noticed within a minute.
        -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=4
    )
}
