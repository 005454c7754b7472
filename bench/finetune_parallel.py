"""Do DDP, ZeRO-2 and ZeRO-3 on two processes give the losses and validation captions of one, and do killed runs resume to the same curve?
Batches of any records: those of like length depend on how a step's records are shared out, which is what differs here.
python bench/finetune_parallel.py [--only 'nano: ZeRO;phi: DDP'] [--steps 20]; writes bench/finetune_parallel.json, run by run"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil
import torch
from machine import machine

from shotluck.convert import convert
from shotluck.download import download
from shotluck.files import write_json
from shotluck.split import split
from shotluck.text import read_json

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / 'nbs'))
from fixtures.twins import make_twin  # noqa: E402

p = argparse.ArgumentParser()
p.add_argument('--only', default='')
p.add_argument('--steps', type=int, default=20)
p.add_argument('--tmp', default='')
a = p.parse_args()
tmp = Path(a.tmp or tempfile.mkdtemp())
data = tmp / 'data'
result = root / 'bench' / 'finetune_parallel.json'
if not (data / 'records/train.jsonl').exists():
    download(data=data, limit=6, quiet=True)
    split(data / 'raw/annotations', data / 'raw/videos', data / 'shots.jsonl', quiet=True)
    convert(data / 'raw/annotations', data / 'raw/videos', data, data / 'shots.jsonl')


def run(name, model, procs=1, batch=4, kill=0, extra=(), then=None):
    "Train in `procs` processes; `kill`: SIGKILL after so many whole steps, then start again, in `then` processes if told. Losses, and seconds"
    out = tmp / f"{name}-{Path(model).name}"
    shutil.rmtree(out, ignore_errors=True)

    def start(procs):
        return (
            [sys.executable]
            if not procs
            else [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', str(procs)]
        )

    def cmd(procs, batch):
        return [
            *start(procs),
            str(root / 'scripts/train.py'),
            '--model',
            str(model),
            '--data',
            str(data),
            '--out',
            str(out),
            '--batch',
            str(batch),
            '--max_steps',
            str(a.steps),
            '--epochs',
            '9',
            '--match',
            'shapes',
            '--any_length',
            '--lr',
            '2e-4',
            '--frames',
            '2',
            '--schedule',
            'constant',
            '--device',
            'cpu',
            '--quiet',
            '--cache',
            'disk',
            '--cache_dir',
            str(tmp / f'features-{name}'),
            *extra,
        ]

    env, t = (
        dict(
            os.environ,
            OMP_NUM_THREADS='1',
            HF_HUB_OFFLINE='1',
            SHOTLUCK_DEBUG='1',
            PYTHONPATH=f"{root}:{os.environ.get('PYTHONPATH', '')}",
        ),
        time.time(),
    )
    if kill:
        with subprocess.Popen(cmd(procs, batch), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as job:
            while job.poll() is None and not any(
                int(c.name.split('-')[1]) >= kill for c in out.glob('steps/checkpoint-*')
            ):
                time.sleep(0.05)
            if job.poll() is not None:
                raise SystemExit(f"{name}: ended before it could be killed")
            for c in [psutil.Process(job.pid), *psutil.Process(job.pid).children(recursive=True)]:
                c.kill()
        assert not (out / 'config.json').exists()
    if then is not None:
        procs, batch = then, batch * procs // max(then, 1)
    r = subprocess.run(cmd(procs, batch), env=env, capture_output=True, text=True)
    if r.returncode:
        raise SystemExit(f"{name}: exit code {r.returncode}\n{r.stdout[-1500:]}\n{r.stderr[-6000:]}")
    return pd.read_csv(out / 'metrics.csv').loss.dropna().tolist(), time.time() - t


def keep(name, losses, ref, seconds):
    rows = read_json(result, missing={})
    rows[name] = dict(
        steps=len(losses),
        largest_difference=max(abs(x - y) for x, y in zip(losses, ref, strict=True)),
        first=losses[0],
        last=losses[-1],
        seconds=round(seconds, 1),
        **machine(),
    )
    write_json(result, rows)
    print(name, rows[name], flush=True)


fixtures = root / 'nbs/fixtures/tinyllava'
models = dict(
    nano='nano', **{k: next((fixtures / k).glob('bczhou/*B')) for k in ('llama_gqa', 'llama_mha', 'stablelm', 'phi')}
)


def still(folder):  # The same checkpoint without dropout, whose draws would differ between processes
    new = tmp / 'still' / folder.name
    if not new.exists():
        shutil.copytree(folder.parent, new.parent)
        write_json(
            new / 'config.json',
            {
                k: 0.0 if k.endswith('_pdrop') or 'dropout' in k else v
                for k, v in read_json(new / 'config.json').items()
            },
        )
    return new


models['phi'] = still(models['phi'])


def zero(k):
    return ('--deepspeed', str(root / f'scripts/zero{k}.json'))


save = ('--save_steps', '4')
cases = {}
for m, path in models.items():
    cases[f'{m}: command'] = lambda path=path: run('plain', path, 0)
    cases[f'{m}: torchrun, 1 process'] = lambda path=path: run('one', path, 1)
    cases[f'{m}: DDP, 2 processes'] = lambda path=path: run('ddp', path, 2, 2)
for k in (2, 3):
    cases[f'nano: ZeRO-{k}, 2 processes'] = lambda k=k: run(f'zero{k}', 'nano', 2, 2, extra=zero(k))
    cases[f'nano: ZeRO-{k}, 2 processes, accumulate 2'] = lambda k=k: run(
        f'zero{k}a', 'nano', 2, 1, extra=(*zero(k), '--accumulate', '2')
    )
    cases[f'nano: ZeRO-{k}, killed and resumed'] = lambda k=k: run(
        f'zero{k}k', 'nano', 2, 2, kill=8, extra=(*zero(k), *save)
    )
cases['nano: accumulate 4'] = lambda: run('acc', 'nano', 0, 1, extra=('--accumulate', '4'))
cases['nano: DDP, accumulate 2'] = lambda: run('ddpacc', 'nano', 2, 1, extra=('--accumulate', '2'))
cases['nano: killed and resumed'] = lambda: run('kill', 'nano', 0, kill=8, extra=save)
cases['nano: DDP, killed and resumed by 1 process'] = lambda: run('ddpkill1', 'nano', 2, 2, kill=8, extra=save, then=1)
cases['nano: 1 process, killed and resumed by DDP'] = lambda: run('killddp', 'nano', 1, 4, kill=8, extra=save, then=2)
cases['nano: DDP, killed and resumed'] = lambda: run('ddpkill', 'nano', 2, 2, kill=8, extra=save)
for k, extra in dict(
    cache_off=('--cache', 'off'),
    cache_memory=('--cache', 'memory'),
    full_logits=('--full_logits',),
    checkpointing=('--checkpointing',),
    no_workers=('--workers', '-1'),
).items():
    cases[f'nano: {k}'] = lambda k=k, extra=extra: run(k, 'nano', 0, extra=extra)


def captioned(name, procs, batch, extra=()):  # With validation captions on the way; they must be those of one process
    losses, sec = run(name, 'nano', procs, batch, extra=(*extra, '--eval_steps', '10', '--eval_records', '20'))
    pages = [{p.name: p.read_bytes() for p in (tmp / f'{n}-nano' / 'validation').iterdir()} for n in (name, 'val')]
    if not pages[0] or pages[0] != pages[1]:
        raise SystemExit(f"{name}: the validation pages are not those of one process")
    return losses, sec


for k, (n, *how) in {
    '1 process': ('val', 0, 4),
    'DDP': ('valddp', 2, 2),
    'ZeRO-2': ('valzero2', 2, 2, zero(2)),
    'ZeRO-3': ('valzero3', 2, 2, zero(3)),
}.items():
    cases[f'nano: {k}, validation captions'] = lambda n=n, how=how: captioned(n, *how)
for k, (procs, *extra) in {'command': (0,), 'DDP': (2,), 'ZeRO-2': (2, *zero(2)), 'ZeRO-3': (2, *zero(3))}.items():
    cases[f'nano with LoRA: {k}'] = lambda k=k, procs=procs, extra=extra: run(
        f'lora{k}', 'nano', procs, 4 // max(procs, 1), extra=('--llm', 'lora', *extra)
    )
# models of transformers: twins of two families, with adapters
for family in ('smolvlm', 'qwen3_vl'):
    twin = make_twin(family, tmp / 'twins' / family)
    lora = ('--llm', 'lora')
    for k, how in {
        'command': dict(procs=0),
        'DDP, 2 processes': dict(procs=2, batch=2),
        'DDP, accumulate 2': dict(procs=2, batch=1, extra=('--accumulate', '2')),
        'killed and resumed': dict(procs=0, kill=8, extra=save),
        'DDP, killed and resumed by 1 process': dict(procs=2, batch=2, kill=8, extra=save, then=1),
    }.items():
        how['extra'] = (*lora, *how.get('extra', ()))
        cases[f'{family}, a twin with LoRA: {k}'] = lambda k=k, twin=twin, how=how: run(f'twin{len(k)}', twin, **how)
# in half precision each backend rounds in its own way: it must not crash, and stay near
half = ('--dtype', 'bfloat16')
for k, (procs, batch, *extra) in {
    'command': (0, 4),
    'DDP, validation captions': (2, 2),
    'ZeRO-2, validation captions': (2, 2, *zero(2)),
    'ZeRO-3, validation captions': (2, 2, *zero(3)),
}.items():
    cases[f'nano in bfloat16: {k}'] = lambda k=k, procs=procs, batch=batch, extra=extra: run(
        f'bf16{k[:6]}', 'nano', procs, batch, extra=(*half, *extra, '--eval_steps', '10', '--eval_records', '8')
    )
ref = {}
for name, f in cases.items():
    m = name.split(':')[0]
    if (
        a.only
        and not any(o in name for o in a.only.split(';'))
        and not (
            name.endswith('command') and any(o in n for n in cases for o in a.only.split(';') if n.startswith(m + ':'))
        )
    ):
        continue
    losses, sec = f()
    ref.setdefault(m, losses)
    keep(name, losses, ref[m], sec)
