#!/usr/bin/env bash
# Every stage on the bundled sample, into demo/. Run from anywhere; run again as often as you like.
source "$(dirname "${BASH_SOURCE[0]}")/_setup.sh"
exec shotluck-demo --out demo "$@"
