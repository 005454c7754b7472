"""Odd and broken videos through the command, each in a process of its own: python bench/odd_videos.py

Each must work, or end with one clear line and exit code 1; a good video beside it must be told in the same run."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from machine import machine, root

from shotluck.files import ffmpeg_exe, write_json
from shotluck.video import write_video

tmp = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)


def ffmpeg(*args):
    subprocess.run([ffmpeg_exe(), '-v', 'error', '-y', *map(str, args)], check=True)


def pictures(n, h=96, w=160, every=24):  # noise that changes at each cut and drifts between them
    scenes = rng.integers(0, 255, (-(-n // every), h // 8, w // 8, 3), dtype=np.uint8)
    return [np.roll(np.kron(scenes[k // every], np.ones((8, 8, 1), np.uint8)), k % every, 1) for k in range(n)]


def tone(seconds):
    return (0.2 * np.sin(np.arange(int(seconds * 16000)) / 9)).astype(np.float32)


def make(name, frames, fps=12, **kw):
    (tmp / name).mkdir()
    path = tmp / name / 'film.mp4'
    write_video(path, frames, fps, **kw)
    return path


cases = {}  # name -> (path, more arguments, works?, a check of the JSON)
good = make('good', pictures(48), audio=tone(4)).rename(tmp / 'good/good.mp4')
ffmpeg('-i', good, '-vn', '-c', 'copy', (d := tmp / 'sound only', d.mkdir())[0] / 'film.mp4')
cases['no video stream'] = tmp / 'sound only/film.mp4', (), False, None
(tmp / 'longer').mkdir()
ffmpeg(
    '-i',
    good,
    '-f',
    'lavfi',
    '-i',
    'sine=duration=9',
    '-map',
    '0:v',
    '-map',
    '1:a',
    '-c:v',
    'copy',
    '-c:a',
    'aac',
    tmp / 'longer/film.mp4',
)
(tmp / 'longer/film.srt').write_text('1\n00:00:07,000 --> 00:00:08,000\nafter the end\n')
cases['sound longer than picture, speech after the end'] = (
    tmp / 'longer/film.mp4',
    (),
    True,
    lambda j: j['shots'][-1]['speech'] == 'after the end' and j['duration'] < 5,
)
(tmp / 'turned').mkdir()
ffmpeg('-display_rotation', '90', '-i', good, '-c', 'copy', tmp / 'turned/film.mp4')
cases['rotated phone video'] = tmp / 'turned/film.mp4', (), True, lambda j: (j['width'], j['height']) == (96, 160)
cases['4K'] = make('4K', pictures(24, 2160, 3840, 12)), (), True, lambda j: j['width'] == 3840
cases['10 fps'] = (
    make('10 fps', pictures(50, every=25), 10),
    (),
    True,
    lambda j: abs(j['duration'] - 5) < 0.01 and len(j['shots']) == 2,
)
(tmp / 'vfr').mkdir()
ffmpeg(
    '-i', good, '-vf', "setpts='(N+if(gt(N,24),N,0))/12/TB'", '-fps_mode', 'passthrough', '-an', tmp / 'vfr/film.mkv'
)
cases['variable frame rate'] = (
    tmp / 'vfr/film.mkv',
    (),
    True,
    lambda j: len(j['shots']) == 2 and abs(j['shots'][1]['t1'] - j['shots'][1]['t0'] - 5.917) < 0.1,
)
cases['one frame'] = make('one', pictures(1)), (), True, lambda j: len(j['shots']) == 1
cases['two frames'] = make('two', pictures(2)), (), True, lambda j: j['shots'][-1]['end'] == 2
cases['2,000 cuts'] = (
    make('cuts', pictures(12006, 48, 64, 6)),
    (),
    True,
    lambda j: len(j['shots']) >= 1900 and j['shots'][-1]['end'] == 12006,
)
cases['no cuts'] = make('no cuts', pictures(120, every=999)), (), True, lambda j: len(j['shots']) == 1
cases['a black film'] = make('black', [np.zeros((96, 160, 3), np.uint8)] * 60), (), True, lambda j: len(j['shots']) == 1
(tmp / 'latin').mkdir()
shutil.copy(good, tmp / 'latin/film.mp4')
(tmp / 'latin/film.srt').write_bytes(
    '1\n00:00:00,100 --> 00:00:01,900\nGrüß Gott!\n\n2\n00:00:01,000 --> 00:00:01,800\nDéjà vu\n\n3\n00:00:03,900 --> 00:00:02,500\nbackwards\n'.encode(
        'latin-1'
    )
)
cases['an SRT in Latin-1 with overlapping times'] = (
    tmp / 'latin/film.mp4',
    (),
    True,
    lambda j: j['shots'][0]['speech'] == 'Grüß Gott! Déjà vu',
)
(tmp / 'empty srt').mkdir()
shutil.copy(good, tmp / 'empty srt/film.mp4')
(tmp / 'empty srt/film.srt').write_text('')
cases['an empty SRT beside it'] = (
    tmp / 'empty srt/film.mp4',
    (),
    True,
    lambda j: 'film.srt could not be read (no subtitles in it, the file is empty)' in j['note'],
)
cases['an empty SRT named'] = tmp / 'empty srt/film.mp4', ('--speech', str(tmp / 'empty srt/film.srt')), False, None
cases['an SRT that is not there'] = good, ('--speech', 'gone.srt'), False, None
cases['a folder that cannot be written'] = good, ('--out', '/proc/sys/none'), False, None
for i, name in enumerate(
    [
        'a b\'"$(x);#?%&<b>.mp4',
        'x\nname.mp4',
        '中文🎬.mp4',
        'concat:a|b.mp4',
        '-.mp4',
        os.fsdecode(b'\xff\xfe.mp4'),
        'f' * 245 + '.mp4',
    ]
):
    (tmp / f'n{i}').mkdir()
    shutil.copy(good, tmp / f'n{i}' / name)
    cases[f'file name {name[:22]!r}'] = tmp / f'n{i}' / name, (), True, lambda j: len(j['shots']) == 2
(tmp / 'cut').mkdir()
(tmp / 'cut/film.mp4').write_bytes(good.read_bytes()[:-3000])
cases['cut off at the end'] = tmp / 'cut/film.mp4', (), False, None
(tmp / 'text').mkdir()
(tmp / 'text/film.mp4').write_text('no film' * 99)
cases['text'] = tmp / 'text/film.mp4', (), False, None
(tmp / 'zero').mkdir()
(tmp / 'zero/film.mp4').touch()
cases['an empty file'] = tmp / 'zero/film.mp4', (), False, None
(tmp / 'grow').mkdir()
grow = make('whole', pictures(2400))
ts = tmp / 'grow/film.ts'
ffmpeg('-i', grow, '-c', 'copy', tmp / 'grow/whole.bin.ts')
data = (tmp / 'grow/whole.bin.ts').read_bytes()
(tmp / 'grow/whole.bin.ts').unlink()
ts.write_bytes(data[: len(data) // 3])
cases['a file that grows while read'] = (
    ts,
    (),
    True,
    lambda j: 0 < j['frames'] < 2400 and 'changed while it was read' in j['note'],
)
cases['a read-only folder'] = None, (), False, None


def run(*args, user=None):
    r = subprocess.run(
        [
            *(['setpriv', '--reuid=65534', '--clear-groups'] if user else []),
            str(Path(sys.executable).parent / 'shotluck-caption'),
            '--quiet',
            '--model',
            'nano',
            *map(str, args),
        ],
        capture_output=True,
        env=dict(os.environ, HF_HUB_OFFLINE='1', TRANSFORMERS_VERBOSITY='error'),
        cwd=tmp,
    )
    return (
        r.returncode,
        r.stdout.decode(errors='replace').strip(),
        [
            line
            for line in r.stderr.decode(errors='replace').strip().splitlines()
            if 'Warning' not in line and not line.startswith('  warnings')
        ],
    )


rows, names = [], sys.argv[1:]
for name, (path, more, works, check) in cases.items():
    if names and not any(n in name for n in names):
        continue
    stop = threading.Event()

    def append():
        begin, step = len(data) // 3, len(data) // 600
        for at in range(begin, len(data), step):  # for two minutes
            if stop.wait(0.3):
                return
            with open(ts, 'ab') as f:
                f.write(data[at : at + step])

    if path == ts:
        threading.Thread(target=append, daemon=True).start()
    start = time.time()
    if path is None:
        box = tmp / 'ro'
        box.mkdir()
        shutil.copy(good, box / 'film.mp4')
        if os.geteuid() == 0:
            subprocess.run(['chmod', '-R', 'a+rX', str(tmp)], check=True)
        box.chmod(0o555)
        code, out, err = run(box / 'film.mp4', user=os.geteuid() == 0)
    else:
        code, out, err = run(
            path,
            *([] if more else [good]),
            *([] if '--out' in more else ['--out', box := tmp / 'out' / str(len(rows))]),
            *more,
        )
    stop.set()
    if works:
        boards = [json.loads(p.read_text()) for p in box.glob('*.json') if p.stem != 'good']
        notes = ' '.join(board['note'] for board in boards)
        is_noted = all(
            (line.partition(': ')[2] or line) in notes for line in err
        )  # what is said stands in the results too
        ok = code == 0 and is_noted and list(map(check, boards)) == [True]
    else:
        ok = (
            code == 1
            and len(err) == 1
            and 'Traceback' not in err[0]
            and (bool(more) or path is None or 'good.json' in out)
        )
    rows.append(
        dict(
            case=name,
            ok=ok,
            exit=code,
            said=' '.join(err)[:200].replace(str(tmp), ''),
            seconds=round(time.time() - start, 1),
        )
    )
    print('ok  ' if ok else 'FAIL', rows[-1], '' if ok else (out[-300:], err[-3:]), flush=True)
if not names:
    write_json(
        root / 'bench' / 'odd_videos.json', dict(machine(), passed=sum(r['ok'] for r in rows), of=len(rows), cases=rows)
    )
print(f"{sum(r['ok'] for r in rows)} of {len(rows)}")
shutil.rmtree(tmp, ignore_errors=True)
sys.exit(any(not r['ok'] for r in rows))
