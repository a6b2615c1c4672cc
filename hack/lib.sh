# shellcheck shell=bash
# Functions that the scripts of this folder share. Sourced, never run.

KARMADA_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export KARMADA_ROOT

log() { printf '[%s] %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() { printf 'Error: %s\n' "$*" >&2; exit 1; }

# as_root CMD...: runs a command as root, if we can.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1; then sudo "$@"
    else die "need root (or sudo) to run: $*"
    fi
}

# need_package COMMAND PACKAGE: installs the Debian package unless the command is there.
need_package() {
    command -v "$1" >/dev/null 2>&1 && return 0
    command -v apt-get >/dev/null 2>&1 || die "$1 is missing; install it (Debian package $2)"
    log "installing $2"
    if [ -z "${KARMADA_APT_UPDATED:-}" ]; then
        as_root apt-get update -qq >&2
        KARMADA_APT_UPDATED=1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >&2
}

# need_cargo: fails with advice unless a Rust toolchain is there.
need_cargo() {
    command -v cargo >/dev/null 2>&1 || die "cargo is missing; install Rust 1.95 or newer (rustup.rs)"
}

# target_dir: where cargo puts what it builds.
target_dir() { printf '%s\n' "${CARGO_TARGET_DIR:-$KARMADA_ROOT/target}"; }

# data_dir_default: where karmada up keeps its data unless told otherwise.
data_dir_default() { printf '%s\n' "${KARMADA_DATA_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/karmada}"; }

# running_pid DATA_DIR: prints the process id of the control plane on this data, if it runs.
running_pid() {
    local pid
    pid="$(cat "$1/karmada.pid" 2>/dev/null)" || return 1
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    # The number may have been given to another process since.
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q karmada || return 1
    printf '%s\n' "$pid"
}
