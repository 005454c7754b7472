"""Is `nano` as fast through `Captioner` as it was before there was one, and does it say the same?

    git worktree add ../before a6af8ff    # the last commit without it
    python bench/nano_before.py ../before [rounds] [stage …]

Each stage runs in a process of its own, in turns, on the same records and film, with one thread. What is timed is the
stage itself, without importing. `ratio` is how many times as fast it is now; the median of the rounds, each of both sides.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from finetune import make_data
from machine import machine, root
from tqdm import tqdm

from shotluck.files import write_json
from shotluck.text import read_json

STAGE = """
import contextlib, io, sys, time
sys.modules['torchvision'] = None  # which `nano` does not need, and a broken one stopped every model before
import torch
torch.set_num_threads(1)
name, checkout, *words = sys.argv[1:]
import shotluck.caption, shotluck.evaluate, shotluck.finetune
import shotluck.cli as cli
assert shotluck.cli.__file__.startswith(checkout), shotluck.cli.__file__
sys.argv = [f'shotluck-{name}', *words]
start = time.perf_counter()
try:
    with contextlib.redirect_stdout(io.StringIO()):
        getattr(cli, name)()
except SystemExit as e:
    assert not e.code, e.code
print(time.perf_counter() - start)
"""


def seconds(checkout: Path, stage: list) -> float:
    "Seconds that a stage takes in a checkout"
    env = os.environ | dict(PYTHONPATH=str(checkout), OMP_NUM_THREADS='1', HF_HUB_OFFLINE='1', PYTHONWARNINGS='ignore')
    name, *words = map(str, stage)
    command = [sys.executable, '-c', STAGE, name, str(checkout), *words]
    done = subprocess.run(command, env=env, cwd=checkout, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'{checkout}: {done.stderr[-2000:]}')
    return float(done.stdout.splitlines()[-1])


def said(stage: str, out: Path):
    "What a stage wrote, without times and paths"
    if stage == 'caption':
        boards = [json.loads(path.read_text()) for path in sorted(out.glob('*.json'))]
        return [([shot['caption'] for shot in board['shots']], board['summary']) for board in boards]
    if stage == 'evaluate':
        lines = (out / 'predictions.jsonl').read_text().splitlines()
        return sorted((row['id'], row.get('text', row.get('prediction'))) for row in map(json.loads, lines))
    return None


def main():
    before = Path(sys.argv[1]).resolve()
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as folder:
        tmp = Path(folder)
        make_data(tmp / 'data', 800, 100, seconds=6, words=20, shots=2)
        records = tmp / 'data' / 'records'
        (records / 'test.jsonl').write_bytes((records / 'train.jsonl').read_bytes())
        films = tmp / 'films'  # three
        films.mkdir()
        for film in (root / 'shotluck' / 'data' / 'film').glob('*.mp4'):
            (films / film.name).write_bytes(film.read_bytes())
        data = ['--model', 'nano', '--data', tmp / 'data', '--quiet']
        stages = dict(
            evaluate=['evaluate', *data],
            caption=[
                'caption',
                films,
                '--model',
                'nano',
                '--shots',
                'every:2s',
                '--format',
                'json',
                '--speech',
                'none',
            ],
            finetune=['finetune', *data, '--epochs', '2', '--batch', '8', '--drop_speech', '0', '--cache', 'memory'],
        )
        path = root / 'bench' / 'nano_before.json'
        rows = read_json(path, missing={}).get('rows', {})
        for name, stage in stages.items():
            if sys.argv[3:] and name not in sys.argv[3:]:
                continue
            took = {before: [], root: []}
            same = []
            for k in tqdm(range(rounds), name):
                sides = [before, root] if k % 2 else [root, before]
                for side in sides:
                    out = tmp / f'{name}-{k}-{side.name}-{side == root}'
                    took[side].append(seconds(side, [*stage, '--out', out]))
                both = [said(name, tmp / f'{name}-{k}-{side.name}-{side == root}') for side in (before, root)]
                same.append(both[0] == both[1])
            ratios = [old / new for old, new in zip(took[before], took[root])]
            rows[name] = dict(
                before=round(median(took[before]), 2),
                now=round(median(took[root]), 2),
                ratio=round(median(ratios), 3),
                rounds=rounds,
                ratios=[round(ratio, 3) for ratio in sorted(ratios)],
            )
            if name != 'finetune':
                rows[name]['same_words'] = all(same)
            print(name, rows[name], flush=True)
    write_json(path, dict(**machine(), before='a6af8ff', rows=rows))


if __name__ == '__main__':
    main()
