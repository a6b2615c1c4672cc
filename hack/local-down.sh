#!/usr/bin/env bash
# Stops what hack/local-up.sh started. The data stay.
#
#   hack/local-down.sh [--data-dir DIR] [--kind]
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

DATA_DIR="$(data_dir_default)"
KIND=
while [ $# -gt 0 ]; do
    case "$1" in
        --data-dir) [ $# -ge 2 ] || die "--data-dir needs a directory"; DATA_DIR="$2"; shift 2 ;;
        --data-dir=*) DATA_DIR="${1#*=}"; shift ;;
        --kind) KIND=1; shift ;;
        -h|--help) sed -n '2,4p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
        *) die "unknown argument $1" ;;
    esac
done

if pid="$(running_pid "$DATA_DIR")"; then
    kill -TERM "$pid"
    for _ in $(seq 1 200); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    if kill -0 "$pid" 2>/dev/null; then
        log "process $pid does not end; killing it (what was acknowledged is safe)"
        kill -KILL "$pid"
    fi
    log "stopped"
else
    log "nothing runs on $DATA_DIR"
fi

if [ -n "$KIND" ]; then
    command -v kind >/dev/null 2>&1 || die "kind is not installed"
    for cluster in karmada-host member1 member2 member3; do
        if kind get clusters 2>/dev/null | grep -qx "$cluster"; then
            kind delete cluster --name "$cluster" >&2
        fi
    done
fi
