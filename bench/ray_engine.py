"The same bytes on a local Ray cluster, also when a worker is killed: python bench/ray_engine.py (needs the extra ray)"

import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from shotluck.download import download
from shotluck.files import write_json
from shotluck.split import split

if __name__ == '__main__':
    os.environ.setdefault('RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO', '0')
    d = Path(tempfile.mkdtemp())
    download(data=d, limit=30, quiet=True)
    args = (d / 'raw/annotations', d / 'raw/videos')
    split(*args, d / 'plain.jsonl', 'adaptive', workers=2, quiet=True)
    split(*args, d / 'ray.jsonl', 'adaptive', workers=2, quiet=True, engine='ray')
    killed = []

    def kill():  # one worker, in the middle
        for _ in range(200):
            time.sleep(0.05)
            busy = [
                p
                for p in psutil.process_iter(['name', 'cmdline'])
                if any('ray::_chunk' in x for x in p.info['cmdline'] or [p.info['name'] or ''])
            ]
            if busy:
                busy[0].send_signal(signal.SIGKILL)
                killed.append(busy[0].pid)
                return

    t = threading.Thread(target=kill)
    t.start()
    split(*args, d / 'killed.jsonl', 'adaptive', workers=2, quiet=True, engine='ray')
    t.join()
    plain = (d / 'plain.jsonl').read_bytes()
    r = dict(
        videos=plain.count(b'\n'),
        same_bytes=(d / 'ray.jsonl').read_bytes() == plain,
        workers_killed=len(killed),
        same_bytes_after_kill=(d / 'killed.jsonl').read_bytes() == plain,
    )
    print(r)
    write_json(Path(__file__).with_suffix('.json'), r)
    sys.exit(not all(r.values()))
