#!/usr/bin/env bash
# Builds karmada-rs and starts a control plane with three members: member1 and member2 (push) and member3 (pull).
#
#   hack/local-up.sh [--data-dir DIR] [--members N] [--kind] [--no-build] [KARMADA UP FLAGS...]
#
# Kubeconfigs are written as upstream's script does: karmada.config (contexts karmada-apiserver and karmada-host, and the
# members) and members.config, in $KUBECONFIG_PATH or ~/.kube. Running it twice is harmless. Other flags go to `karmada up`
# as they are (--feature-gates, --secure-port, --controller-manager-flag, ...). With --kind, the members are kind clusters:
# see hack/local-up-kind.sh.
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
        -h|--help) sed -n '2,9p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
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

[ -z "$BUILD" ] || build_karmada
[ -x "$BINARY" ] || die "$BINARY is not there; run without --no-build"
PULL=0
[ "$MEMBERS" -lt 3 ] || PULL=1
start_karmada "$BINARY" "$DATA_DIR" --kubeconfig-path "$KUBECONFIG_DIR" \
    --members "$MEMBERS" --pull-members "$PULL" "${FLAGS[@]}"
usage_hint "$(running_pid "$DATA_DIR")"
