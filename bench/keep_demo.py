"Keep the demo's numbers for the README, with machine and commit: python bench/keep_demo.py"
import os, platform, subprocess, sys
from pathlib import Path
import psutil, torch
from shotluck.files import read_json, write_json

root = Path(__file__).resolve().parent.parent
def git(*args): return subprocess.run(['git',*args], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

if changed := git('status', '--porcelain', '--untracked-files=no'): sys.exit(f"commit first, so that the numbers belong to a commit:\n{changed}")
info = Path('/proc/cpuinfo')
cpu = next((l.split(':')[1].strip() for l in info.read_text().splitlines() if l.startswith('model name')), '') if info.exists() else ''
machine = f"{os.cpu_count()} cores of {cpu or platform.processor()}, {psutil.virtual_memory().total/2**30:.0f} GiB, {'the GPU not used' if torch.cuda.is_available() else 'no GPU'}"
write_json(root/'bench'/'demo.json', dict(read_json(root/'demo'/'results.json'), machine=machine, commit=git('rev-parse', '--short', 'HEAD')))
