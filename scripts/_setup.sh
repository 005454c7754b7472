# Sourced by demo.sh and test.sh: a virtual environment in .venv of the project, with the versions that were tested together.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-python3}
"$PYTHON" -c 'import sys; sys.exit(sys.version_info<(3,11))' || { echo "Python 3.11 or newer is needed, found $("$PYTHON" --version); set PYTHON=/path/to/python3"; exit 1; }
VENV=${SHOTLUCK_VENV:-.venv}
stamp=$VENV/.shotluck-installed
want=$(cat settings.ini setup.py constraints.txt | cksum)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$want" ]; then
    echo "Installing into $VENV (about two minutes and 2 GB the first time)"
    "$PYTHON" -m venv "$VENV"
    "$VENV/bin/python" -m pip install -q --upgrade pip
    # The CPU build of torch comes from PyTorch's own index; where that cannot be reached, from wherever pip is set to look.
    if ! "$VENV/bin/python" -c 'import torch' 2>/dev/null; then
        "$VENV/bin/python" -m pip install -q --retries 1 --timeout 15 --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' constraints.txt)" 2>/dev/null ||
            "$VENV/bin/python" -m pip install -q -c constraints.txt torch
    fi
    "$VENV/bin/python" -m pip install -q -c constraints.txt -e '.[dev]'
    # torchvision without its dependencies: pip would take another torch for it. The CPU build belongs to the CPU build of
    # torch; where that index cannot be reached, pip's own is mended when it is imported (shotluck.torchvision_mend).
    torchvision=$(grep '^torchvision==' constraints.txt)
    "$VENV/bin/python" -m pip install -q --no-deps --retries 1 --timeout 15 --index-url https://download.pytorch.org/whl/cpu "$torchvision" 2>/dev/null ||
        "$VENV/bin/python" -m pip install -q --no-deps "$torchvision"
    "$VENV/bin/python" -m pip install -q --no-deps "$(grep '^num2words==' constraints.txt)" docopt
    echo "$want" > "$stamp"
fi
export PATH="$PWD/$VENV/bin:$PATH" HF_HUB_OFFLINE=1 PYTHONWARNINGS=ignore
case $VENV in /*) export PATH="$VENV/bin:$PATH";; esac
