#!/usr/bin/env bash
# Tests the logic of hack/local-up-kind.sh and hack/local-down.sh --kind against stand-ins for kind, docker, kubectl and
# karmada. It says nothing about real kind.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
WORK="$(mktemp -d)"
STARTED=()
cleanup() {
    local file pid
    for file in "$WORK"/data/karmada.pid "$WORK"/data/kind/*.pid; do
        # Only what runs from the temporary folder was started here.
        pid="$(cat "$file" 2>/dev/null)" || continue
        kill -0 "$pid" 2>/dev/null || continue
        if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "$WORK"; then kill "$pid" || true; fi
    done
    rm -rf "$WORK"
}
trap cleanup EXIT

fail() { printf 'FAILED: %s\n' "$*" >&2; sed 's/^/  calls: /' "$WORK/calls" >&2; exit 1; }
called() { grep -qF -- "$1" "$WORK/calls" || fail "expected a call: $1"; }
not_called() { ! grep -qF -- "$1" "$WORK/calls" || fail "unexpected call: $1"; }

mkdir -p "$WORK/bin" "$WORK/target/release" "$WORK/clusters"
export WORK
cat >"$WORK/bin/kind" <<'STUB'
#!/usr/bin/env bash
echo "kind $*" >>"$WORK/calls"
name="$(sed -n 's/.*--name \([a-z0-9-]*\).*/\1/p' <<<"$*")"
case "$1 $2" in
    "get clusters") ls "$WORK/clusters" ;;
    "create cluster") [ ! -e "$WORK/kind-fails" ] || exit 1; touch "$WORK/clusters/$name" ;;
    "delete cluster") rm -f "$WORK/clusters/$name" ;;
    "get kubeconfig") echo "kubeconfig of $name" ;;
    *) exit 2 ;;
esac
STUB
cat >"$WORK/bin/docker" <<'STUB'
#!/usr/bin/env bash
[ ! -e "$WORK/docker-fails" ]
STUB
cat >"$WORK/bin/kubectl" <<'STUB'
#!/usr/bin/env bash
echo "kubectl $* KUBECONFIG=${KUBECONFIG:-}" >>"$WORK/calls"
case "$*" in
    *rename-context*) ;;
    *"config view --raw -o jsonpath"*) echo https://127.0.0.1:12345 ;;
    *"config view --raw --flatten"*) echo "all members" ;;
    *"get cluster "*) echo True ;;
    *) exit 2 ;;
esac
STUB
cat >"$WORK/target/release/karmada" <<'STUB'
#!/usr/bin/env bash
echo "karmada $*" >>"$WORK/calls"
case "$1" in
    up)
        [ ! -e "$WORK/up-fails" ] || { echo "Error: the port is in use"; exit 1; }
        echo $$ >"$3/karmada.pid"
        echo "all is ready"
        ;;
    agent) [ ! -e "$WORK/agent-fails" ] || exit 1 ;;
esac
trap 'exit 0' TERM
while :; do sleep 0.1; done
STUB
chmod +x "$WORK"/bin/* "$WORK/target/release/karmada"
export PATH="$WORK/bin:$PATH" CARGO_TARGET_DIR="$WORK/target" KUBECONFIG_PATH="$WORK/kube"
unset KUBECONFIG
up() { "$ROOT/hack/local-up.sh" --kind --no-build --data-dir "$WORK/data" "$@" >"$WORK/out" 2>"$WORK/err"; }
down() { "$ROOT/hack/local-down.sh" --data-dir "$WORK/data" "$@" >"$WORK/out" 2>"$WORK/err"; }
expect_failure() { # TEXT COMMAND...
    local text="$1"
    shift
    if "$@"; then fail "expected failure: $text"; fi
    grep -qF -- "$text" "$WORK/err" || { cat "$WORK/err" >&2; fail "expected message: $text"; }
}
: >"$WORK/calls"

# Nothing is made when something is missing.
touch "$WORK/docker-fails"
expect_failure "docker does not answer" up
rm "$WORK/docker-fails"
not_called "kind create"

# Data with simulated members are left alone.
mkdir -p "$WORK/data/members/member1"
expect_failure "holds simulated members" up
rm -r "$WORK/data/members"
not_called "kind create"

# A cluster that cannot be made ends it, before the control plane starts.
touch "$WORK/kind-fails"
expect_failure "kind cannot make member1" up
rm "$WORK/kind-fails"
not_called "karmada up"

# A control plane that does not start is an error with its last words.
touch "$WORK/up-fails"
expect_failure "the control plane did not start" up
grep -qF "the port is in use" "$WORK/err" || fail "the log is not shown"
called "kind create cluster --name member3 --kubeconfig $WORK/data/kind/member3.config"
rm "$WORK/up-fails"

# The ordinary case: three clusters, one control plane with the flags passed on, three agents.
: >"$WORK/calls"
up --feature-gates Failover=true || { cat "$WORK/err" >&2; fail "local-up --kind"; }
not_called "kind create" # made by the attempt before
called "karmada up --data-dir $WORK/data --kubeconfig-path $WORK/kube --members 0 --feature-gates Failover=true"
for member in member1 member2 member3; do
    called "config rename-context kind-$member $member"
    called "karmada agent --cluster-name $member --kubeconfig $WORK/data/kind/$member.config --cluster-api-endpoint https://127.0.0.1:12345"
    called "get cluster $member"
    [ "$(cat "$WORK/data/kind/$member.config")" = "kubeconfig of $member" ] || fail "kubeconfig of $member"
    STARTED+=("$(cat "$WORK/data/kind/$member.pid")")
done
called "KUBECONFIG=$WORK/data/kind/member1.config:$WORK/data/kind/member2.config:$WORK/data/kind/member3.config"
[ "$(cat "$WORK/kube/members.config")" = "all members" ] || fail "members.config"
[ "$(stat -c %a "$WORK/kube/members.config")" = 600 ] || fail "members.config can be read by others"
grep -qF "members.config" "$WORK/out" || fail "no hint what to try next"

# Twice is harmless: nothing is started again.
: >"$WORK/calls"
up || { cat "$WORK/err" >&2; fail "local-up --kind, again"; }
not_called "karmada up"
not_called "karmada agent"
not_called "kind create"

# Down stops the processes; the clusters stay unless --kind is given.
: >"$WORK/calls"
STARTED+=("$(cat "$WORK/data/karmada.pid")")
down || { cat "$WORK/err" >&2; fail "local-down"; }
not_called "kind delete"
for pid in "${STARTED[@]}"; do
    if kill -0 "$pid" 2>/dev/null; then fail "process $pid is still there"; fi
done

# An agent that ends is found out.
touch "$WORK/agent-fails"
sed -i 's/echo True/echo False/' "$WORK/bin/kubectl"
expect_failure "the agent of member1 has ended" up
rm "$WORK/agent-fails"
down --kind || { cat "$WORK/err" >&2; fail "local-down --kind"; }
for member in member1 member2 member3; do called "kind delete cluster --name $member"; done
[ -z "$(ls "$WORK/clusters")" ] || fail "clusters are left"

# Without kind there is advice.
rm "$WORK/bin/kind"
if ! command -v kind >/dev/null 2>&1; then
    expect_failure "kind is missing" up
fi
echo "local-up-kind: all good"
