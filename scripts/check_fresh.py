"Fail if nbdev_export, nbdev_clean, README or docs/ would change a file: python scripts/check_fresh.py [--fix]"

import hashlib
import json
import posixpath
import re
import subprocess
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from tables import filled

root = Path(__file__).resolve().parent.parent


def index() -> str:
    "index.ipynb with its places filled again"
    nb = json.loads((root / 'nbs' / 'index.ipynb').read_text(encoding='utf-8'))
    for cell in nb['cells']:
        cell['source'] = filled(''.join(cell['source'])).splitlines(keepends=True)
    return json.dumps(nb, indent=1, ensure_ascii=False) + '\n'


def readme() -> str:
    "index.ipynb as markdown, not executed, with links from where README is"
    nb = nbformat.read(root / 'nbs' / 'index.ipynb', 4)
    nb.cells = [c for c in nb.cells if not c.source.startswith('#| hide')]
    text, _ = MarkdownExporter().from_notebook_node(nb)
    return (
        '<!-- Made from nbs/index.ipynb by scripts/check_fresh.py --fix: edit there, not here. -->\n\n'
        + re.sub(r'\]\((?!https?:|#)([^)]+)\)', lambda link: f"]({posixpath.normpath('nbs/' + link[1])})", text.strip())
        + '\n'
    )


def pages() -> list:
    "(name, what makes it) of each page in docs/"
    return [
        (f'docs/{path.name}', lambda path=path: filled(path.read_text(encoding='utf-8')))
        for path in sorted((root / 'docs').glob('*.md'))
    ]


def state():
    files = [*sorted((root / 'shotluck').glob('*.py')), *sorted((root / 'nbs').glob('*.ipynb'))]
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def run(*command):
    "Run a tool of the environment in the project's folder; end with its words if it fails"
    done = subprocess.run([Path(sys.executable).parent / command[0], *command[1:]], cwd=root)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed: mend what it says")


def main():
    fix = '--fix' in sys.argv
    sources = ('nbs', 'scripts', 'bench')
    if fix:
        run('ruff', 'check', '--fix', '-q', *sources)
        run('ruff', 'format', '-q', *sources)
    else:
        run('ruff', 'check', '-q', *sources)
        run('ruff', 'format', '--check', '-q', *sources)
    run('python', 'scripts/style.py', '--check')
    before = state()
    run('nbdev_export')
    run('nbdev_clean')
    after = state()
    stale = sorted(f for f in before.keys() | after.keys() if before.get(f) != after.get(f))
    # README is made from the notebook, so it comes after it
    made = [('nbs/index.ipynb', index), ('README.md', readme), *pages()]
    for name, make in made:
        wanted = make()
        if (root / name).read_text(encoding='utf-8') != wanted:
            if fix:
                (root / name).write_text(wanted, encoding='utf-8')
            else:
                stale.append(name)
    if stale and not fix:
        sys.exit(
            f"not up to date: {', '.join(stale)}\nrun `python scripts/check_fresh.py --fix` and commit what changed"
        )
    print('notebooks, package, README and docs agree')


if __name__ == '__main__':
    main()
