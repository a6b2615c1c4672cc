#!/usr/bin/env bash
# Stops what hack/local-up.sh started. The data stay.
#
#   hack/local-down.sh [--data-dir DIR] [--kind]
#
# With --kind, the kind clusters member1, member2 and member3 are deleted as well.
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
        -h|--help) sed -n '2,6p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
        *) die "unknown argument $1" ;;
    esac
done

# Agents of kind members first: they would only complain about a control plane that is gone.
for file in "$DATA_DIR"/kind/*.pid; do
    if pid="$(pid_in "$file")"; then
        stop_pid "$pid" "the agent of $(basename "$file" .pid)"
    fi
    rm -f "$file"
done

if pid="$(running_pid "$DATA_DIR")"; then
    stop_pid "$pid" "the control plane"
    log "stopped"
else
    log "nothing runs on $DATA_DIR"
fi

if [ -n "$KIND" ]; then
    command -v kind >/dev/null 2>&1 || die "kind is not installed"
    for cluster in member1 member2 member3; do
        if kind get clusters 2>/dev/null | grep -qx "$cluster"; then
            kind delete cluster --name "$cluster" >&2
        fi
    done
fi
