#!/usr/bin/env bash
# Shotluck-Holmes' download_annotations, by shotluck-download: bash scripts/download_annotations.sh [--data_dir data/raw]
# More flags are handed on, as in: bash scripts/download_annotations.sh --workers 2
set -euo pipefail
DIR=data/raw
if [ "${1:-}" = --data_dir ]; then
    DIR=${2:?--data_dir names a folder that ends in raw}
    shift 2
fi
DIR=${DIR%/}
if [ "$(basename "$DIR")" != raw ]; then
    echo "$(basename "$0"): --data_dir was expected to end in raw, for annotations go to DATA/raw/annotations; got $DIR" >&2
    exit 2
fi
shotluck-download --dataset shot2story-20k --annotations_only --data "$(dirname "$DIR")" "$@"
echo "$(basename "$0"): $DIR/annotations, by shotluck-download --dataset shot2story-20k --annotations_only"
