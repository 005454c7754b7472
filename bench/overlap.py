"""Does the model wait for the decoder? A folder of films and an evaluation, with a model that sleeps

    python bench/overlap.py [films]

`caption` is a folder of films, `evaluate` and `evaluate_server` are records about them, `finetune` is the tower's part of a
training whose features are kept in memory, and `finetune_pixels` an epoch of one that decodes at every step.

The model of these measurements computes nothing: it sleeps, as this processor would while a GPU works. `decode` is the
time with one that does not even sleep, `model` the time that it sleeps in all, `together` the time of both; `waits` is the share of
`together` in which the model had nothing to do, `begins` the seconds of it before the model's first work. Each is the
median of three rounds, whose `waits` are in `rounds`, as is the CPU of both commands.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from operator import itemgetter
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import torch
from machine import machine, root
from tqdm import tqdm

from shotluck import finetune
from shotluck.caption import caption_files
from shotluck.captioner import Answer, Captioner
from shotluck.configs import CaptionCfg, EvaluateCfg, FinetuneCfg
from shotluck.feature_bank import FrameBank
from shotluck.files import ffmpeg_exe, write_json, write_jsonl
from shotluck.looks import ShotFrames
from shotluck.predict import predict
from shotluck.video import probe, sample_idxs

SECONDS = 60  # of a film
SHARE = 0.7  # of the model's time that decoding takes in evaluation and training


class Sleeper(Captioner):
    "Answers after a while, and computes nothing"

    name = 'sleeper'
    frames = 8
    context = 4096
    width = 384

    def __init__(self, seconds: float, batched: bool = True):
        self.seconds = seconds  # for each answer
        self.batched = batched
        self.slept = 0.0
        self.answers = 0
        self.began = None  # when it was first asked

    def key(self):
        return ['sleeper']

    def count_tokens(self, text, answer=None):
        return len(text.split())

    def shot_tokens(self, n_frames, size=(0, 0), seconds=0):
        return 8 * n_frames

    def look(self, frames, times):
        return len(frames)

    def blank(self, look):
        return look

    def look_bytes(self, n_frames):
        return 442_368 * n_frames

    def generate(self, rows, max_tokens, on_answer=None, errors='raise'):
        self.began = self.began or time.perf_counter()
        self.answers += len(rows)
        self.slept += self.seconds * len(rows)
        time.sleep(self.seconds * len(rows))
        return [Answer('a film', True) for _ in rows]


class SleepingTower(torch.nn.Module):
    "Sees frames after a while, and computes nothing"

    device = SimpleNamespace(type='none')
    config = SimpleNamespace(vision_config=SimpleNamespace(image_size=384, patch_size=14))

    def __init__(self, seconds: float):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seconds = seconds  # for each frame
        self.slept = 0.0
        self.began = None

    def see(self, frames):
        self.began = self.began or time.perf_counter()
        self.slept += self.seconds * len(frames)
        time.sleep(self.seconds * len(frames))
        return torch.zeros(len(frames), 1, 1)


def children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def make_films(folder: Path, n: int, seconds: float) -> list:
    "Pieces of the film that comes with the package, shown again until they are long enough; with other bytes each"
    film = root / 'shotluck' / 'data' / 'film' / 'sintel_trailer_360p.mp4'
    paths = []
    for i in range(n):
        path = folder / f'film_{i:02}.mp4'
        command = [ffmpeg_exe(), '-v', 'error', '-stream_loop', '2', '-ss', str(i % 7), '-i', film]
        command += ['-t', str(seconds), '-c', 'copy']
        subprocess.run([*command, '-metadata', f'title={i}', path], check=True)
        paths.append(path)
    return paths


def timed(func, *args):
    start = time.perf_counter()
    result = func(*args)
    return time.perf_counter() - start, result


def scenedetect_cpu(films) -> float:
    "CPU seconds of PySceneDetect's own command, a film at a time"
    before = children_cpu()
    for film in tqdm(films, 'scenedetect'):
        command = [Path(sys.executable).with_name('scenedetect'), '-q', '-i', film]
        subprocess.run([*command, 'detect-adaptive', 'list-scenes', '-n'], check=True, capture_output=True)
    return children_cpu() - before


def caption_cpu(folder: Path) -> float:
    "CPU seconds of `shotluck-caption` without a model"
    before = children_cpu()
    with tempfile.TemporaryDirectory() as out:
        command = [Path(sys.executable).with_name('shotluck-caption'), folder, '--model', 'none', '--out', out]
        subprocess.run([*command, '--shots', 'adaptive', '--format', 'json', '--quiet'], check=True)
    return children_cpu() - before


def caption_time(films, model) -> float:
    "Seconds to caption the films"
    cfg = CaptionCfg(model='none', shots='adaptive', format='json', speech='none', quiet=True)
    with tempfile.TemporaryDirectory() as out:
        to_load = patch('shotluck.caption.captioner_for', lambda *_: (model, ''))
        to_name = patch('shotluck.caption.model_key', lambda *_: ['sleeper'])
        with to_load, to_name:
            seconds, (_, failed, _) = timed(caption_files, films, Path(out), cfg)
    if failed:
        sys.exit(failed[0])
    return seconds


def records_of(films, n) -> list:
    "Records of one shot, from all over the films"
    lengths = [probe(film).frames for film in films]
    rng = np.random.default_rng(0)
    made = []
    for i in range(n):
        film = i * len(films) // n
        start = int(rng.integers(0, lengths[film] - 60))
        made.append(
            dict(id=f'r{i}', video=films[film].name, task='caption', fps=24, shots=[[start, start + 60]], asr=[''])
        )
    return made


def predict_time(films, records, model, batch=4) -> float:
    cfg = EvaluateCfg(quiet=True, batch=batch)
    return timed(predict, model, records, films[0].parent, cfg)[0]


def fill_time(films, records, tower) -> float:
    "Seconds until a tower has seen all frames of a training"
    want = {film.name: [] for film in films}
    for record in records:
        [frames] = sample_idxs(record['shots'], 8)
        want[record['video']].append(ShotFrames(tuple(frames), frames[0]))
    return timed(FrameBank(tower, films[0].parent).fill_shots, want, 0, True, True)[0]


def make_trainer(films, records, folder: Path):
    "A training of `nano` that decodes the frames of every step"
    told = [dict(record, conversations=[dict(value='<image>'), dict(value='A film.')]) for record in records]
    (folder / 'records').mkdir()
    write_jsonl(folder / 'records' / 'train.jsonl', told)
    where = dict(
        model='nano', data=str(folder), videos=str(films[0].parent), out=str(folder / 'run'), device='cpu', quiet=True
    )
    cfg = FinetuneCfg(**where, cache='off', batch=4, drop_speech=0, save_steps=0, dtype='float32')
    trainer = finetune._make_trainer(cfg, 'cpu', *finetune.select_records(cfg))[0]
    trainer.state.max_steps = 10**9  # it gives batches as long as more steps are to come
    return trainer


class SleepingSteps:
    "Steps of a training that compute nothing"

    def __init__(self, seconds: float):
        self.seconds = seconds  # for each step
        self.slept = 0.0
        self.began = None

    def train(self, batches):
        for _ in batches:
            self.began = self.began or time.perf_counter()
            self.slept += self.seconds
            time.sleep(self.seconds)


def pixels_round(films, records) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(films, records, Path(folder))
        steps = SleepingSteps(0)
        decode, _ = timed(steps.train, trainer.get_train_dataloader())
        n_steps = len(trainer.get_train_dataloader())
        steps = SleepingSteps(decode / SHARE / n_steps)
        start = time.perf_counter()
        return overlapped(decode, timed(steps.train, trainer.get_train_dataloader())[0], steps, start)


def overlapped(decode, together, model, start) -> dict:
    return dict(
        begins=round(model.began - start, 2),
        decode=round(decode, 2),
        model=round(model.slept, 2),
        together=round(together, 2),
        waits=round(1 - model.slept / together, 3),
    )


def median_round(measure, *args) -> dict:
    "The round of three in which the model waits neither least nor most"
    rounds = sorted((measure(*args) for _ in tqdm(range(3), measure.__name__)), key=itemgetter('waits'))
    return dict(rounds[1], rounds=[row['waits'] for row in rounds])


def caption_round(films) -> dict:
    asked = Sleeper(0)
    decode = caption_time(films, asked)
    model = Sleeper(decode / asked.answers)  # as long as decoding
    start = time.perf_counter()
    row = overlapped(decode, caption_time(films, model), model, start)
    return dict(row, ratio=round(row['together'] / max(row['decode'], row['model']), 3))


def evaluate_round(films, records, batched) -> dict:
    decode = predict_time(films, records, Sleeper(0, batched))
    model = Sleeper(decode / SHARE / len(records), batched)
    start = time.perf_counter()
    return overlapped(decode, predict_time(films, records, model), model, start)


def finetune_round(films, records) -> dict:
    counted = SleepingTower(1e-9)
    decode = fill_time(films, records, counted)
    tower = SleepingTower(decode / SHARE / round(counted.slept / 1e-9))
    start = time.perf_counter()
    return overlapped(decode, fill_time(films, records, tower), tower, start)


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder:
        films = make_films(Path(folder), n, SECONDS)
        rounds = [(scenedetect_cpu(films), caption_cpu(Path(folder))) for _ in range(3)]
        theirs, ours = sorted(rounds, key=lambda cpu: cpu[1] / cpu[0])[1]
        made = dict(
            films=n,
            seconds=SECONDS,
            scenedetect_cpu=round(theirs, 2),
            caption_cpu=round(ours, 2),
            ratio=round(ours / theirs, 3),
        )
        print(json.dumps(made))
        made['caption'] = median_round(caption_round, films)
        records = records_of(films, 1920)
        made['evaluate'] = median_round(evaluate_round, films, records, True)
        made['evaluate_server'] = median_round(evaluate_round, films, records, False)
        made['finetune'] = median_round(finetune_round, films, records)
        made['finetune_pixels'] = median_round(pixels_round, films, records[::2])
        print(json.dumps(made, indent=1))
    write_json(root / 'bench' / 'overlap.json', made | machine())


if __name__ == '__main__':
    main()
