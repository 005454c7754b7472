"How well both detectors find hard and soft transitions of the bundled films: python bench/shots.py (needs the extra transnet)"

import time
from pathlib import Path

from machine import machine, root

from shotluck.download import film_dir
from shotluck.files import write_json
from shotluck.shots import detect_shots
from shotluck.text import read_json


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


films = read_json(Path(film_dir()) / 'manifest.json')
rows = []
for method in ('adaptive', 'transnet'):
    hits, false, start, frames = [], 0, time.process_time(), 0
    for f in films:
        h, n = judge([s for s, _ in detect_shots(Path(film_dir()) / f['file'], method)[1:]], f['transitions'])
        hits += h
        false += n
        frames += f['frames']
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
write_json(root / 'bench' / 'shots.json', dict(machine(), films=[f['file'] for f in films], slack=2, rows=rows))
