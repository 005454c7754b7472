"Fail if nbdev_export, nbdev_clean, the tables of index.ipynb or the README would change a file: python scripts/check_fresh.py [--fix]"

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

root = Path(__file__).resolve().parent.parent


def demo_table() -> str:
    "The kept run of the demo, as markdown"
    from shotluck.claims import scores_table, table
    from shotluck.text import read_json

    r = read_json(root / 'bench' / 'demo.json')

    def md(df):
        return '\n'.join(
            '| ' + ' | '.join(map(str, row)) + ' |'
            for row in [df.columns, ['---'] * len(df.columns), *df.values.tolist()]
        )

    sec = r['seconds']
    return (
        f"One run, on {r['machine']}, commit `{r['commit']}`: {sec['total'] / 60:.1f} minutes after installing (of which fine-tuning {sec['finetune'] / 60:.1f}), peak memory {r['peak_gb']} GB.\n\n{md(table(r))}\n\n"
        f"Film shots were in training, so this is a test of memory: {r['film']['own']:.1%} are recalled from their own frames, {r['film']['other']:.1%} from another shot's. Scores on the test shapes, with 95 % intervals over videos:\n\n{md(scores_table(r))}"
    )


def finetune_table() -> str:
    "Fine-tuning's measurements, as markdown"
    from shotluck.text import read_json

    par, one = read_json(root / 'bench' / 'finetune_parallel.json'), read_json(root / 'bench' / 'finetune.json')
    rows = [f"| {k} | {v['largest_difference']:.1e} |" for k, v in par.items() if not k.endswith('command')]
    m, f, v, p = (one[k] for k in ('memory', 'first', 'speed', 'processes'))
    names = {'ours again, features from disk': 'ours, second run: its features are on disk already'}
    speed = '\n'.join(
        f"| {names.get(k, k)} | {r['samples_per_s']} | {' '.join(map(str, r['each_epoch']))} | {r.get('run_ratio', 1)} × | {r.get('later_ratio', 1)} × |"
        for k, r in v['rows'].items()
    )
    load = one['order']['microseconds_a_record']
    return f"""Against stock Trainer and stock Llava, which decode and encode at every step (`python bench/finetune.py`; a small model with `1.5b`'s proportions, {v['records']} records of {v['videos']} videos, {v['epochs']} epochs, the same batches and losses, {v['cores']} cores without a GPU; decoding is {v['decode_share_of_stock_run']:.0%} of stock's time, the tower {v['tower_share_of_flops']:.0%} of the operations). Each row below *ours* changes one thing of it. Rows are single runs; why the last epoch of *features in memory* was slower than its others was not looked into:

| run | samples/s, whole run | samples/s, epochs 1, 2, 3 | whole run, against stock | later epochs, against stock |
|---|---|---|---|---|
{speed}

With decoding left out on both sides, later epochs are {v['later_epochs_decoded_before']} × as fast. Decoding ahead gains nothing here, as the model has both cores. At a vocabulary of 32k and {m['tokens']} tokens a record, logits at answers only keep peak memory at {m['ratio']:.2f} × stock's. Time to the first step on {f["records"]:,} records: {f["ratio"]:.2f} × stock's. Two processes against one from stored features, a thread each: {p['ratio']} × the samples/s. To place a record in the order of training takes {load['1000']['order_us']} µs, to read its features from disk {load['1000']['cache_load_us']} µs (at 1,000 records; {load['100000']['order_us']} and {load['100000']['cache_load_us']} µs at 100,000).

Largest difference of the loss from one process's in 20 steps at the same global batch (float32, CPU, gloo; `python bench/finetune_parallel.py`), for `nano` and tiny checkpoints of the three families (`llama`, with as many or fewer heads for keys and values: `mha`, `gqa`; `stablelm`; `phi`); with validation captions, their pages are those of one process too. bfloat16 keeps two to three digits, so that sums in another order agree to these only:

| run | difference |
|---|---|
""" + '\n'.join(rows)


def measured() -> str:
    "What the other stages cost, as markdown"
    from shotluck.text import read_json

    b = {
        k: read_json(root / 'bench' / f'{k}.json')
        for k in 'convert_speed prepare_speed load evaluate_generate evaluate_score caption corrections'.split()
    }
    c = {r['videos']: r for r in b['convert_speed']['rows']}
    small, big = c[20023], c[134000]
    p, g, cap = (
        b['prepare_speed']['ratios'],
        b['evaluate_generate'],
        {r['what']: r['median'] for r in b['caption']['rows']},
    )
    beside = cap["everything else / PySceneDetect's command"]

    def ratio(start):
        return next(v for k, v in p.items() if k.startswith(start))

    long = ', '.join(f"{r['peak_mb']:.0f} MB at {r['minutes']} min" for r in b['caption']['long'])
    rows = [
        (
            'convert, 20,023 videos, 1 process',
            f"{small['convert_over_json']} × the CPU of plain `json.load` and `json.dump` of the annotations; a run that finds nothing new {small['no_change_over_load']} × the `json.load`",
            'convert_speed',
        ),
        (
            'convert, 134,000 videos, 1 process',
            f"{big['convert_over_json']} ×, {big['convert 1 worker']['wall']:.0f} s, {big['convert 1 worker']['peak_mb']} MB",
            'convert_speed',
        ),
        ('probing a video of 16 s', f"{b['convert_speed']['probing']['ms_a_video']} ms of CPU", 'convert_speed'),
        (
            'raw videos to 16 frames of each shot',
            f"{ratio('raw to arrays'):.1f} × less CPU than cutting clips with ffmpeg and reading them",
            'prepare_speed',
        ),
        (
            '`shotluck-split --write`',
            f"{ratio('write clips'):.1f} × less CPU than an ffmpeg call for each shot, {ratio('bytes ours'):.2f} × the bytes, SSIM {'lower' if ratio('SSIM') < 0 else 'higher'} by {abs(ratio('SSIM')):.4f}",
            'prepare_speed',
        ),
        (
            'frames of all shots in one pass',
            f"{ratio('one pass / one by one'):.2f} × the CPU of reading clips one by one, {ratio('one pass / plain PyAV'):.2f} × a plain PyAV loop, {ratio('one pass / plain decord'):.2f} × decord",
            'prepare_speed',
        ),
        (
            'predictions, `nano`, 400 shapes records',
            f"{g['ratio']['cold']} × the captions/s of stock `generate` one by one, from raw videos; {g['ratio']['with_controls']} × with the controls blank and other; {g['ratio']['disk']} × with `--cache_dir` filled by a run before; the same texts",
            'evaluate_generate',
        ),
        (
            'one round of corrections: captions of unseen videos, before and after',
            f"CIDEr {b['corrections']['before']['CIDEr']} and {b['corrections']['after']['CIDEr']}, learning from "
            f"{b['corrections']['corrected']} corrected shots of {b['corrections']['videos']} generated videos",
            'corrections',
        ),
        (
            'scores of 4,000 shots and 4,000 summaries, 1,000 draws',
            f"{b['evaluate_score']['ratio']} × the time of calling pycocoevalcap's scorers once, {b['evaluate_score']['peak_gb']['ours']} GB",
            'evaluate_score',
        ),
        (
            '`shotluck-caption` on a trailer of 52 s, without imports and model',
            f"{beside} × the CPU of PySceneDetect's own command, {cap['… / the command without its imports']} × of that without its imports",
            'caption',
        ),
        (
            'its memory on a generated film',
            f"{long}; {b['caption']['long'][0]['loaded_mb']:.0f} MB of it are Python, torch and `nano`",
            'caption',
        ),
        (
            'loading a checkpoint of 2.2 GB',
            f"{max(r['ratio'] for r in b['load']['rows'])} × its size of anonymous memory (RAM that is not the mapped file)",
            'load',
        ),
    ]
    return '| what | measured | `python bench/…` |\n|---|---|---|\n' + '\n'.join(
        f'| {a} | {m} | `{k}.py` |' for a, m, k in rows
    )


def index() -> str:
    "index.ipynb with its three tables made again from bench/"
    nb = json.loads((root / 'nbs' / 'index.ipynb').read_text(encoding='utf-8'))
    tables = {'ind-demo-table': demo_table, 'ind-finetune-table': finetune_table, 'ind-measured': measured}
    for cell in nb['cells']:
        if cell['id'] in tables:
            cell['source'] = tables[cell['id']]().splitlines(keepends=True)
    return json.dumps(nb, indent=1, ensure_ascii=False) + '\n'


def readme() -> str:
    "index.ipynb as markdown, not executed; the title cell's first line is the package's name"
    nb = nbformat.read(root / 'nbs' / 'index.ipynb', 4)
    nb.cells = [c for c in nb.cells if not c.source.startswith('#| hide')]
    text, _ = MarkdownExporter().from_notebook_node(nb)
    return (
        '<!-- Made from nbs/index.ipynb and the files of bench/ by scripts/check_fresh.py --fix: edit there, not here. -->\n\n'
        + text.strip().replace('](images/', '](nbs/images/')
        + '\n'
    )


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
    for name, make in (('nbs/index.ipynb', index), ('README.md', readme)):  # README is made from the notebook
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
    print('notebooks, package and README agree')


if __name__ == '__main__':
    main()
