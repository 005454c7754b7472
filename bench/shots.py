"""How well both detectors find hard and soft transitions: python bench/shots.py (needs the extra transnet)

Without arguments on the bundled films, whose every transition is annotated. `python bench/shots.py bbc FOLDER`, `rai FOLDER`
or `clipshots VIDEOS ANNOTATIONS.json` runs on your copy of a public set, counted as for TransNet V2, and prints a row for each detector."""

import sys
import time
from pathlib import Path

from machine import machine, root

from shotluck.download import film_dir
from shotluck.files import write_json
from shotluck.shots import detect_shots
from shotluck.shots_public import read_bbc, read_clipshots, read_rai, transition_f1
from shotluck.text import read_json
from shotluck.transitions import SoftTransitions
from shotluck.video import probe


def judge(cuts, transitions, slack=2):
    "Which transitions have a cut in them or within `slack` frames, each cut used once, and how many cuts are left over"
    left, hits = list(cuts), []
    # hard ones first: they are the exacter claim
    for t in sorted(transitions, key=lambda t: t['kind'] != 'cut'):
        a, b = (t['new_shot'],) * 2 if t['kind'] == 'cut' else (t['first'], t['last'])
        near = min((c for c in left if a - slack <= c <= b + slack), key=lambda c: abs(c - t['new_shot']), default=None)
        if near is not None:
            left.remove(near)
        hits.append((t['kind'] == 'cut', near is not None))
    return hits, len(left)


def judge_seen(seen, transitions, slack=2):
    "How many soft transitions `SoftTransitions` saw, and how many of what it saw meets none"
    soft = [(t['first'] - slack, t['last'] + slack) for t in transitions if t['kind'] != 'cut']
    n_met = sum(any(a <= last and first <= b for first, last in seen) for a, b in soft)
    return n_met, sum(not any(a <= last and first <= b for a, b in soft) for first, last in seen)


def public(name, folder, annotations=None):
    "A row for each detector, on a copy of a public set"
    truth = read_clipshots(annotations) if name == 'clipshots' else dict(bbc=read_bbc, rai=read_rai)[name](folder)
    truth = {video: pairs for video, pairs in truth.items() if (Path(folder) / video).exists()}
    for method in ('adaptive', 'transnet'):
        found = {video: detect_shots(Path(folder) / video, method) for video in truth}
        print(dict(set=name, detector=method, videos=len(truth), **transition_f1(found, truth)), flush=True)


if len(sys.argv) > 1:
    public(*sys.argv[1:])
    sys.exit()
films = read_json(Path(film_dir()) / 'manifest.json')
rows, soft_seen, soft_false = [], 0, 0
for method in ('adaptive', 'transnet'):
    hits, false, start, frames = [], 0, time.process_time(), 0
    for f in films:
        path = Path(film_dir()) / f['file']
        looked = SoftTransitions(probe(path).fps)
        found = detect_shots(path, method, watch=looked.watch if method == 'adaptive' else iter)
        h, n = judge([s for s, _ in found[1:]], f['transitions'])
        hits += h
        false += n
        frames += f['frames']
        seen, wrong = judge_seen(looked.found, f['transitions'])
        soft_seen += seen
        soft_false += wrong
    hard, soft = ([ok for is_hard, ok in hits if is_hard == want] for want in (True, False))
    n = sum(hard) + sum(soft)
    p, r = n / (n + false), n / len(hits)
    rows.append(
        {
            'detector': method,
            'hard found': f'{sum(hard)} of {len(hard)}',
            'soft found': f'{sum(soft)} of {len(soft)}',
            'false': false,
            'F1': round(2 * p * r / (p + r), 3),
            'frames per CPU second': round(frames / (time.process_time() - start)),
        }
    )
    print(rows[-1], flush=True)
estimate = {'soft seen': f'{soft_seen} of {len(soft)}', 'seen where none is': soft_false}
print(estimate)
write_json(
    root / 'bench' / 'shots.json',
    dict(machine(), films=[f['file'] for f in films], slack=2, rows=rows, estimate=estimate),
)
