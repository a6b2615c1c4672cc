#!/usr/bin/env bash
# Everything that must hold: formatting, lints, layers, house rules, all tests. Installs what it needs on a bare Debian.
#
#   hack/test.sh
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$KARMADA_ROOT"

need_cargo
need_package cc gcc
need_package make make
need_package kubectl kubernetes-client
need_package shellcheck shellcheck

step() { log "== $*"; "$@"; }

step cargo fmt --all --check
step shellcheck -x hack/*.sh hack/tests/*.sh
for test in hack/tests/*.test.sh; do step "$test"; done
step cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
step cargo xtask check-layers
step cargo xtask crds --check
step cargo xtask tidy
step cargo test --workspace --locked
log "all green"
