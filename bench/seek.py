"""Frames from anywhere in a long film, against decord and PyAV's own loop, and short clips against decoding in order:

    python bench/seek.py [minutes of film, 60] [a film made before]

CPU seconds by resource usage, one thread each, all sides in one process and turn by turn; a film of 320x180 pixels at 25 frames
a second, x264 with groups of 250. Each reader begins with a file that it has not seen; `again` has the index in memory.
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import av
import decord
import numpy as np
from av.video.reformatter import VideoReformatter
from machine import machine

import shotluck.probe
from shotluck.files import ffmpeg_exe, write_json
from shotluck.seeking import iter_in_order
from shotluck.video import BICUBIC, probe, read_pictures, sample_idxs

WIDTH = 320
FPS = 25
GROUP = 250


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cost(func, *args):
    "(CPU seconds, what it gives)"
    before = cpu()
    result = func(*args)
    return cpu() - before, result


def make_film(path, seconds):
    x264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', GROUP, '-keyint_min', GROUP, '-sc_threshold', 0]
    source = ['-f', 'lavfi', '-i', f'testsrc=size=320x180:rate={FPS}:duration={seconds}', '-pix_fmt', 'yuv420p']
    command = [ffmpeg_exe(), '-v', 'error', '-y', *source, *x264, '-threads', 1, path]
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL)


def ours(path, numbers):
    "As in a new process: nothing is known of the file"
    shotluck.probe._known.clear()
    return read_pictures(path, numbers, WIDTH)


def in_order(path, numbers):
    "As `ours`, but by the way that was the only one before: every packet counted, every frame decoded"
    with patch('shotluck.probe.sample_table', lambda *args: None), patch('shotluck.video.iter_wanted', iter_in_order):
        return ours(path, numbers)


def by_decord(path, numbers):
    return decord.VideoReader(str(path), width=WIDTH, height=180, num_threads=1).get_batch(numbers).asnumpy()


def by_pyav(path, numbers):
    "PyAV's own loop, with one scaler kept"
    found = {}
    scaler = VideoReformatter()
    wanted = set(numbers)
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for k, frame in enumerate(container.decode(video=0)):
            if k in wanted:
                found[k] = scaler.reformat(frame, WIDTH, 180, 'rgb24', interpolation=BICUBIC, threads=1).to_ndarray()
            if k == numbers[-1]:
                break
    return np.stack([found[k] for k in numbers])


def compare(path, numbers, times, wanted=None):
    "CPU seconds of each reader, and whether our pictures are those that are wanted, by default those of PyAV's own loop"
    runs = []
    for turn in range(times):
        row = {}
        row['ours'], pictures = cost(ours, path, numbers)
        row['again'], _ = cost(read_pictures, path, numbers, WIDTH)
        row['decord'], _ = cost(by_decord, path, numbers)
        if turn == 0 and wanted is None:
            row['pyav'], wanted = cost(by_pyav, path, numbers)
        runs.append(row)
    middle = {reader: round(float(np.median([run[reader] for run in runs if reader in run])), 4) for reader in runs[0]}
    spread = {reader: [round(f([run[reader] for run in runs]), 4) for f in (min, max)] for reader in ('ours', 'decord')}
    return dict(
        cpu_seconds=middle,
        spread=spread,
        runs=times,
        exact=bool((pictures == wanted).all()),
        ours_to_decord=round(middle['ours'] / middle['decord'], 3),
        again_to_decord=round(middle['again'] / middle['decord'], 3),
        ours_to_pyav=round(middle['ours'] / middle['pyav'], 3) if 'pyav' in middle else None,
    )


def short_clips(folder, times):
    "CPU seconds for 16 frames of each shot of short clips, as before and now, turn by turn"
    rows = {}
    for seconds in (4, 16):
        clip = folder / f'{seconds}.mp4'
        make_film(clip, seconds)
        n_frames = seconds * FPS
        shots = [(start, min(start + 100, n_frames)) for start in range(0, n_frames, 100)]
        numbers = sum((sample_idxs([shot], 16)[0] for shot in shots), [])
        runs = [[cost(reader, clip, numbers)[0] for reader in (ours, in_order)] for _ in range(times)]
        now, before = np.median(runs, axis=0)
        rows[f'{seconds} s, {len(shots)} shots'] = dict(
            now=round(float(now), 4), before=round(float(before), 4), now_to_before=round(float(now / before), 3)
        )
    return rows


def shots_of(n_frames, n_shots, rng):
    "Shots of 3 to 10 s anywhere in a film, in order, which do not overlap"
    starts = np.sort(rng.choice(n_frames // GROUP, n_shots, replace=False)) * GROUP
    shots = []
    for start in starts:
        begin = int(start + rng.integers(0, 175))
        shots.append((begin, begin + int(rng.integers(75, GROUP - (begin - start) + 1))))
    return shots


if __name__ == '__main__':
    minutes = int(sys.argv[1]) if sys.argv[1:] else 60
    tmp = Path(tempfile.mkdtemp())
    film = Path(sys.argv[2]) if sys.argv[2:] else tmp / 'film.mp4'
    if not film.exists():
        make_film(film, minutes * 60)
    n_frames = minutes * 60 * FPS
    assert probe(film).frames == n_frames
    rows = {}
    for percent in (1, 50, 99):  # each at the same place within its group
        first = n_frames * percent // 100 // GROUP * GROUP + 50
        rows[f'8 frames at {percent} %'] = compare(film, list(range(first, first + 80, 10)), 3)
        print(percent, json.dumps(rows[f'8 frames at {percent} %']), flush=True)
    shots = shots_of(n_frames, min(100, n_frames // GROUP // 2), np.random.default_rng(0))
    numbers = sum((sample_idxs([shot], 16)[0] for shot in shots), [])
    rows[f'16 frames of {len(shots)} shots'] = compare(film, numbers, 1)
    print('shots', json.dumps(rows[f'16 frames of {len(shots)} shots']), flush=True)
    again = tmp / 'film.mkv'
    subprocess.run([ffmpeg_exe(), '-v', 'error', '-y', '-i', str(film), '-c', 'copy', str(again)], check=True)
    numbers = list(range(first, first + 80, 10))
    rows['8 frames at 99 % of a Matroska file'] = compare(again, numbers, 3, ours(film, numbers))
    clips = short_clips(tmp, 9)
    print(json.dumps(clips), flush=True)
    near = [rows[f'8 frames at {percent} %']['cpu_seconds']['ours'] for percent in (1, 50, 99)]
    report = dict(
        machine(),
        libraries=dict(av=av.__version__, decord=decord.__version__, libavcodec=av.library_versions['libavcodec']),
        film=f'{minutes} min, 320x180, groups of {GROUP}',
        rows=rows,
        short_clips=clips,
        most_ours_to_decord=max(row['ours_to_decord'] for name, row in rows.items() if 'Matroska' not in name),
        slowest_to_fastest_position=round(max(near) / min(near), 3),
        exact=all(row['exact'] for row in rows.values()),
    )
    if minutes == 60:
        write_json(Path(__file__).with_suffix('.json'), report)
    print({name: report[name] for name in ('most_ours_to_decord', 'slowest_to_fastest_position', 'exact')})
    sys.exit(not report['exact'])
