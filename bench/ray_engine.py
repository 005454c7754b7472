"""The same bytes on a local Ray cluster, also when a worker is killed: python bench/ray_engine.py (needs the extra ray)

Split in many small chunks; caption and evaluate in two parts that each hold a model."""

import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
from machine import machine

from shotluck.caption import caption_files
from shotluck.configs import CaptionCfg, EvaluateCfg
from shotluck.convert import convert
from shotluck.download import download
from shotluck.evaluate import evaluate, evaluate_and_report
from shotluck.files import write_json
from shotluck.split import split


@contextmanager
def one_worker_killed(task: str, killed: list, after: float = 0):
    "Kill one worker that is at work on a task, some seconds after it was seen; its number goes to `killed`"
    is_over = threading.Event()

    def kill():
        while not is_over.wait(0.05):
            for process in psutil.process_iter(['name', 'cmdline']):
                if any(f'ray::{task}' in text for text in process.info['cmdline'] or [process.info['name'] or '']):
                    is_over.wait(after)
                    process.send_signal(signal.SIGKILL)
                    killed.append(process.pid)
                    return

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    is_over.set()
    thread.join()


def contents(folder: Path) -> dict:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith('.')}


def split_rows(data: Path) -> dict:
    args = (data / 'raw/annotations', data / 'raw/videos')
    killed = []
    split(*args, data / 'plain.jsonl', 'adaptive', workers=2, quiet=True)
    split(*args, data / 'ray.jsonl', 'adaptive', workers=2, quiet=True, engine='ray')
    with one_worker_killed('_chunk', killed):
        split(*args, data / 'killed.jsonl', 'adaptive', workers=2, quiet=True, engine='ray')
    plain = (data / 'plain.jsonl').read_bytes()
    return dict(
        videos=plain.count(b'\n'),
        same_bytes=(data / 'ray.jsonl').read_bytes() == plain,
        workers_killed=len(killed),
        same_bytes_after_kill=(data / 'killed.jsonl').read_bytes() == plain,
    )


def caption_rows(data: Path) -> dict:
    films = sorted((data / 'raw/videos').glob('shapes_*.mp4'))[:24]
    cfg = CaptionCfg(model='nano', shots='adaptive', speech='none', device='cpu', quiet=True)
    caption_files(films, data / 'told', cfg)
    killed = []
    with one_worker_killed('_in_folder', killed, after=12):
        written, failed, _ = caption_files(films, data / 'told_ray', cfg.replace(engine='ray:2'))
    same = contents(data / 'told') == contents(data / 'told_ray')
    return dict(videos=len(films), files=len(written), failed=failed, workers_killed=len(killed), same_bytes=same)


def evaluate_rows(data: Path) -> dict:
    convert(data / 'raw/annotations', data / 'raw/videos', data)
    split_name = next(name for name in ('test', 'val', 'train') if (data / f'records/{name}.jsonl').stat().st_size)
    cfg = EvaluateCfg(
        'nano',
        str(data),
        split=split_name,
        out=str(data / 'whole'),
        controls='blank',
        device='cpu',
        batch=4,
        quiet=True,
    )
    evaluate(cfg)
    killed = []
    with one_worker_killed('_in_folder', killed, after=10):
        evaluate_and_report(cfg.replace(out=str(data / 'parts'), engine='ray:2'))
    names = ('predictions.jsonl', 'blank/predictions.jsonl')
    same = all((data / 'whole' / name).read_bytes() == (data / 'parts' / name).read_bytes() for name in names)
    return dict(records=len(cfg.records()), workers_killed=len(killed), same_bytes=same)


if __name__ == '__main__':
    os.environ.setdefault('RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO', '0')
    data = Path(tempfile.mkdtemp())
    download(data=data, limit=30, quiet=True)
    result = split_rows(data)
    result['caption'] = caption_rows(data)
    result['evaluate'] = evaluate_rows(data)
    print(result)
    write_json(Path(__file__).with_suffix('.json'), result | machine())
    right = [result['same_bytes'], result['same_bytes_after_kill'], result['workers_killed'] == 1]
    right += [row['same_bytes'] and row['workers_killed'] == 1 for row in (result['caption'], result['evaluate'])]
    sys.exit(not all(right))
