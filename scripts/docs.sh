#!/usr/bin/env bash
# The docs site, into _docs/: built from docs/, the notebooks (not run), the docments and bench/*.json; then every link is checked.
#   bash scripts/docs.sh            build and check
#   bash scripts/docs.sh --serve    and show it on http://127.0.0.1:8765
source "$(dirname "${BASH_SOURCE[0]}")/_setup.sh"
python -c 'import material, mkdocs' 2>/dev/null || python -m pip install -q -c constraints.txt -e '.[docs]'
NO_MKDOCS_2_WARNING=1 python -m mkdocs build --quiet --strict
python scripts/site/check.py _docs
if [ "${1:-}" = --serve ]; then echo "http://127.0.0.1:8765"; exec python -m http.server 8765 --bind 127.0.0.1 --directory _docs; fi
