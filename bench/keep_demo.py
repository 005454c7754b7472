"Keep a run of the demo for the README, with the machine and the commit: python bench/keep_demo.py demo/results.json"
import os, platform, subprocess, sys
from pathlib import Path
import psutil
from shotluck.files import read_json, write_json

cpu = next((l.split(':')[1].strip() for l in open('/proc/cpuinfo') if l.startswith('model name')), platform.processor())
commit = subprocess.run(['git','rev-parse','--short','HEAD'], capture_output=True, text=True, check=True).stdout.strip()
changed = subprocess.run(['git','status','--porcelain','--untracked-files=no'], capture_output=True, text=True, check=True).stdout.strip()
if changed: sys.exit(f"commit first, so that the numbers belong to a commit:\n{changed}")
machine = f'{os.cpu_count()} cores of {cpu}, {psutil.virtual_memory().total/2**30:.0f} GiB, no GPU'
write_json(Path('bench/demo.json'), dict(read_json(sys.argv[1]), machine=machine, commit=commit))
