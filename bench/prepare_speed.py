"Frames of shots with and without clip files, on six made videos of 16 s, 640x360, 4 shots, GOP 250: python bench/prepare_speed.py"

import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import decord
import numpy as np
from av.video.reformatter import VideoReformatter
from machine import machine

import shotluck.probe
from shotluck.files import ffmpeg_exe, write_json
from shotluck.split import split, write_clips
from shotluck.video import _pad, fit_size, probe, read_frames, sample_idxs, write_video

FPS, W, H, N = 25, 640, 360, 400


def film(seed):  # four shots of moving textures with grain
    rng, frames, cuts = (
        np.random.default_rng(seed),
        [],
        sorted(np.random.default_rng(seed).choice(range(60, 340, 10), 3, replace=False).tolist()),
    )
    yy, xx = np.mgrid[:H, :W]
    edges = [0, *cuts, N]
    for a, b in zip(edges, edges[1:]):
        f, v, c, grain = (
            rng.uniform(0.01, 0.06, (3, 2)),
            rng.uniform(-0.25, 0.25, 3),
            rng.uniform(60, 190, 3),
            rng.normal(0, 5, (H, W, 1)),
        )
        blob = rng.uniform(80, 280, 2)
        for t in range(b - a):
            x = np.stack([c[i] + 50 * np.sin(f[i, 0] * xx + f[i, 1] * yy + v[i] * t) for i in range(3)], -1) + np.roll(
                grain, 3 * t, 1
            )
            x[np.hypot(yy - blob[0], xx - blob[1] - 4 * t % W) < 50] = 230 - c
            frames.append(x.clip(0, 255).astype(np.uint8))
    return np.stack(frames), list(zip(edges, edges[1:]))


def cpu():
    return sum(
        getattr(resource.getrusage(w), k)
        for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        for k in ('ru_utime', 'ru_stime')
    )


def cost(f):
    c, t = cpu(), time.time()
    x = f()
    return cpu() - c, time.time() - t, x


def ssim(clip, path, s, e):  # of a clip against its frames in the source
    run = subprocess.run(
        [
            ffmpeg_exe(),
            '-i',
            str(clip),
            '-i',
            str(path),
            '-lavfi',
            f'[0:v]setpts=N/25/TB[a];[1:v]trim=start_frame={s}:end_frame={e},setpts=N/25/TB[b];[a][b]ssim',
            '-f',
            'null',
            '-',
        ],
        capture_output=True,
        text=True,
    )
    return float(re.search(r'All:([\d.]+)', run.stderr)[1])


if __name__ == '__main__':
    tmp = Path(tempfile.mkdtemp())
    (tmp / 'videos').mkdir()
    shots, ann = {}, []
    for k in range(6):
        frames, s = film(k)
        v = tmp / 'videos' / f'v{k}.mp4'
        sound = 0.1 * np.sin(np.arange(N * 16000 // FPS) / (20 + k))
        write_video(
            v, frames, FPS, sound, options=dict(crf='23', preset='medium', g='250', keyint_min='250', sc_threshold='0')
        )
        shots[v] = s
        ann.append(dict(video=v.name, video_names=[f'v{k}_{a}_{b - 1}.mp4' for a, b in s], captions=['x'] * 4))
    write_json(tmp / 'made_train.json', ann)
    want = {v: [sample_idxs([x], 16)[0] for x in s] for v, s in shots.items()}

    def baseline_clips(out):
        out.mkdir(exist_ok=True)
        clips = {}
        for v, s in shots.items():
            for a, b in s:
                c = out / f'{v.stem}_{a}_{b - 1}.mp4'
                subprocess.run(
                    [
                        ffmpeg_exe(),
                        '-y',
                        '-loglevel',
                        'error',
                        '-i',
                        str(v),
                        '-ss',
                        f'{a / FPS:.4f}',
                        '-t',
                        f'{(b - a) / FPS:.4f}',
                        '-c:v',
                        'libx264',
                        '-c:a',
                        'aac',
                        str(c),
                    ],
                    check=True,
                    stdin=subprocess.DEVNULL,
                )
                clips[v, a, b] = c
        return clips

    def read_clips(clips):
        return {k: read_frames(c, sample_idxs([(0, probe(c).frames)], 16)[0], 384) for k, c in clips.items()}

    def fresh():
        shotluck.probe._known.clear()

    def ours_prepare():
        fresh()
        return split(tmp / 'made_train.json', tmp / 'videos', tmp / f'{time.time()}.jsonl', quiet=True, workers=1)

    def ours_read():
        return {v: read_frames(v, sum(w, []), 384) for v, w in want.items()}

    def write(out):
        fresh()
        return {v: write_clips(v, s, out) for v, s in shots.items()}

    whole = {v: sample_idxs([(0, N)], 16)[0] for v in shots}

    def one_by_one(clips):  # the same reads from the clip files and the video
        fresh()
        return [read_frames(c, sample_idxs([(0, b - a)], 16)[0], 384) for (v, a, b), c in clips.items()] + [
            read_frames(v, w, 384) for v, w in whole.items()
        ]

    def one_pass():
        fresh()
        return [read_frames(v, sum(want[v], []) + whole[v], 384) for v in shots]

    w, h = fit_size((W, H), 384)

    def plain_decord():
        out = []
        for v in shots:
            idxs = sum(want[v], []) + whole[v]
            uniq = sorted(set(idxs))
            at = {k: i for i, k in enumerate(uniq)}
            out.append(
                _pad(decord.VideoReader(str(v), width=w, height=h, num_threads=1).get_batch(uniq).asnumpy(), 384)[
                    [at[k] for k in idxs]
                ]
            )
        return out

    def plain_pyav():
        out = []
        for v in shots:
            idxs, scale = sum(want[v], []) + whole[v], VideoReformatter()
            need, got = set(idxs), {}
            with av.open(str(v)) as c:
                c.streams.video[0].codec_context.thread_count = 1
                for k, f in enumerate(c.decode(video=0)):
                    if k in need:
                        got[k] = scale.reformat(f, w, h, 'rgb24', interpolation='BICUBIC').to_ndarray()
            out.append(_pad(np.stack([got[k] for k in idxs]), 384))
        return out

    rows = []
    for _ in range(int(sys.argv[1]) if sys.argv[1:] else 3):
        r = {}
        r['baseline: clips'], _, clips = cost(lambda: baseline_clips(tmp / 'base'))
        r['baseline: read clips'], _, _ = cost(lambda: (fresh(), read_clips(clips)))
        r['prepare'], _, _ = cost(ours_prepare)
        r['prepare and read'] = r['prepare'] + cost(ours_read)[0]
        r['write clips'], _, mine = cost(lambda: write(tmp / 'mine'))
        r['one by one'] = cost(lambda: one_by_one(clips))[0]
        r['one pass'], _, a = cost(one_pass)
        r['plain decord'], _, b = cost(plain_decord)
        r['plain pyav'], _, c = cost(plain_pyav)
        assert all((x == y).all() for x, y in zip(a, c))
        rows.append(r)
        print({k: round(x, 2) for k, x in r.items()})
    med = {k: float(np.median([r[k] for r in rows])) for k in rows[0]}
    base = [(k[0], k[1], k[2], c) for k, c in clips.items()]
    ours = [(v, s, e, tmp / 'mine' / f'{v.stem}_{s}_{e - 1}.mp4') for v, ss in shots.items() for s, e in ss]
    quality = dict(
        ssim_baseline=float(np.mean([ssim(c, v, s, e) for v, s, e, c in base])),
        ssim_ours=float(np.mean([ssim(c, v, s, e) for v, s, e, c in ours])),
        bytes_baseline=sum(c.stat().st_size for *_, c in base),
        bytes_ours=sum(c.stat().st_size for *_, c in ours),
    )
    quality['frames_right'] = all(probe(c).frames == e - s for _, s, e, c in ours)
    ratios = {
        'raw to arrays: baseline / ours (at least 5)': (med['baseline: clips'] + med['baseline: read clips'])
        / med['prepare and read'],
        'write clips: baseline / ours (at least 2.2)': med['baseline: clips'] / med['write clips'],
        'one pass / one by one (at most 0.6)': med['one pass'] / med['one by one'],
        'one pass / plain decord (at most 1.1)': med['one pass'] / med['plain decord'],
        'one pass / plain PyAV (at most 1.1)': med['one pass'] / med['plain pyav'],
        'SSIM ours - baseline (at least -.002)': quality['ssim_ours'] - quality['ssim_baseline'],
        'bytes ours / baseline (at most 1.1)': quality['bytes_ours'] / quality['bytes_baseline'],
    }
    write_json(
        Path(__file__).with_suffix('.json'),
        dict(
            machine(),
            cpu_seconds=med,
            runs=rows,
            quality=quality,
            ratios={k: round(v, 3) for k, v in ratios.items()},
        ),
    )
    print(json.dumps(ratios, indent=1), quality)
