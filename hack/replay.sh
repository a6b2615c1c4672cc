#!/usr/bin/env bash
# Replays recorded cases of upstream: one line per failing case with the first difference, then 'FILE: N passed, N failed'.
# Files are known by their names; others in the folder are named and skipped. controllers.json is replayed on the pure plans: every
# state that came to rest is one check; the whole plane is tested in tests/e2e.
#
#   hack/replay.sh [DIR]     a folder of recordings; by default the fixtures
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
dir=$(cd "${1:-$KARMADA_ROOT/tests/fixtures/karmada}" && pwd)
cd "$KARMADA_ROOT"
need_cargo

status=0
replay() { # PACKAGE FILE
  [[ -e $dir/$2 ]] || return 0
  cargo run --quiet --package "$1" --example replay -- "$dir/$2" || status=1
}

replay karmada-api webhook.json
replay karmada-scheduler-core scheduling.json
replay karmada-interpreter interpreter-native.json
replay karmada-interpreter interpreter-thirdparty.json
replay karmada-interpreter lua.json
replay karmada-propagation overrides.json
replay karmada-propagation controllers.json

for file in "$dir"/*.json; do
  case ${file##*/} in
    webhook.json | scheduling.json | interpreter-native.json | interpreter-thirdparty.json | lua.json | overrides.json | controllers.json | '*.json') ;;
    *) log "$file: no replay for a file of this name" ;;
  esac
done
exit "$status"
