"A made collection of broken files and rows, and runs killed at random: python bench/bad_files.py [kills]"

import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from machine import machine

from shotluck.convert import convert, expected_units
from shotluck.files import ffmpeg_exe, write_json
from shotluck.split import split
from shotluck.tables import iter_annotations
from shotluck.text import read_jsonl
from shotluck.video import write_video


def make(d, cuts=100):  # the collection; returns {name of the kind: video or annotation}
    v = d / 'raw' / 'videos'
    v.mkdir(parents=True)
    (d / 'raw' / 'annotations').mkdir()
    rng, kinds, rows = np.random.default_rng(0), {}, []
    x = rng.integers(0, 255, (24, 64, 64, 3), dtype=np.uint8)
    write_video(d / 'good.mp4', x, 12, 0.1 * np.sin(np.arange(32000) / 9))
    good = (d / 'good.mp4').read_bytes()

    def row(kind, name, **kw):
        stem = Path(name).stem if isinstance(name, str) else 'x'
        r = (
            dict(
                video=name,
                video_names=[f'{stem}_0_11.mp4', f'{stem}_12_23.mp4'],
                captions=['A.', 'B.'],
                ASR=['', ''],
                audio_captions=['', ''],
                whole_caption='A, then B.',
            )
            | kw
        )
        kinds[kind] = kinds.get(kind, 0) + 1
        rows.append(r)
        return r

    def file(kind, name, data, **kw):
        (v / name).write_bytes(data)
        row(kind, name, **kw)

    for k in range(10):
        file('good', f'good{k}.1.mp4', good)
    for k in range(cuts):
        file('truncated', f'cut{k}.mp4', good[: max(1, len(good) * (k + 1) // (cuts + 1))])
    moov = good.index(b'moov')
    mdat = good.index(b'mdat')

    def hurt(at, n, b=None):
        y = bytearray(good)
        y[at : at + n] = b or bytes(n)
        return bytes(y)

    file('zero bytes', 'zero.mp4', b'')
    file('text named mp4', 'text.mp4', b'hello ' * 500)
    file('random bytes', 'noise.mp4', rng.bytes(5000))
    file('html named mp4', 'html.mp4', b'<html>429</html>')
    file('wrong extension', 'matroska.avi', good)
    file('corrupted index', 'index.mp4', hurt(moov + 60, 400, rng.bytes(400)))
    file('no index', 'noindex.mp4', hurt(moov, 4, b'free'))
    file('corrupted pictures', 'pictures.mp4', hurt(mdat + 800, 3000))
    file('index of huge sizes', 'huge_index.mp4', hurt(moov + 100, 100, b'\xff' * 100))
    file('only a header', 'header.mp4', good[:40])
    file('zip named mp4', 'zip.mp4', b'PK\x03\x04' + rng.bytes(900))
    file('png named mp4', 'png.mp4', b'\x89PNG\r\n\x1a\n' + rng.bytes(200))

    def ff(kind, name, *a, **kw):
        subprocess.run(
            [ffmpeg_exe(), '-y', '-loglevel', 'error', *a, str(v / name)], stdin=subprocess.DEVNULL, check=True
        )
        row(kind, name, **kw)

    ff('no video stream', 'sound.mp4', '-f', 'lavfi', '-i', 'sine=d=2', '-c:a', 'aac')
    ff('one frame', 'one.mp4', '-f', 'lavfi', '-i', 'color=s=64x64', '-frames:v', '1', '-c:v', 'libx264')
    ff(
        'huge dimensions',
        'wide.mkv',
        '-f',
        'lavfi',
        '-i',
        'color=s=8192x8192:r=2:d=1',
        '-c:v',
        'mjpeg',
        '-pix_fmt',
        'yuvj420p',
        video_names=['wide_0_0.mkv', 'wide_1_1.mkv'],
    )
    ff('tiny dimensions', 'tiny.mkv', '-f', 'lavfi', '-i', 'color=s=2x2:r=12:d=2', '-c:v', 'ffv1')
    write_video(v / 'none.mkv', x[:1], 12)
    y = (v / 'none.mkv').read_bytes()
    file('zero duration', 'none.mkv', y[: len(y) - 400])
    (v / 'folder.mp4').mkdir()
    row('a folder named mp4', 'folder.mp4')
    os.symlink('/etc/passwd', v / 'link.mp4')
    row('link out of the folder', 'link.mp4')
    os.symlink(v / 'loop.mp4', v / 'loop.mp4')
    row('link to itself', 'loop.mp4')
    os.mkfifo(v / 'pipe.mp4')
    row('a pipe', 'pipe.mp4')
    os.mknod(v / 'socket.mp4', 0o140644) if hasattr(os, 'mknod') else None
    row('a socket', 'socket.mp4')
    row('missing', 'gone.mp4')
    row('name climbs out', '../../../etc/passwd')
    row('absolute name', '/etc/passwd')
    row('shell in the name', 'a;touch HACKED;$(touch HACKED)`touch HACKED`.mp4')
    row('10,000 characters', 'n' * 10000 + '.mp4')
    row('NUL in the name', 'a\0.mp4')
    row('line break in the name', 'a\nb.mp4')
    row('empty name', '')
    row('dash name', '-i.mp4')
    row('url name', 'http://127.0.0.1:9/x.mp4')
    row('ffmpeg protocol name', 'concat:/etc/passwd')
    row('half a character', 'h\ud800.mp4')
    row('percent name', '%s%n%d.mp4')
    g = 'good0.1.mp4'
    row('name is a number', 5)
    row('name is null', None)
    row('name is a list', [g])
    row('reversed frames', 'good1.1.mp4', video_names=['x_11_0.mp4', 'x_12_23.mp4'])
    row('negative frames', 'good2.1.mp4', video_names=['x_-5_3.mp4', 'x_12_23.mp4'])
    row('frames out of range', 'good3.1.mp4', video_names=['x_0_11.mp4', 'x_12_99999.mp4'])
    row('names without frames', 'good4.1.mp4', video_names=['what', 'x_12_23.mp4'])
    row('enormous number', 'good5.1.mp4', video_names=['x_0_' + '9' * 400 + '.mp4', 'x_12_23.mp4'])
    row('duplicate id', 'good6.1.mp4')
    row('lists of unequal length', g, captions=['one'])
    row('captions null', g, captions=None)
    row('caption is a number', 'good7.1.mp4', captions=[5, {}])
    row('NaN', 'good8.1.mp4', captions=[float('nan'), float('inf')], whole_caption=float('nan'))
    row('placeholder', 'good9.1.mp4', captions=['Placeholder text', '  '], whole_caption='placeholder')
    row('no shots', g, video_names=[], captions=[])
    row('control characters', 'good0.1.mp4', captions=['\x00\x1b[31m', '<image><image>'], whole_caption=None)
    row('deep list', g, captions=[[[[[]]]], 'x'])
    write_json(d / 'raw/annotations/bad_train.json', rows[: len(rows) // 2])
    text = json.dumps(rows[len(rows) // 2 :] + ['a string', 5, None, [], {}])
    (d / 'raw/annotations/more_train.json').write_text(text)
    for name, data in {
        'torn_train.json': text[:4000].encode(),
        'utf_train.json': b'[{"video": "\xff\xfe.mp4"}]',
        'object_train.json': b'{"a": 1}',
        'empty_train.json': b'',
        'deep_train.json': b'[' * 50000,
    }.items():
        (d / 'raw/annotations' / name).write_bytes(data)
        kinds[name] = 1
    (v / 'own1.mp4').write_bytes(good)
    (d / 'raw/annotations/own.csv').write_bytes(
        b'video,start,end,caption\nown1.mp4,nan,1,x\nown1.mp4,-1,1,x\nown1.mp4,2,1,x\nown1.mp4,0,1,ok\nown1.mp4,\xff,1,x\nx\x00.mp4,0,1,x\n,,,\nown1.mp4,0,1e9,x\n'
    )
    kinds['own table: NaN, negative, reversed, bytes, short rows'] = 1
    return kinds, rows


def files_of(d):
    return {
        str(f.relative_to(d)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in [d / 'shots.jsonl', d / 'ledger.csv', *sorted((d / 'records').glob('[!.]*.jsonl'))]
    }


def run(d, timeout=8):  # both stages, as the commands do
    split(d / 'raw/annotations', d / 'raw/videos', d / 'shots.jsonl', workers=2, timeout=timeout, quiet=True)
    return convert(d / 'raw/annotations', d / 'raw/videos', d, d / 'shots.jsonl')


def outside(d):
    return sorted(str(f.relative_to(d)) for f in d.rglob('*') if not f.is_relative_to(d / 'work'))


if __name__ == '__main__':
    if sys.argv[1:2] == ['child']:
        run(Path(sys.argv[2]))
        sys.exit()
    kills = int(sys.argv[1]) if sys.argv[1:] else 30
    top = Path(tempfile.mkdtemp())
    d = top / 'work'
    d.mkdir()
    os.chdir(top)
    kinds, rows = make(d)
    before = outside(top)
    t = time.time()
    counts = run(d)
    took = time.time() - t
    ledger = list(csv.DictReader(open(d / 'ledger.csv', newline='', encoding='utf-8')))
    recs = [r for f in (d / 'records').glob('[!.]*.jsonl') for r in read_jsonl(f)]
    wanted = 0  # every input row, counted without the stage
    for f in sorted((d / 'raw/annotations').iterdir()):
        try:
            for a in iter_annotations(f):
                wanted += len(expected_units(a))
        except ValueError:
            wanted += 1
    assert len(ledger) == wanted, (len(ledger), wanted)
    assert len(recs) == counts['ok'] == sum(r['status'] == 'ok' for r in ledger) and len(
        {r['id'] for r in recs}
    ) == len(recs)
    fine = {f'good{k}.1/{t}' for k in range(10) for t in ('caption/1', 'caption/2', 'summary')}
    assert fine <= {r['id'] for r in recs}, fine - {r['id'] for r in recs}
    assert outside(top) == before and not list(top.rglob('HACKED*'))
    print(len(kinds), 'kinds,', len(ledger), 'rows,', counts, f'{took:.1f} s')
    statuses = {r['video']: r['status'] for r in read_jsonl(d / 'shots.jsonl')}
    want, rng, died = files_of(d), random.Random(0), Counter()

    def clear():
        for f in [d / 'shots.jsonl', d / '.shots.jsonl.journal', d / 'ledger.csv', d / '.convert.json']:
            f.unlink(missing_ok=True)
        shutil.rmtree(d / 'records')

    # starting Python included
    clear()
    t = time.time()
    subprocess.run([sys.executable, __file__, 'child', str(d)], check=True)
    whole = time.time() - t
    for k in range(kills):  # start anew, kill at a random moment of the work, run to the end
        clear()
        p = subprocess.Popen([sys.executable, __file__, 'child', str(d)], start_new_session=True)
        time.sleep(rng.uniform(whole - took - 0.2, whole))
        died['finished before' if p.poll() is not None else 'killed'] += 1
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        p.wait()
        run(d)
        assert files_of(d) == want, k
    assert outside(top) == before
    write_json(
        Path(__file__).with_suffix('.json'),
        dict(
            machine(),
            kinds=len(kinds),
            rows=len(ledger),
            counts=counts,
            kills=kills,
            died=died,
            same_bytes=True,
            seconds=round(took, 1),
            kind_counts=kinds,
        ),
    )
