#!/usr/bin/env bash
# Builds karmada-rs and starts a control plane with three members: member1 and member2 (push) and member3 (pull).
#
#   hack/local-up.sh [--data-dir DIR] [--members N] [--kind] [--no-build] [KARMADA UP FLAGS...]
#
# Kubeconfigs are written as upstream's script does: karmada.config (contexts karmada-apiserver and karmada-host, and the
# members) and members.config, in $KUBECONFIG_PATH or ~/.kube. Running it twice is harmless. Other flags go to `karmada up`
# as they are (--feature-gates, --secure-port, --controller-manager-flag, ...). With --kind, members and host are kind
# clusters instead of embedded ones.
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

DATA_DIR="$(data_dir_default)"
MEMBERS=3
KIND=
BUILD=1
FLAGS=()
while [ $# -gt 0 ]; do
    case "$1" in
        --data-dir) [ $# -ge 2 ] || die "--data-dir needs a directory"; DATA_DIR="$2"; shift 2 ;;
        --data-dir=*) DATA_DIR="${1#*=}"; shift ;;
        --members) [ $# -ge 2 ] || die "--members needs a number"; MEMBERS="$2"; shift 2 ;;
        --members=*) MEMBERS="${1#*=}"; shift ;;
        --kind) KIND=1; shift ;;
        --no-build) BUILD=; shift ;;
        -h|--help) sed -n '2,11p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
        *) FLAGS+=("$1"); shift ;;
    esac
done
case "$MEMBERS" in ''|*[!0-9]*) die "--members $MEMBERS is not a number" ;; esac
if [ -n "$KIND" ]; then
    exec "$KARMADA_ROOT/hack/local-up-kind.sh" --data-dir "$DATA_DIR" ${BUILD:+--build} "${FLAGS[@]}"
fi

KUBECONFIG_DIR="${KUBECONFIG_PATH:-$HOME/.kube}"
BINARY="$(target_dir)/release/karmada"

usage_hint() {
    cat <<EOF

Karmada is running (process $1, data in $DATA_DIR, log in $DATA_DIR/karmada.log).

  export KUBECONFIG="$KUBECONFIG_DIR/karmada.config"
  kubectl --context karmada-apiserver get clusters
  kubectl --context karmada-apiserver apply -f samples/nginx/
  kubectl --context karmada-apiserver get deploy,rb,work -A
  kubectl --context member3 get pods

Stop it with hack/local-down.sh${DATA_DIR_FLAG:+ $DATA_DIR_FLAG}; the data stay.
EOF
}
DATA_DIR_FLAG=
[ "$DATA_DIR" = "$(data_dir_default)" ] || DATA_DIR_FLAG="--data-dir $DATA_DIR"

if pid="$(running_pid "$DATA_DIR")"; then
    log "already running"
    usage_hint "$pid"
    exit 0
fi

if [ -n "$BUILD" ]; then
    need_cargo
    need_package cc gcc
    log "building (a first build takes some minutes)"
    (cd "$KARMADA_ROOT" && cargo build --release --locked --package karmada) >&2
fi
[ -x "$BINARY" ] || die "$BINARY is not there; run without --no-build"

mkdir -p "$DATA_DIR" || die "cannot make $DATA_DIR"
PULL=0
[ "$MEMBERS" -lt 3 ] || PULL=1
log "starting"
setsid nohup "$BINARY" up --data-dir "$DATA_DIR" --kubeconfig-path "$KUBECONFIG_DIR" \
    --members "$MEMBERS" --pull-members "$PULL" "${FLAGS[@]}" >>"$DATA_DIR/karmada.log" 2>&1 </dev/null &
child=$!

# Ready is when the process says so in its log, which is after the members have joined.
from=$(($(wc -l <"$DATA_DIR/karmada.log" 2>/dev/null || echo 0)))
for _ in $(seq 1 600); do
    if tail -n +"$((from > 0 ? from - 1 : 1))" "$DATA_DIR/karmada.log" 2>/dev/null | grep -q 'all is ready'; then
        if pid="$(running_pid "$DATA_DIR")"; then
            log "ready"
            usage_hint "$pid"
            exit 0
        fi
    fi
    if ! kill -0 "$child" 2>/dev/null; then
        tail -n 5 "$DATA_DIR/karmada.log" >&2
        die "the control plane did not start; its log is $DATA_DIR/karmada.log"
    fi
    sleep 0.1
done
tail -n 20 "$DATA_DIR/karmada.log" >&2
die "not ready within 60 seconds; the log is $DATA_DIR/karmada.log"
