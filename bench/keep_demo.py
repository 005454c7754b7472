"Keep the demo's numbers for the README, with machine and commit: python bench/keep_demo.py"

import sys

import torch
from machine import git, machine, root

from shotluck.files import write_json
from shotluck.text import read_json

if changed := git('status', '--porcelain', '--untracked-files=no'):
    sys.exit(f"commit first, so that the numbers belong to a commit:\n{changed}")
where = machine()
write_json(
    root / 'bench' / 'demo.json',
    dict(
        read_json(root / 'demo' / 'results.json'),
        **where | dict(machine=where['machine'] + (', the GPU not used' if torch.cuda.is_available() else ', no GPU')),
    ),
)
