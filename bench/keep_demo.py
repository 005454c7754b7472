"Keep the demo's numbers for the README, with machine and commit: python bench/keep_demo.py"
import json, os, platform, subprocess
from pathlib import Path

root = Path(__file__).resolve().parent.parent
r = json.loads((root/'demo'/'results.json').read_text())
cpu = next((l.split(':')[1].strip() for l in open('/proc/cpuinfo') if l.startswith('model name')), platform.processor()) if Path('/proc/cpuinfo').exists() else platform.processor()
r['machine'] = f'{os.cpu_count()} cores of {cpu}'
r['commit'] = subprocess.run(['git','rev-parse','--short','HEAD'], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
(root/'bench'/'demo.json').write_text(json.dumps(r, indent=1)+'\n')
