"Fail if nbdev_export, nbdev_clean or the README would change a file: python scripts/check_fresh.py [--fix]"
import hashlib, subprocess, sys
from pathlib import Path
import nbformat
from nbconvert import MarkdownExporter

root = Path(__file__).resolve().parent.parent

def readme()->str:
    "index.ipynb as markdown, not executed; the title cell's first line is the package's name"
    nb = nbformat.read(root/'nbs'/'index.ipynb', 4)
    nb.cells = [c for c in nb.cells if not c.source.startswith('#| hide')]
    text,_ = MarkdownExporter().from_notebook_node(nb)
    return '<!-- Made from nbs/index.ipynb by scripts/check_fresh.py --fix: edit there, not here. -->\n\n'+text.strip()+'\n'

def state():
    files = [*sorted((root/'shotluck').glob('*.py')), *sorted((root/'nbs').glob('*.ipynb'))]
    return {str(f.relative_to(root)):hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

before = state()
for command in ('nbdev_export','nbdev_clean'): subprocess.run([Path(sys.executable).parent/command], cwd=root, check=True)
after = state()
stale = sorted(f for f in before.keys()|after.keys() if before.get(f)!=after.get(f))
if (root/'README.md').read_text(encoding='utf-8')!=readme():
    if '--fix' in sys.argv: (root/'README.md').write_text(readme(), encoding='utf-8')
    else: stale.append('README.md')
if stale and '--fix' not in sys.argv: sys.exit(f"not up to date: {', '.join(stale)}\nrun `python scripts/check_fresh.py --fix` and commit what changed")
print('notebooks, package and README agree')
