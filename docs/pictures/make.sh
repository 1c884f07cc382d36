#!/usr/bin/env bash
# Makes the pictures of docs/walkthrough.md again, from a run on the simulated tenant. Takes about a minute.
# Needs bash, python3, tmux and chromium. The program is target/debug/zpa-bulk, or the argument.
set -euo pipefail

pictures=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$pictures/../.." && pwd)
program=$(realpath "${1:-$root/target/debug/zpa-bulk}")
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)

work=$(mktemp -d)
simulator=
clean_up() {
    [[ -z $simulator ]] || kill "$simulator"
    rm -rf "$work"
}
trap clean_up EXIT

mkdir "$work/bin"
ln -s "$program" "$work/bin/zpa-bulk"
ln -s "$root/samples" "$work/samples"
"$program" simulate --quiet --listen 127.0.0.1:0 --scenario "$root/samples/scenario-walkthrough.toml" \
    >"$work/simulator.json" &
simulator=$!
until [[ -s $work/simulator.json ]]; do sleep 0.1; done
address=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["listening"])' <"$work/simulator.json")

cd "$work"
export HOME=$work XDG_CONFIG_HOME=$work/config XDG_STATE_HOME=$work/state PATH=$work/bin:$PATH
echo any-secret | zpa-bulk init --quiet --base-url "$address" --customer-id 145283994705985536 --client-id any \
    --secret-from-stdin

# Small calls make a run of some length to look at.
python3 "$pictures/record.py" "$pictures/walkthrough.svg" \
    'zpa-bulk apply samples/portal-links.csv --batch-size 20' 'y' \
    'zpa-bulk retry --yes' \
    'zpa-bulk verify'

run=$(find zpa-bulk-runs -mindepth 1 -maxdepth 1 -type d | sort | head -n 1)
sandbox=()
# Chromium's sandbox cannot be had as root.
[[ $(id -u) != 0 ]] || sandbox=(--no-sandbox)
"$chromium" --headless "${sandbox[@]}" --disable-gpu --hide-scrollbars --window-size=960,1090 \
    --user-data-dir="$work/browser" --screenshot="$pictures/report.png" "file://$work/$run/report.html" 2>"$work/browser.log"

ls -l "$pictures"
