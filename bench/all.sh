#!/usr/bin/env bash
# Make the numbers of README and docs again, one bench after another, on a machine with nothing else to do:
#   bash bench/all.sh               # all, for hours
#   bash bench/all.sh seek load     # these
# The working tree must be clean, so that the numbers belong to one commit. Each writes bench/NAME.json; what fails is
# named at the end, and the others go on. Then: python scripts/check_fresh.py --fix fills the tables.
set -uo pipefail
cd "$(dirname "$0")/.."
all='load describe exact_frames seek caption prepare_speed convert_speed shots evaluate_generate evaluate_score finetune
 overlap endpoint families half_precision hub killed_download evaluate_resume finetune_parallel odd_videos bad_files
 corrections ray_engine whisper_folder killed fuzz'
if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
    echo "commit first, so that the numbers belong to a commit" >&2
    exit 1
fi
failed=''
for name in ${*:-$all}; do
    started=$SECONDS
    if python "bench/$name.py" > "/tmp/bench-$name.log" 2>&1; then
        echo "$name: $((SECONDS - started)) s"
    else
        echo "$name: failed after $((SECONDS - started)) s, see /tmp/bench-$name.log"
        failed="$failed $name"
    fi
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
