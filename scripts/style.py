"""Measure the style of the code, and hold the order of reading: python scripts/style.py [--check]

Writes bench/style.json, a row for each property of the exported cells. `--check` writes nothing and fails if a
notebook imports one that comes after it, or a function imports a part of the project (commands may, to answer
`--help` at once).
"""

import argparse
import ast
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
# modules whose functions may import parts of the project when they are called: commands, and what tells a film, which
# needs torch only if a model is asked
LATE = {'demo', 'cli', 'captioner_choice', 'caption'}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def notebooks() -> dict:
    "Name of each notebook that exports a module -> (module, sources of its exported cells, sources of its other code)"
    found = {}
    for path in sorted((ROOT / 'nbs').glob('*.ipynb')):
        code = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == 'code']
        module = next((m[1] for source in code if (m := re.match(r'#\| default_exp (\w+)', source))), '')
        exported = [source for source in code if source.startswith('#| export')]
        found[path.stem] = module, exported, [source for source in code if source not in exported]
    return found


def project_imports(source: str) -> list:
    "(module of the project, inside a function?) of each import in a cell"
    tree = ast.parse(source)
    inside = {id(n) for d in ast.walk(tree) if isinstance(d, DEFINITIONS) for n in ast.walk(d)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('shotluck.'):
            found.append((node.module.split('.')[1], id(node) in inside))
        elif isinstance(node, ast.Import):
            found += [(a.name.split('.')[1], id(node) in inside) for a in node.names if a.name.startswith('shotluck.')]
    return found


def faults(books: dict) -> list:
    "What breaks the order of reading, a line each; `books` as `notebooks` gives them"
    said = []
    order = {module: place for place, (module, _, _) in enumerate(books.values()) if module}
    for name, (module, exported, others) in books.items():
        for source in exported + others:
            for imported, late in project_imports(source):
                if module and imported in order and order[imported] > order[module]:
                    said.append(f'{name} imports {imported}, which comes after it')
                if late and source in exported and module not in LATE:
                    said.append(f'{name} imports {imported} inside a function')
    return sorted(set(said))


def share(part: int, whole: int) -> float:
    return round(100 * part / max(1, whole), 2)


def without_docstrings(source: str) -> list:
    "Lines of code that are neither blank, comments nor docstrings"
    skipped = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (*DEFINITIONS, ast.Module)) and ast.get_docstring(node) is not None:
            skipped.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(source.split('\n'), 1)
    return [
        line for number, line in lines if number not in skipped and line.strip() and not line.strip().startswith('#')
    ]


def complexity_over(limit: int) -> list:
    "Functions of the package that have more branches, as ruff counts them"
    ruff = [
        sys.executable,
        '-m',
        'ruff',
        'check',
        '--isolated',
        '--select',
        'C901',
        '--output-format',
        'json',
        'shotluck',
    ]
    ruff += ['--config', f'lint.mccabe.max-complexity={limit}']
    rows = json.loads(subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True).stdout)
    return sorted(re.search(r'`(\w+)` is too complex \((\d+)', row['message']).groups() for row in rows)


def formatted_growth(sources: list) -> float:
    "By how much of its lines a formatter makes the code longer"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'all.py'
        path.write_text('\n\n\n'.join(source.split('\n', 1)[-1] for source in sources), encoding='utf-8')
        before = path.read_text(encoding='utf-8').strip().count('\n')
        config = str(ROOT / 'pyproject.toml')
        subprocess.run([sys.executable, '-m', 'ruff', 'format', '-q', '--config', config, str(path)], check=True)
        return share(path.read_text(encoding='utf-8').strip().count('\n') - before, before)


def names_bound(tree) -> list:
    "Names that code assigns or takes as parameters"
    found = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return found + [
        node.arg for node in ast.walk(tree) if isinstance(node, ast.arg) and node.arg not in ('self', 'cls')
    ]


def parameters(exported: list) -> tuple:
    "(parameters of public functions, those with a comment on their line)"
    total = explained = 0
    for source in exported:
        lines = source.split('\n')
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith('_'):
                for arg in node.args.args + node.args.kwonlyargs:
                    if arg.arg != 'self':
                        total += 1
                        explained += '#' in lines[arg.lineno - 1] or 'Param(' in lines[arg.lineno - 1]
    return total, explained


def long_modules(books: dict) -> dict:
    "Module -> its lines, of those that have more than 450: each holds two ideas"
    found = {}
    for module, cells, _ in books.values():
        n_lines = sum(source.count('\n') + 2 for source in cells)
        if n_lines > 450:
            found[module] = n_lines
    return found


def measure() -> dict:
    "The table of the project's style: property -> value"
    books = notebooks()
    exported = [source for _, cells, _ in books.values() for source in cells]
    trees = [ast.parse(source) for source in exported]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    lines = [line for source in exported for line in without_docstrings(source)]
    functions = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    public = [n for tree in trees for n in tree.body if isinstance(n, DEFINITIONS) and not n.name.startswith('_')]
    several = [t for t in trees if sum(isinstance(n, DEFINITIONS) for n in t.body) > 1]
    generators = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    nested = [n for n in nodes if isinstance(n, generators) and len(n.generators) > 1]
    nested += [
        m for n in nodes if isinstance(n, generators) for m in ast.walk(n) if m is not n and isinstance(m, generators)
    ]
    packed = [n for n in nodes if isinstance(n, ast.Assign) and isinstance(n.value, ast.Tuple)]
    packed = [n for n in packed if isinstance(n.targets[0], ast.Tuple) and not is_swap(n)]
    bound = [name for tree in trees for name in names_bound(tree) if name != '_']
    total, explained = parameters(exported)
    code = len(lines)
    return {
        'lines of code': code,
        'lines over 120 characters, %': share(sum(len(line) > 120 for line in lines), code),
        'a formatter at 120 columns makes it longer by, %': formatted_growth(exported),
        'nested comprehensions per 100 lines': share(len(nested), code),
        'lambdas per 100 lines': share(sum(isinstance(n, ast.Lambda) for n in nodes), code),
        'several values packed into one assignment, per 100 lines': share(len(packed), code),
        'one-letter names, %': share(sum(len(name) == 1 for name in bound), len(bound)),
        'functions with a complexity over 15, %': share(len(complexity_over(15)), len(functions)),
        'functions with a complexity over 12': [f'{name} ({n})' for name, n in complexity_over(12)],
        'exported cells with several definitions, %': share(len(several), len(exported)),
        'exported cell, median lines': statistics.median(source.count('\n') + 1 for source in exported),
        'parameters explained by a comment, %': share(explained, total),
        'public docstrings, %': share(sum(ast.get_docstring(n) is not None for n in public), len(public)),
        'modules over 450 lines': long_modules(books),
        'imports that run against the order of the notebooks, or inside functions': faults(books),
    }


def is_swap(node) -> bool:
    "Does `a, b = b, a` exchange what it reads?"
    targets = {ast.unparse(target) for target in node.targets[0].elts}
    return bool(targets & {ast.unparse(value) for value in node.value.elts})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='only the order of imports')
    args = parser.parse_args()
    if args.check:
        if said := faults(notebooks()):
            sys.exit('\n'.join(said))
        return
    table = measure()
    (ROOT / 'bench' / 'style.json').write_text(json.dumps(table, indent=1, ensure_ascii=False) + '\n', encoding='utf-8')
    for name, value in table.items():
        print(f'{name:75} {value}')


if __name__ == '__main__':
    main()
