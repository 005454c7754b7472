#!/usr/bin/env bash
# All tests: the notebooks agree with the package, are clean, README is fresh, and every notebook runs.
source "$(dirname "${BASH_SOURCE[0]}")/_setup.sh"
python scripts/check_fresh.py
nbdev_test --n_workers 2 --timing
