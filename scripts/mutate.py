"""Break lines of the notebooks' exported cells, one at a time, and see which the notebooks notice.

    python scripts/mutate.py --draw 200 --seed 7                 # random ones, spread over the modules
    python scripts/mutate.py --listed bench/mutants_listed.json  # given ones: module, before, after
    python scripts/mutate.py --draw 10 --modules video,split

A broken line is noticed if a notebook that holds or imports it fails, or takes five times as long as it should.
Each worker has a copy of the project; nothing in the checkout changes but the report.
"""

import argparse
import ast
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

import nbformat
from tqdm import tqdm

root = Path(__file__).resolve().parent.parent

# Functions to which the order of their arguments is nothing, or a mistake that Python itself reports
UNORDERED = ('min', 'max', 'isinstance', 'getattr', 'hasattr', 'print')
# What only a progress bar or a log shows is not broken: no test looks at it, and none should.
SHOWN = {'desc', 'disable', 'leave', 'dynamic_ncols', 'loglevel', 'unit', 'quiet', 'file'}
SWAPS = {
    ast.Lt: '<=',
    ast.LtE: '<',
    ast.Gt: '>=',
    ast.GtE: '>',
    ast.Eq: '!=',
    ast.NotEq: '==',
    ast.In: 'not in',
    ast.NotIn: 'in',
    ast.Is: 'is not',
    ast.IsNot: 'is',
}
OPERATORS = {ast.Add: '-', ast.Sub: '+', ast.Mult: '/', ast.Div: '*', ast.FloorDiv: '*', ast.Mod: '*'}
ORDERS = {'min': 'max', 'max': 'min', 'sorted': 'list', 'reversed': 'list', 'any': 'all', 'all': 'any'}


class Mutant(NamedTuple):
    "One broken line: bytes `[start, end)` of a cell's source become `after`"

    module: str  # such as video
    notebook: str  # such as 04_video.ipynb
    cell: int  # Number of the cell in the notebook
    kind: str  # comparison, arithmetic, constant, condition, argument, statement, order
    start: int
    end: int
    before: str
    after: str
    line: str  # The line of the cell in which that is


def exported_cells(path: Path) -> tuple:
    "(module, [(number, source), …]) of a notebook's exported cells; module is '' if it exports nothing"
    module, cells = '', []
    for number, cell in enumerate(nbformat.read(path, 4).cells):
        first = cell.source.split('\n', 1)[0]
        if first.startswith('#| default_exp'):
            module = first.split()[-1]
        if cell.cell_type == 'code' and first.startswith('#| export'):
            cells.append((number, cell.source))
    return module, cells


class Finder(ast.NodeVisitor):
    "Collect the places of a cell that can be broken, as (kind, node or (start, end), replacement)"

    def __init__(self, source: str):
        self.found, self.source = [], source.encode()
        lines = self.source.split(b'\n')
        self.offsets = [0]
        for line in lines:
            self.offsets.append(self.offsets[-1] + len(line) + 1)

    def span(self, node) -> tuple:
        return (
            self.offsets[node.lineno - 1] + node.col_offset,
            self.offsets[node.end_lineno - 1] + node.end_col_offset,
        )

    def text(self, node) -> str:
        start, end = self.span(node)
        return self.source[start:end].decode()

    def between(self, left, right, after: str, kind: str):
        "Replace the operator that stands between two nodes, brackets aside"
        start, end = self.span(left)[1], self.span(right)[0]
        gap = self.source[start:end].decode()
        old = gap.strip(' ()\\\n')
        if old:
            at = start + len(gap[: gap.index(old)].encode())
            self.add(kind, (at, at + len(old.encode())), f' {after} ' if after.isalpha() or ' ' in after else after)

    def add(self, kind, span, after):
        self.found.append((kind, span, after))

    def visit_Compare(self, node):
        left = node.left
        for operator, right in zip(node.ops, node.comparators):
            self.between(left, right, SWAPS[type(operator)], 'comparison')
            left = right
        self.generic_visit(node)

    def visit_BinOp(self, node):
        if type(node.op) in OPERATORS and not self.is_text(node.left) and not self.is_text(node.right):
            self.between(node.left, node.right, OPERATORS[type(node.op)], 'arithmetic')
        self.generic_visit(node)

    @staticmethod
    def is_text(node) -> bool:
        return (
            isinstance(node, ast.JoinedStr) or isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
        )

    def visit_BoolOp(self, node):
        after = 'or' if isinstance(node.op, ast.And) else 'and'
        for left, right in zip(node.values, node.values[1:]):
            self.between(left, right, after, 'condition')
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.Not):
            self.add('condition', self.span(node), f'bool({self.text(node.operand)})')
        self.generic_visit(node)

    def visit_Constant(self, node):
        value = node.value
        if value is True or value is False:
            self.add('constant', self.span(node), str(not value))
        elif isinstance(value, int):
            self.add('constant', self.span(node), str(value + 1))
        elif isinstance(value, float):
            self.add('constant', self.span(node), repr(value * 2 or 1.0))

    def visit_JoinedStr(self, node):
        pass  # words for people

    def visit_Raise(self, node):
        self.add('statement', self.span(node), 'pass')  # and what the message is made of stays

    def visit_Call(self, node):
        name = node.func.id if isinstance(node.func, ast.Name) else ''
        if name == 'tqdm':  # of a progress bar only what it goes through counts
            for argument in node.args[:1]:
                self.visit(argument)
            return
        if name in ORDERS:
            self.add('order', self.span(node.func), ORDERS[name])
        arguments = [*node.args, *node.keywords]
        if len(node.args) > 1 and not any(isinstance(a, ast.Starred) for a in node.args[:2]):
            first, second = node.args[:2]
            if self.text(first) != self.text(second) and name not in UNORDERED:
                after = f'{self.text(second)}, {self.text(first)}'
                self.add('order', (self.span(first)[0], self.span(second)[1]), after)
        for keyword in node.keywords:
            if keyword.arg and keyword.arg not in SHOWN:
                rest = [self.text(a) for a in arguments if a is not keyword]
                self.add('argument', (self.span(arguments[0])[0], self.span(arguments[-1])[1]), ', '.join(rest))
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg not in SHOWN:
                self.visit(keyword.value)

    def visit_Expr(self, node):
        if not isinstance(node.value, (ast.Constant, ast.Yield, ast.YieldFrom)):
            if not (isinstance(node.value, ast.Call) and getattr(node.value.func, 'id', '') == 'print'):
                self.add('statement', self.span(node), 'pass')
            self.visit(node.value)
        elif not isinstance(node.value, ast.Constant):
            self.visit(node.value)

    def visit_AugAssign(self, node):
        self.add('statement', self.span(node), 'pass')
        self.generic_visit(node)

    def visit_Continue(self, node):
        self.add('statement', self.span(node), 'pass')

    visit_Break = visit_Continue

    def visit_If(self, node):
        self.add('condition', self.span(node.test), 'True')
        self.add('condition', self.span(node.test), 'False')
        self.generic_visit(node)

    def visit_IfExp(self, node):
        self.add('condition', self.span(node.test), 'True')
        self.add('condition', self.span(node.test), 'False')
        self.generic_visit(node)

    def visit_arg(self, node):
        pass  # annotations

    def visit_FunctionDef(self, node):
        for decorator in node.decorator_list:
            self.visit(decorator)
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    def visit_AnnAssign(self, node):
        if node.value:
            self.visit(node.value)

    def visit_Subscript(self, node):
        reverse = self.text(node.slice)
        if reverse == '::-1':
            self.add('order', self.span(node), self.text(node.value))
        self.generic_visit(node)


def mutants_of(path: Path) -> list:
    "All lines of a notebook that can be broken"
    module, cells = exported_cells(path)
    made = []
    for number, source in cells:
        finder = Finder(source)
        finder.visit(ast.parse(source))
        for kind, (start, end), after in finder.found:
            before = source.encode()[start:end].decode()
            if before != after and compiles(source, start, end, after):
                made.append(
                    Mutant(module, path.name, number, kind, start, end, before, after, line_at(source, start, end))
                )
    return made


def replaced(source: str, start: int, end: int, after: str) -> str:
    "`source` with its bytes [start, end) exchanged"
    raw = source.encode()
    return (raw[:start] + after.encode() + raw[end:]).decode()


def compiles(source, start, end, after) -> bool:
    try:
        compile(replaced(source, start, end, after), 'cell', 'exec')
        return True
    except SyntaxError:
        return False


def squeezed(text: str) -> tuple:
    "Text without what a formatter may change, and where each of its characters stands"
    kept = [(at, char) for at, char in enumerate(text) if not char.isspace() and char != ';']
    return ''.join(char for _, char in kept), [at for at, _ in kept]


def listed(file: Path) -> list:
    "Mutants of a JSON list of {module, before, after}; `before` must stand once in the module, however it is laid out"
    notebooks = {exported_cells(p)[0]: p for p in sorted((root / 'nbs').glob('*.ipynb'))}
    made = []
    for row in json.loads(file.read_text(encoding='utf-8')):
        path, wanted, places = notebooks[row['module']], squeezed(row['before'])[0], []
        for number, source in exported_cells(path)[1]:
            text, positions = squeezed(source)
            for found in re.finditer(re.escape(wanted), text):
                places.append((number, source, positions[found.start()], positions[found.end() - 1] + 1))
        if len(places) != 1:
            sys.exit(f"{file}: {row['before']!r} was expected once in {path.name}, it stands there {len(places)} times")
        number, source, start, end = places[0]
        start, end = len(source[:start].encode()), len(source[:end].encode())
        if not compiles(source, start, end, row['after'].strip()):
            sys.exit(f"{file}: {row['before']!r} -> {row['after']!r} in {path.name} is no Python")
        texts = row['before'], row['after'].strip(), line_at(source, start, end)
        made.append(Mutant(row['module'], path.name, number, 'listed', start, end, *texts))
    return made


def drawn(count: int, seed: int, modules: list) -> list:
    "`count` mutants, at least four of each module, else by how many places each has"
    pools = {}
    for path in sorted((root / 'nbs').glob('*.ipynb')):
        found = mutants_of(path)
        if found and (not modules or found[0].module in modules):
            pools[found[0].module] = found
    rng, total = random.Random(seed), sum(map(len, pools.values()))
    picked = []
    for pool in pools.values():
        picked += rng.sample(pool, min(len(pool), max(4, round(count * len(pool) / total))))
    return picked


def readers(notebooks: list) -> dict:
    "module -> notebooks that hold it or import it, the one that holds it first"
    sources = {
        p.name: '\n'.join(c.source for c in nbformat.read(p, 4).cells if c.cell_type == 'code') for p in notebooks
    }
    homes = {exported_cells(p)[0]: p.name for p in notebooks}
    found = {}
    for module, home in homes.items():
        users = [n for n, text in sources.items() if n != home and f'shotluck.{module} import' in text]
        found[module] = [home, *users]
    return found


# Runs a notebook in a fork of a process that has the large libraries loaded, but nothing of the project
RUN = """
import multiprocessing, os, resource, signal, sys, tempfile
from pathlib import Path
import shotluck.torchvision_mend  # or transformers may not be importable
import av, cv2, IPython.core.interactiveshell, jinja2, matplotlib.pyplot, nbdev.test, pandas, peft, torch, transformers
import transformers.models.auto.modeling_auto, transformers.trainer, transformers.models.llava.modeling_llava
for name in [name for name in sys.modules if name.startswith('shotluck')]:
    del sys.modules[name]
multiprocessing.get_start_method()  # settled before a test compares what a stage leaves behind
print('ready', flush=True)
for line in sys.stdin:
    notebook, scratch = line.rstrip('\\n').split('\\t')
    child = os.fork()
    if child:
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (1200, 1200))  # an endless loop ends even if nobody waits for it any more
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ['TMPDIR'], tempfile.tempdir = scratch, None
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    try:
        passed = nbdev.test.test_nb(Path(notebook), skip_flags=['gpu', 'net', 'slow'], showerr=False)[0]
    except BaseException:
        passed = False
    os._exit(not passed)
"""


EXPORT = """
import sys
from nbdev.export import nb_export
nb_export(sys.argv[1], 'shotluck')
"""


def kill_group(group: int):
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


class Copy:
    "A copy of the project in which lines are broken"

    def __init__(self, folder: Path):
        self.folder = folder
        tracked = subprocess.run(['git', 'ls-files', '-z'], cwd=root, capture_output=True, check=True).stdout
        for name in tracked.decode().split('\0'):
            if name and (root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)
        threads = os.environ.get('OMP_NUM_THREADS', '1')
        self.env = {**os.environ, 'PYTHONPATH': str(folder), 'HF_HUB_OFFLINE': '1', 'OMP_NUM_THREADS': threads}
        self.start()

    def start(self):
        command = [sys.executable, '-c', RUN]
        self.runner = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            text=True,
            bufsize=1,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if self.runner.stdout.readline() != 'ready\n':
            sys.exit('the libraries that the notebooks need cannot be loaded here')

    def passes(self, notebook: str, seconds: float) -> bool:
        "Does a notebook run to its end in time?"
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            self.runner.stdin.write(f'nbs/{notebook}\t{scratch}\n')
            group = int(self.runner.stdout.readline())
            late = threading.Timer(seconds, kill_group, [group])
            late.start()
            code = int(self.runner.stdout.readline())
            late.cancel()
            kill_group(group)  # what it started, too
            return code == 0

    def noticed_by(self, mutant: Mutant, notebooks: list, seconds: dict) -> str:
        "The first notebook that fails with a broken line; '' if none does"
        path = self.folder / 'nbs' / mutant.notebook
        module = self.folder / 'shotluck' / f'{mutant.module}.py'
        kept, kept_module = path.read_bytes(), module.read_bytes()
        notebook = nbformat.read(path, 4)
        cell = notebook.cells[mutant.cell]
        cell.source = replaced(cell.source, mutant.start, mutant.end, mutant.after)
        try:
            nbformat.write(notebook, path)
            export = [sys.executable, '-c', EXPORT, f'nbs/{mutant.notebook}']
            subprocess.run(export, cwd=self.folder, env=self.env, check=True, capture_output=True)
            for name in notebooks:
                if not self.passes(name, 20 + 5 * seconds[name]):
                    return name
            return ''
        finally:
            path.write_bytes(kept)
            module.write_bytes(kept_module)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--draw', type=int, default=0, help='random mutants')
    parser.add_argument('--listed', type=Path, help='JSON list of {module, before, after}')
    parser.add_argument('--seed', type=int, default=0, help='of the draw')
    parser.add_argument('--modules', default='', help='only these, comma between')
    parser.add_argument('--workers', type=int, default=2, help='mutants at a time')
    parser.add_argument('--own', action='store_true', help='ask only the notebook that holds the line: quick')
    parser.add_argument('--out', type=Path, default=root / 'bench' / 'mutants.json', help='report to write')
    args = parser.parse_args()
    modules = [m for m in args.modules.split(',') if m]
    mutants = listed(args.listed) if args.listed else drawn(args.draw, args.seed, modules)
    if modules:
        mutants = [m for m in mutants if m.module in modules]
    users = readers(sorted((root / 'nbs').glob('*.ipynb')))
    if args.own:
        users = {module: names[:1] for module, names in users.items()}
    equivalent = json.loads((root / 'bench' / 'mutants_equivalent.json').read_text(encoding='utf-8'))
    commit = subprocess.run(
        ['git', 'rev-parse', '--short', 'HEAD'], cwd=root, capture_output=True, text=True
    ).stdout.strip()
    results = tried(mutants, users, args.workers)
    report(results, equivalent, commit, args)


def tried(mutants: list, users: dict, workers: int) -> list:
    "(mutant, the notebook that noticed it or '') of each"
    with tempfile.TemporaryDirectory() as folder:
        copies = Queue()
        for number in range(workers):
            copies.put(Copy(Path(folder) / str(number)))
        seconds, broken, timing = {}, set(), threading.Lock()

        def time_notebook(copy, name):
            with timing:  # by itself, not beside another
                if name not in seconds:
                    start = time.perf_counter()
                    if not copy.passes(name, 900) and not copy.passes(name, 900):
                        tqdm.write(f'{name} fails as it is, twice: mend it, its lines are left out')
                        broken.add(name)
                    seconds[name] = time.perf_counter() - start

        def check(mutant):
            copy = copies.get()
            try:
                for name in users[mutant.module]:
                    time_notebook(copy, name)
                if users[mutant.module][0] in broken:
                    return None
                home, *others = [name for name in users[mutant.module] if name not in broken]
                by = copy.noticed_by(mutant, [home, *sorted(others, key=seconds.get)], seconds)
                if not by:
                    tqdm.write(f'not noticed: {mutant.module}, {mutant.line!r}: {mutant.before!r} -> {mutant.after!r}')
                return mutant, by
            finally:
                copies.put(copy)

        with ThreadPoolExecutor(workers) as pool:
            results = list(tqdm(pool.map(check, mutants), 'broken', len(mutants)))
        return [result for result in results if result]


def report(results, equivalent, commit, args):
    "Print and write how many broken lines of each module were noticed, and which were not"
    table, missed = {}, []
    for mutant, by in results:
        row = table.setdefault(mutant.module, dict(drawn=0, noticed=0, equivalent=0))
        row['drawn'] += 1
        if by:
            row['noticed'] += 1
        elif any(same_mutant(mutant, known) for known in equivalent):
            row['equivalent'] += 1
        else:
            missed.append(mutant._asdict())
    for row in table.values():
        row['share'] = round(row['noticed'] / max(1, row['drawn'] - row['equivalent']), 3)
    total = {k: sum(r[k] for r in table.values()) for k in ('drawn', 'noticed', 'equivalent')}
    total['share'] = round(total['noticed'] / max(1, total['drawn'] - total['equivalent']), 3)
    made = dict(commit=commit, seed=args.seed, total=total, modules=table, missed=missed)
    args.out.write_text(json.dumps(made, ensure_ascii=False, indent=1) + '\n', encoding='utf-8')
    for row in missed:
        print(
            f"{row['notebook']} cell {row['cell']} ({row['kind']}): "
            f"{row['before']!r} -> {row['after']!r} in: {row['line']}"
        )
    print(f"{total['noticed']} of {total['drawn'] - total['equivalent']} noticed ({total['share']:.0%}); {args.out}")


def same_mutant(mutant, known: dict) -> bool:
    "Is it the one that a row of mutants_equivalent.json speaks of?"
    names = ('before', 'after')
    return (
        mutant.module == known['module']
        and all(squeezed(getattr(mutant, n))[0] == squeezed(known[n])[0] for n in names)
        and squeezed(known['line'])[0] in squeezed(mutant.line)[0]
    )


def line_at(cell: str, start: int, end: int) -> str:
    "The line of a cell in which its bytes [start, end) are"
    source = cell.encode()
    begin = source.rfind(b'\n', 0, start) + 1
    stop = source.find(b'\n', end)
    return source[begin : stop if stop >= 0 else None].decode().strip()[:200]


if __name__ == '__main__':
    main()
