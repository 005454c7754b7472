#!/usr/bin/env bash
# All tests: the notebooks agree with the package, are clean, README is fresh, and every notebook runs.
source "$(dirname "${BASH_SOURCE[0]}")/_setup.sh"
python scripts/check_fresh.py
TMPDIR=$(mktemp -d)    # what the notebooks make is gone afterwards
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} nbdev_test --n_workers 3 --timing    # a thread each: threads that wait for each other cost more, and some tests only wait
