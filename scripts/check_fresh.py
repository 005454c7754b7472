"Fail if nbdev_export, nbdev_clean or the README would change a file: python scripts/check_fresh.py [--fix]"
import hashlib, subprocess, sys
from pathlib import Path
import nbformat
from nbconvert import MarkdownExporter

root = Path(__file__).resolve().parent.parent

def demo_table()->str:
    "The kept run of the demo, as markdown"
    from shotluck.demo import scores_table, table
    from shotluck.files import read_json
    r = read_json(root/'bench'/'demo.json')
    def md(df): return '\n'.join('| '+' | '.join(map(str, row))+' |' for row in [df.columns, ['---']*len(df.columns), *df.values.tolist()])
    sec = r['seconds']
    return (f"One run, on {r['machine']}, commit `{r['commit']}`: {sec['total']/60:.1f} minutes after installing (of which fine-tuning {sec['finetune']/60:.1f}), peak memory {r['peak_gb']} GB.\n\n{md(table(r))}\n\n"
            f"Film shots were in training, so this is a test of memory: {r['film']['own']:.2f} are recalled from their own frames, {r['film']['other']:.2f} from another shot's. Scores on the test shapes, with 95 % intervals over videos:\n\n{md(scores_table(r))}")

def finetune_table()->str:
    "Fine-tuning's measurements, as markdown"
    from shotluck.files import read_json
    par,one = read_json(root/'bench'/'finetune_parallel.json'), read_json(root/'bench'/'finetune.json')
    rows = [f"| {k} | {v['largest_difference']:.1e} |" for k,v in par.items() if not k.endswith('command')]
    m,f = one['memory'],one['first']
    return ("Largest difference of the loss from one process's in 20 steps at the same global batch (float32, CPU, gloo; `python bench/finetune_parallel.py`), for `nano` and tiny checkpoints of the three families:\n\n| run | difference |\n|---|---|\n"+'\n'.join(rows)+
            f"\n\nAgainst stock Trainer and stock Llava (`python bench/finetune.py`, a small model on 2 busy cores): peak memory at a 32k vocabulary and {m['tokens']} tokens a record: {m['ratio']:.2f} ×, time to the first step on {f['records']:,} records: {f['ratio']:.2f} ×. Speed-ups are not measured yet: the machine was never quiet.")

def readme()->str:
    "index.ipynb as markdown, not executed; the title cell's first line is the package's name"
    nb = nbformat.read(root/'nbs'/'index.ipynb', 4)
    nb.cells = [c for c in nb.cells if not c.source.startswith('#| hide')]
    text,_ = MarkdownExporter().from_notebook_node(nb)
    return '<!-- Made from nbs/index.ipynb and bench/demo.json by scripts/check_fresh.py --fix: edit there, not here. -->\n\n'+text.strip().replace('<!-- demo table -->', demo_table()).replace('<!-- finetune table -->', finetune_table()).replace('](images/', '](nbs/images/')+'\n'

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
