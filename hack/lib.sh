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

# pid_in FILE: prints the process id that the file holds, if a karmada process of that id runs.
pid_in() {
    local pid
    pid="$(cat "$1" 2>/dev/null)" || return 1
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    # The number may have been given to another process since.
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q karmada || return 1
    printf '%s\n' "$pid"
}

# running_pid DATA_DIR: prints the process id of the control plane on this data, if it runs.
running_pid() { pid_in "$1/karmada.pid"; }

# build_karmada: builds the release binary.
build_karmada() {
    need_cargo
    need_package cc gcc
    log "building (a first build takes some minutes)"
    (cd "$KARMADA_ROOT" && cargo build --release --locked --package karmada) >&2
}

# start_karmada BINARY DATA_DIR FLAGS...: starts `karmada up` on the data and returns when all of it is ready.
start_karmada() {
    local binary="$1" data="$2" from child pid
    shift 2
    mkdir -p "$data" || die "cannot make $data"
    # What an earlier process said does not count.
    touch "$data/karmada.log" || die "cannot write $data/karmada.log"
    from=$(($(wc -l <"$data/karmada.log") + 1))
    log "starting"
    setsid nohup "$binary" up --data-dir "$data" "$@" >>"$data/karmada.log" 2>&1 </dev/null &
    child=$!
    # Ready is when the process says so in its log, which is after the members have joined.
    for _ in $(seq 1 600); do
        if tail -n "+$from" "$data/karmada.log" 2>/dev/null | grep -q 'all is ready' && pid="$(running_pid "$data")"; then
            log "ready (process $pid)"
            return 0
        fi
        if ! kill -0 "$child" 2>/dev/null; then
            tail -n 5 "$data/karmada.log" >&2
            die "the control plane did not start; its log is $data/karmada.log"
        fi
        sleep 0.1
    done
    tail -n 20 "$data/karmada.log" >&2
    die "not ready within 60 seconds; the log is $data/karmada.log"
}

# stop_pid PID WHAT: ends a process in order, or by force if it does not end within 20 seconds.
stop_pid() {
    kill -TERM "$1"
    for _ in $(seq 1 200); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    log "$2 (process $1) does not end; killing it (what was acknowledged is safe)"
    kill -KILL "$1"
}
