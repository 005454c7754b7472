"""A run that is killed (SIGKILL) and started again, and one in two processes under torchrun, end with the bytes of an undisturbed one:
python bench/evaluate_resume.py"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fastcore.script import call_parse
from machine import machine

from shotluck.convert import convert
from shotluck.files import Journal, write_json
from shotluck.shapes import make_shapes
from shotluck.split import split

root = Path(__file__).resolve().parent.parent


@call_parse
def main(
    videos: int = 20,  # Of the shapes
    kills: int = 2,  # How often the run is killed
    out: str = 'bench/evaluate_resume.json',
):
    "Compare predictions.jsonl and scores.csv of the three runs"
    data = Path(tempfile.mkdtemp())
    make_shapes(data, 0, 0, videos, 4711, quiet=True)
    raw = data / 'raw'
    split(raw / 'annotations', raw / 'videos', data / 'shots.jsonl', quiet=True)
    convert(raw / 'annotations', raw / 'videos', data, data / 'shots.jsonl')
    script = str(root / 'scripts' / 'evaluate.py')

    def args(name):
        return [
            script,
            '--data',
            str(data),
            '--out',
            str(data / name),
            '--batch',
            '4',
            '--controls',
            'blank',
            '--two_stage',
            '--draws',
            '20',
            '--quiet',
            '--device',
            'cpu',
        ]

    def journals(name):
        return sum(len(Journal.peek(p)) for p in (data / name).glob('.*.journal'))

    subprocess.run([sys.executable, *args('plain')], check=True, stdout=subprocess.DEVNULL)
    at = []
    for _ in range(kills):
        p = subprocess.Popen([sys.executable, *args('killed')], stdout=subprocess.DEVNULL)
        before = journals('killed')
        while p.poll() is None and journals('killed') < before + 20:
            time.sleep(0.02)
        p.send_signal(signal.SIGKILL)
        p.wait()
        at.append(journals('killed'))
    subprocess.run([sys.executable, *args('killed')], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--nproc_per_node',
            '2',
            '--master_port',
            '29517',
            *args('two'),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    same = {
        f'{n}/{f}': (data / n / f).read_bytes() == (data / 'plain' / f).read_bytes()
        for n in ('killed', 'two')
        for f in ('predictions.jsonl', 'blank/predictions.jsonl', 'scores.csv')
    }
    left = [str(p.relative_to(data)) for n in ('plain', 'killed', 'two') for p in (data / n).rglob('.*')]
    result = dict(
        records=len((data / 'plain' / 'predictions.jsonl').read_text().splitlines()),
        killed_at=at,
        same_bytes=same,
        left_behind=left,
        **machine(),
    )
    write_json(Path(out), result)
    print(result)
    if not all(same.values()) or left:
        sys.exit(1)
