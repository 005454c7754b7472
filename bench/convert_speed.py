"Convert on made annotations of Shot2Story's size, against plain json.load and json.dump: python bench/convert_speed.py [20000 43000 134000]"

import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from machine import machine

from shotluck.files import write_json, write_jsonl

WORDS = 'a man in the red shirt walks over to his car and then talks with an old woman who holds the white dog while music plays behind them'.split()


def text(rng, n):
    return ' '.join(rng.choice(WORDS) for _ in range(n)).capitalize() + '.'


def annotation(rng, k, split):  # about 2.95 kB, as in 20k_train.json
    clip, shots, at = f'{split[:2]}{k:08x}Q.{k % 97}', [], 0
    for _ in range(rng.randint(2, 6)):
        n = rng.randint(40, 200)
        shots.append((at, at + n))
        at += n
    s = len(shots)
    return dict(
        video=f'{clip}.mp4',
        image_id=f'{clip}.mp4',
        id=k,
        whole_caption=text(rng, 110),
        whole_ASR=text(rng, 50),
        nvid=s,
        video_names=[f'{clip}_{a}_{b - 1}.mp4' for a, b in shots],
        audio_captions=[text(rng, 10) if rng.random() < 0.5 else '' for _ in shots],
        captions=[text(rng, 42) for _ in shots],
        ASR=[text(rng, 15) for _ in shots],
    ), shots


def make(folder, n):
    rng, lines, meta = random.Random(n), [], ['clip_id,categories,duration,youtube_id']
    for split, m in dict(
        train=n - 6000 if n > 10000 else n * 7 // 10,
        val=1980 if n > 10000 else n // 10,
        test=4020 if n > 10000 else n // 5,
    ).items():
        rows = []
        for k in range(m):
            a, shots = annotation(rng, k, split)
            rows.append(a)
            clip = a['video'][:-4]
            lines.append(
                dict(
                    video=a['video'],
                    frames=shots[-1][1],
                    fps=25.0,
                    width=640,
                    height=360,
                    size=1,
                    mtime=1,
                    shots=[list(s) for s in shots],
                    seconds=[[x / 25, y / 25] for x, y in shots],
                    source='annotated',
                    status='ok',
                    reason='',
                )
            )
            meta.append(f"{clip},['Music'],\"['00:00:01.000', '00:00:17.000']\",{clip.split('.')[0]}")
        (folder / 'ann').mkdir(parents=True, exist_ok=True)
        (folder / 'ann' / f'{n}_{split}.json').write_text(json.dumps(rows))
    (folder / 'ann' / f'{n}_meta.csv').write_text('\n'.join(meta) + '\n')
    write_jsonl(folder / 'shots.jsonl', lines)


def cpu():
    return sum(
        getattr(resource.getrusage(w), k)
        for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        for k in ('ru_utime', 'ru_stime')
    )


STEPS = {
    'json': 'import json,sys,glob\nt0=now()\nfor f in sorted(glob(d+"/ann/*.json")):\n  rows=json.load(open(f)); parts["load"]=parts.get("load",0)+now()-t0; t0=now()\n  json.dump(rows,open(d+"/out.json","w")); parts["dump"]=parts.get("dump",0)+now()-t0; t0=now(); del rows\n'.replace(
        'glob(d', 'glob.glob(d'
    ),
    'convert 1 worker': 'parts["counts"]=convert(d+"/ann",d,d+"/one",d+"/shots.jsonl",workers=1)\n',
    'convert 2 workers': 'parts["counts"]=convert(d+"/ann",d,d+"/two",d+"/shots.jsonl",workers=2)\n',
    'no change': 'parts["counts"]=convert(d+"/ann",d,d+"/one",d+"/shots.jsonl",workers=1)\n',
}


def step(name, d):  # in a process of its own
    code = 'import json,sys,time,resource\nfrom shotluck.convert import convert\nd=sys.argv[1]; parts={}\ndef now(): return time.process_time()\n'
    code += (
        'def cpu(): return sum(getattr(resource.getrusage(w),k) for w in (0,-1) for k in ("ru_utime","ru_stime"))\nc=cpu(); t=time.time()\n'
        + STEPS[name]
        + 'print(json.dumps(dict(cpu=cpu()-c, wall=time.time()-t, **parts)))'
    )
    p = psutil.Popen([sys.executable, '-c', code, str(d)], stdout=subprocess.PIPE, text=True)
    peak = 0
    while p.poll() is None:
        try:
            peak = max(peak, sum(q.memory_full_info().pss for q in [p, *p.children(recursive=True)]))
        except psutil.Error:
            pass
        time.sleep(0.1)
    r = json.loads(p.stdout.read())
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in r.items()} | dict(peak_mb=round(peak / 1e6))


def probing(n=200):  # CPU of probing, which the others do without: copies of a made clip of 16 s
    import shutil

    import numpy as np

    from shotluck.split import describe_video
    from shotluck.video import write_video

    with tempfile.TemporaryDirectory() as d:
        noise = np.random.default_rng(0).integers(0, 255, (8, 360, 640, 3), dtype=np.uint8)
        write_video(f'{d}/0.mp4', [noise[k // 50 % 8] for k in range(400)], 25, np.zeros(16 * 16000, np.float32))
        for k in range(1, n):
            shutil.copy(f'{d}/0.mp4', f'{d}/{k}.mp4')
        c = cpu()
        for k in range(n):
            assert describe_video(d, 'annotated', (f'{k}.mp4', [(0, 100), (100, 400)]))['status'] == 'ok'
        return dict(videos=n, ms_a_video=round((cpu() - c) / n * 1000, 2))


if __name__ == '__main__':
    probe = probing()
    print(probe)
    sizes, rows = [int(x) for x in sys.argv[1:]] or [5000, 20023, 67000, 134000], []
    for n in sizes:
        with tempfile.TemporaryDirectory() as d:
            make(Path(d), n)
            mb = sum(f.stat().st_size for f in (Path(d) / 'ann').glob('*.json')) / 1e6
            r = dict(videos=n, mb=round(mb, 1), **{k: step(k, d) for k in STEPS})
            same = {f.name: f.read_bytes() for f in (Path(d) / 'one/records').glob('*.jsonl')} == {
                f.name: f.read_bytes() for f in (Path(d) / 'two/records').glob('*.jsonl')
            }
        base = r['json']['cpu']
        r.update(
            same_bytes=same,
            convert_over_json=round(r['convert 1 worker']['cpu'] / base, 2),
            parallel_over_json=round(r['convert 2 workers']['cpu'] / base, 2),
            no_change_over_load=round(r['no change']['cpu'] / r['json']['load'], 2),
        )
        rows.append(r)
        print(r)
        write_json(
            Path(__file__).with_suffix('.json'),
            dict(
                machine(),
                probing=probe,
                rows=rows,
            ),
        )
