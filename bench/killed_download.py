"""Downloads killed at random moments against a hub on this machine that breaks off, throttles and serves garbage, each then run to its end: the same bytes as an unbroken one, and how much was sent again.
python bench/killed_download.py [kills]"""

import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from shotluck.files import sha256, write_json

root = Path(__file__).resolve().parent.parent


def child(data, url):
    import shotluck.download as d

    os.environ.update(HF_TOKEN='secret')
    videos = d.hub_videos
    # points to go on at, as far apart in these 12 MB as 64 MB are in the real archive
    d.hub_videos = lambda *a, **k: videos(*a, **{**k, 'spacing': 1 << 18})
    d.download('shot2story-20k', data, quiet=True, endpoint=url, wait=0.01)


def files(data):
    return {
        str(f.relative_to(data)): sha256(f)
        for f in sorted(data.rglob('*'))
        if f.is_file() and not f.name.startswith('.sizes')
    }


if __name__ == '__main__':
    if sys.argv[1:2] == ['child']:
        child(*sys.argv[2:])
        sys.exit()
    sys.path.insert(0, str(root / 'nbs' / 'fixtures'))
    from hub import Hub
    from machine import machine

    from shotluck.download import DATASETS, VIDEOS

    kills, rng, top = int(sys.argv[1]) if sys.argv[1:] else 30, random.Random(0), Path(tempfile.mkdtemp())
    names = [f'yt{k}.{k}.mp4' for k in range(60)]
    rows = [
        dict(video=n, video_names=[f'{n[:-4]}_0_9.mp4'], captions=['x'], ASR=[''], whole_caption='x') for n in names
    ]
    texts = {
        n: b'clip_id,categories,duration,youtube_id\n'
        if n.endswith('.csv')
        else b''
        if n.endswith('.pkl')
        else json.dumps(rows if 'train' in n else []).encode()
        for repo, ns in DATASETS['shot2story-20k'].items()
        for n in ns
    }
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode='w') as t:
        for n in names:
            x = rng.randbytes(200_000)
            m = tarfile.TarInfo(f'release/{n}')
            m.size = len(x)
            t.addfile(m, io.BytesIO(x))
    z = gzip.compress(b.getvalue(), 1)
    step = len(z) // 12 + 1
    parts = {
        f'release_134k_videos.tar.gz.{chr(97 + i // 26)}{chr(97 + i % 26)}': z[k : k + step]
        for i, k in enumerate(range(0, len(z), step))
    }
    hub = Hub(
        {**{repo: {n: texts[n] for n in ns} for repo, ns in DATASETS['shot2story-20k'].items()}, VIDEOS: parts},
        gated=[VIDEOS],
    )

    def start(data):
        return subprocess.Popen(
            [sys.executable, __file__, 'child', str(data), hub.url],
            env=dict(os.environ, HF_HUB_OFFLINE='0'),  # the hub is on this machine
            start_new_session=True,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(p):
        _, err = p.communicate()
        if p.returncode:
            sys.exit(err[-2000:])

    t, sent = time.time(), hub.sent
    finish(start(top / 'whole'))
    took, once = time.time() - t, hub.sent - sent
    want, died, again = files(top / 'whole'), 0, []
    assert len(want) > 60, len(want)
    for k in range(kills):
        data, sent = top / f'k{k}', hub.sent
        for name in rng.sample(list(parts), 3):
            hub.fault(name, rng.choice(['breaks', 'throttles', 'garbage', 'long', 'short']))
        for _ in range(rng.randint(1, 3)):  # killed once or more, then run to the end
            p = start(data)
            try:
                p.wait(rng.uniform(0.3 * took, took))
                p.communicate()
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.communicate()
                died += 1
        finish(start(data))
        assert files(data) == want, (k, sorted(set(files(data).items()) ^ set(want.items()))[:4])
        again.append((hub.sent - sent) / once)
    write_json(
        Path(__file__).with_suffix('.json'),
        r := dict(
            machine(),
            runs=kills,
            killed=died,
            same_bytes=True,
            videos=len(names),
            bytes=len(z),
            sent_of_an_unbroken_run=dict(mean=round(sum(again) / kills, 2), most=round(max(again), 2)),
        ),
    )
    print(r)
