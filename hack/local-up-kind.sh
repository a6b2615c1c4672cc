#!/usr/bin/env bash
# Starts a control plane with kind clusters as members: member1, member2 and member3.
#
#   hack/local-up-kind.sh [--data-dir DIR] [--build] [KARMADA UP FLAGS...]
#
# The control plane is one process on this machine (`karmada up --members 0`) and its own host: contexts karmada-apiserver and
# karmada-host of karmada.config. The contexts of members.config are the kind clusters. Every member is joined in pull mode by
# an agent that runs as a process here, with the kind cluster's kubeconfig. Needs kind, docker and kubectl. Clusters that
# are there already are used as they are; running it twice is harmless. The data folder must not be one with simulated
# members. hack/local-up.sh --kind ends up here.
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

DATA_DIR="$(data_dir_default)"
BUILD=
FLAGS=()
while [ $# -gt 0 ]; do
    case "$1" in
        --data-dir) [ $# -ge 2 ] || die "--data-dir needs a directory"; DATA_DIR="$2"; shift 2 ;;
        --data-dir=*) DATA_DIR="${1#*=}"; shift ;;
        --build) BUILD=1; shift ;;
        -h|--help) sed -n '2,10p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
        *) FLAGS+=("$1"); shift ;;
    esac
done

MEMBERS=(member1 member2 member3)
KUBECONFIG_DIR="${KUBECONFIG_PATH:-$HOME/.kube}"
BINARY="$(target_dir)/release/karmada"
STATE="$DATA_DIR/kind"

for tool in kind docker kubectl; do
    command -v "$tool" >/dev/null 2>&1 || die "$tool is missing; install it, or use hack/local-up.sh without --kind"
done
docker info >/dev/null 2>&1 || die "docker does not answer; start it, or use hack/local-up.sh without --kind"
# Their Cluster objects bear the same names, and a cluster of another identity is refused under a name that is taken.
[ ! -d "$DATA_DIR/members" ] || die "$DATA_DIR holds simulated members; give --kind a --data-dir of its own"
[ -z "$BUILD" ] || build_karmada
[ -x "$BINARY" ] || die "$BINARY is not there; run with --build"
mkdir -p "$STATE" "$KUBECONFIG_DIR" || die "cannot make $STATE and $KUBECONFIG_DIR"

# make_cluster NAME: makes the kind cluster unless it is there, and writes its kubeconfig with a context of its name.
make_cluster() {
    local config="$STATE/$1.config"
    if kind get clusters 2>/dev/null | grep -qx "$1"; then
        log "kind cluster $1 is there"
    else
        log "making kind cluster $1"
        # The user's own kubeconfig is left alone.
        kind create cluster --name "$1" --kubeconfig "$config" --wait 180s >&2 || die "kind cannot make $1"
    fi
    (umask 077; kind get kubeconfig --name "$1" >"$config.new") || die "kind has no kubeconfig of $1"
    kubectl --kubeconfig "$config.new" config rename-context "kind-$1" "$1" >&2
    mv "$config.new" "$config"
}

# start_agent NAME: starts the member's agent unless it runs.
start_agent() {
    local config="$STATE/$1.config" endpoint pid
    if pid="$(pid_in "$STATE/$1.pid")"; then
        log "the agent of $1 runs already (process $pid)"
        return 0
    fi
    endpoint="$(kubectl --kubeconfig "$config" config view --raw -o 'jsonpath={.clusters[0].cluster.server}')"
    [ -n "$endpoint" ] || die "the kubeconfig of $1 names no server"
    # One agent per member: nobody to elect a leader among, and no ports of their own.
    setsid nohup "$BINARY" agent --cluster-name "$1" --kubeconfig "$config" --cluster-api-endpoint "$endpoint" \
        --karmada-kubeconfig "$KUBECONFIG_DIR/karmada.config" --karmada-context karmada-apiserver \
        --leader-elect=false --metrics-bind-address 0 --health-probe-bind-address 0 \
        >>"$STATE/$1.log" 2>&1 </dev/null &
    printf '%s\n' "$!" >"$STATE/$1.pid"
    log "started the agent of $1"
}

# wait_ready NAME: waits until the control plane knows the member as ready, and has taken away the taint of its beginning,
# with which nothing is placed there.
wait_ready() {
    local ready
    for _ in $(seq 1 120); do
        ready="$(kubectl --kubeconfig "$KUBECONFIG_DIR/karmada.config" --context karmada-apiserver get cluster "$1" \
            -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}{.spec.taints[?(@.key=="cluster.karmada.io/not-ready")].key}' \
            2>/dev/null)" || ready=
        [ "$ready" != True ] || { log "$1 is ready"; return 0; }
        if ! pid_in "$STATE/$1.pid" >/dev/null; then
            tail -n 5 "$STATE/$1.log" >&2
            die "the agent of $1 has ended; its log is $STATE/$1.log"
        fi
        sleep 1
    done
    die "$1 is not ready within two minutes; the log of its agent is $STATE/$1.log"
}

for member in "${MEMBERS[@]}"; do
    make_cluster "$member"
done
configs="$(printf "$STATE/%s.config:" "${MEMBERS[@]}")"
(umask 077; KUBECONFIG="${configs%:}" kubectl config view --raw --flatten >"$KUBECONFIG_DIR/members.config.new")
mv "$KUBECONFIG_DIR/members.config.new" "$KUBECONFIG_DIR/members.config"

if pid="$(running_pid "$DATA_DIR")"; then
    log "the control plane runs already (process $pid)"
else
    start_karmada "$BINARY" "$DATA_DIR" --kubeconfig-path "$KUBECONFIG_DIR" --members 0 "${FLAGS[@]}"
fi
for member in "${MEMBERS[@]}"; do
    start_agent "$member"
done
for member in "${MEMBERS[@]}"; do
    wait_ready "$member"
done

cat <<HINT

Karmada is running (process $(running_pid "$DATA_DIR"), data in $DATA_DIR) with kind clusters as members.

  export KUBECONFIG="$KUBECONFIG_DIR/karmada.config:$KUBECONFIG_DIR/members.config"
  kubectl --context karmada-apiserver get clusters
  kubectl --context karmada-apiserver apply -f samples/nginx/
  kubectl --context member3 get pods

Stop it with hack/local-down.sh --kind --data-dir $DATA_DIR; this deletes the kind clusters, the control plane's data stay.
Without --kind the clusters stay as well.
HINT
