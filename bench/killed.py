"""Every stage killed at random moments, run twice at once, on a disk that fills, in a folder that cannot be written, and after the clock was set back

    python bench/killed.py                                    20 kills of each stage -> bench/killed.json
    python bench/killed.py --times 3 --only 'caption;split'   some stages; the rows of the others stay
    python bench/killed.py --trials full,read_only            some trials

A stage is a command over tiny made inputs. Its right result is that of a run that nobody disturbed, in a process of its own.
The others are forked from one process that has imported all, so that kills fall on the work and not on the imports.
Disks of a few kilobytes are tmpfs mounts, which only root may make: without that permission these trials are left out, and said so.
"""

import faulthandler
import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
import tqdm.auto
from fastcore.script import call_parse
from machine import machine
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file

from shotluck.cli import run
from shotluck.convert import convert
from shotluck.files import sha256, write_json
from shotluck.shapes import make_shapes
from shotluck.split import split
from shotluck.text import read_json

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / 'bench' / 'killed.json'
LIMIT = 150  # seconds a run may take before it counts as hanging
# of the bytes that a stage writes, which a small disk holds beside its folders
SHARES = (0, 0.02, 0.2, 0.5, 0.8, 0.95)
TRAIN = '--max_steps 8 --epochs 9 --batch 2 --save_steps 2 --frames 2 --lr 2e-4 --workers -1 --device cpu'


class Place(NamedTuple):
    "The folders of a run: always the same paths, so that nothing depends on them"

    source: Path  # Made inputs, which no stage writes to
    work: Path  # What a stage writes


class Stage(NamedTuple):
    "Commands and what to run at once; each is a function of place and further words, and these words"

    commands: list  # Run one after another
    crowd: list = ()  # Two to run at once; none: the last command twice
    after: list = ()  # To run when the crowd has gone, before the results are compared


def caption(place, more=''):
    return 'caption', [
        *'--quiet --model nano --format html,json,srt,vtt,md,csv --batch 2 --device cpu --out'.split(),
        str(place.work / 'out'),
        *more.split(),
        str(place.source / 'raw' / 'videos'),
    ]


def caption_one(place, number):  # One of the videos
    module, argv = caption(place)
    return module, [*argv[:-1], f'{argv[-1]}/{video_names(place)[int(number)]}']


def evaluate(place, out='out'):
    return 'evaluate', [
        '--data',
        str(place.source),
        '--out',
        str(place.work / out),
        '--cache_dir',
        str(place.work / 'cache'),
        *'--quiet --batch 4 --controls blank,other --draws 20 --device cpu --workers 1 --tasks caption'.split(),
    ]


def finetune(place, more='', out='out'):
    return 'finetune', [
        '--quiet',
        '--data',
        str(place.source),
        '--out',
        str(place.work / out),
        '--cache_dir',
        str(place.work / 'cache'),
        *TRAIN.split(),
        *more.split(),
    ]


def finetune_two(place, more):
    return finetune(place, more, 'two')


def data_command(name, place, more):
    given = [
        '--videos',
        str(place.source / 'raw' / 'videos'),
        '--annotations',
        str(place.source / 'raw' / 'annotations'),
    ]
    return name, ['--quiet', '--data', str(place.work / 'out'), *given, '--workers', '1', *more.split()]


def split_shots(place, more):
    return data_command('split', place, more)


def convert_rows(place, more):
    return data_command('convert', place, f'--format llava,messages {more}')


def take(place, more):
    return 'download', [
        '--quiet',
        '--data',
        str(place.work / 'out'),
        '--from',
        str(place.source / 'fetched'),
        '--workers',
        '1',
        *more.split(),
    ]


def sample(place, more):
    return 'download', ['--quiet', '--data', str(place.work / 'out'), '--limit', '1', '--workers', '1', *more.split()]


def in_shards(command):  # Two shards at once, then a run that joins them
    shards = [(command, '--shard 0/2'), (command, '--shard 1/2')]
    return Stage([*shards, (command, '')], shards, [(command, '')])


def one_cache(first, second):  # Two runs with results of their own and one cache
    return Stage([first, second], [first, second])


MUON = '--cache memory --optim muon --drop_words .1 --concat 1'
STAGES = {
    'caption': Stage([(caption, '')]),
    'caption, a video each': Stage([(caption, '')], [(caption_one, '0'), (caption_one, '1')], [(caption, '')]),
    'evaluate': Stage([(evaluate, 'out')]),
    'evaluate, one cache': one_cache((evaluate, 'out'), (evaluate, 'two')),
    'fine-tune, AdamW': Stage([(finetune, '--cache memory')]),
    'fine-tune, Muon': Stage([(finetune, MUON)]),
    'fine-tune, LoRA, features on disk': Stage([(finetune, '--cache disk --llm lora --lora_r 4')]),
    'fine-tune, one cache': one_cache((finetune, '--cache disk'), (finetune_two, '--cache disk')),
    'split --write': Stage([(split_shots, '--write')]),
    'split, shards': in_shards(split_shots),
    'convert': Stage([(convert_rows, '')]),
    'convert, shards': in_shards(convert_rows),
    'download --from archives': Stage([(take, '')]),
    'download --from, shards': in_shards(take),
    'download the sample': Stage([(sample, '')]),
}


def video_names(place):
    return sorted(f.name for f in (place.source / 'raw' / 'videos').iterdir())


def make_inputs(source):  # A data folder, and a folder with archives and loose files
    make_shapes(source, 3, 0, 2, 4711, 1, quiet=True)
    split(source / 'raw' / 'annotations', source / 'raw' / 'videos', source / 'shots.jsonl', workers=1, quiet=True)
    convert(source / 'raw' / 'annotations', source / 'raw' / 'videos', source, source / 'shots.jsonl')
    fetched, rng = source / 'fetched', random.Random(0)
    fetched.mkdir()
    names = [f'film{i:02}.{i}.mp4' for i in range(40)]
    made = sorted((source / 'raw' / 'videos').iterdir())
    rows = [
        dict(video=n, video_names=[f'{n[:-4]}_0_9.mp4'], captions=['x'], ASR=[''], whole_caption='x')
        for n in [*names, *(f.name for f in made)]
    ]
    (fetched / 'films_train.json').write_text(json.dumps(rows))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode='w:gz', compresslevel=1) as tar:
        for name in names:
            member = tarfile.TarInfo(f'release/{name}')
            member.size = 30_000
            tar.addfile(member, io.BytesIO(rng.randbytes(member.size)))
    raw = packed.getvalue()
    for i in range(4):
        (fetched / f'films.tar.gz.a{"abcd"[i]}').write_bytes(raw[len(raw) * i // 4 : len(raw) * (i + 1) // 4])
    for f in made:
        shutil.copyfile(f, fetched / f.name)


# one run


class Outcome(NamedTuple):
    "How a process ended"

    code: int  # Below 0: by this signal
    said: str  # Its stderr


def go(command):  # In this process, as the console script does
    module, argv = command
    sys.argv = [f'shotluck-{module}', *argv]
    if module == 'download':
        import shotluck.download as stage

        unpack = stage.unpack_parts
        # places to go on from, as close in this archive as in the real one
        stage.unpack_parts = lambda *args, **kw: unpack(*args, **{**kw, 'spacing': 1 << 17})
    try:
        code = run(module)
    except SystemExit as e:
        code = e.code
    if isinstance(code, str):
        print(code, file=sys.stderr)
    return 1 if isinstance(code, str) else code or 0


def start(command, log) -> int:  # The number of a process of its own group that runs a command
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        with suppress(OSError):
            os.setpgid(pid, pid)  # here too, as it may be killed before it does so itself
        return pid
    code = 99
    try:
        os.setpgid(0, 0)
        # not the one that a killed sibling may have held
        for bar in (tqdm.std.tqdm, tqdm.auto.tqdm):
            bar.set_lock(threading.RLock())
        with open(log, 'wb') as f:
            os.dup2(f.fileno(), 2)
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        os.dup2(os.open(f'{log}.out', os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        code = go(command)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def wait(pid, seconds) -> int:  # Its exit code, None if it goes on after so many seconds
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.005)


def kill(pid):  # The process and its workers
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def finish(pid, log) -> Outcome:
    code = wait(pid, LIMIT)
    if code is None:
        os.killpg(pid, signal.SIGUSR1)  # where it hangs, to its log
        time.sleep(1)
        kill(pid)
    else:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # workers that are still about to end
    # some say why on stdout
    said = log.read_text(errors='replace') + Path(f'{log}.out').read_text(errors='replace')
    return Outcome(code, said) if code is not None else Outcome(-9, f'it still ran after {LIMIT} s: {said}')


def complete(commands, log) -> Outcome:  # Of the first that failed, else of the last
    for command in commands:
        outcome = finish(start(command, log), log)
        if outcome.code:
            break
    return outcome


# what is there


class Content(NamedTuple):
    "What a file holds, without what may differ"

    exact: str  # At the end
    so_far: dict = None  # Of a file that grows while a stage runs: its parts


def told_apart(path) -> Content:
    if path.name == 'metrics.csv':  # it also tells speeds
        table = pd.read_csv(path)
        text = table[[c for c in table if not c.endswith(('_per_s', 'peak_gb'))]].to_csv()
        return Content(text, dict(enumerate(text.splitlines())))
    if path.name == 'loss.png':  # drawn from that table: on the way any whole picture is right
        with Image.open(path) as picture:
            picture.load()
        return Content(sha256(path), {})
    if path.name == 'index.html':  # it also tells when each result was written, so as to read only what is new
        return Content(re.sub(r'"stamp": \[[^]]*\]', '', path.read_text()))
    if path.suffix == '.safetensors' and {'k', 'x'} == set(stored := load_file(path)):  # the frames of a video so far
        frames = [hashlib.sha256(x.contiguous().view(torch.uint8).numpy()).hexdigest() for x in stored['x']]
        return Content(sha256(path), dict(zip(stored['k'].tolist(), frames)))
    return Content(sha256(path))


def is_right(found, want, whole):
    if whole or not want or found.so_far is None or want.so_far is None:
        return found == want
    return found.so_far.items() <= want.so_far.items()


def is_hidden(name):
    return any(part.startswith('.') for part in Path(name).parts)


def is_step(name):
    return 'steps' in Path(name).parts  # Checkpoints on the way: their last state is in the weights at the end


def results(folder) -> dict:  # {name: content} of what a reader could take for a result
    files = {str(f.relative_to(folder)): f for f in sorted(folder.rglob('*')) if f.is_file()}
    found = {}
    for name, path in files.items():
        if not is_hidden(name) and not is_step(name):
            try:
                found[name] = told_apart(path)
            except (OSError, ValueError, SafetensorError) as e:
                found[name] = Content(f'cannot be read: {e}')
    return found


def leftovers(
    folder,
) -> list:  # Parts and journals; what a stage keeps on purpose, such as a note of sizes, is there without kills too
    return sorted(
        str(f.relative_to(folder)) for f in folder.rglob('*') if f.is_file() and is_hidden(str(f.relative_to(folder)))
    )


def difference(found, want, whole=True) -> str:  # '' if all is right; not `whole`: what is there must be right
    wrong = sorted(n for n in found if not is_right(found[n], want.get(n), whole))
    lacking = sorted(set(want) - set(found)) if whole else []
    return '; '.join(
        filter(
            None,
            [
                wrong and f'not as it should be: {", ".join(wrong[:4])}',
                lacking and f'lacking: {", ".join(lacking[:4])}',
            ],
        )
    )


def lines(said):
    return [line for line in said.splitlines() if line.strip()]


# mounts


def mounted(*args) -> bool:
    return subprocess.run(['mount', *args], capture_output=True).returncode == 0


def may_mount(folder) -> bool:
    if not mounted('-t', 'tmpfs', '-o', 'size=64k', 'none', str(folder)):
        return False
    subprocess.run(['umount', str(folder)], check=True)
    return True


def unmount(folder):
    subprocess.run(['umount', '-l', str(folder)], capture_output=True)


# trials: each gives a row for the report, with what went wrong in `wrong`


class Trial:
    "A stage under test"

    def __init__(self, name, place, seed, quick):
        self.name, self.stage, self.place, self.quick = name, STAGES[name], place, quick
        self.rng = random.Random(f'{seed} {name}')
        self.log = place.work.with_name('log')
        self.commands, self.crowd, self.after = map(self.ready, self.stage)

    def ready(self, commands):
        return [command(self.place, more) for command, more in commands]

    def clear(self):
        shutil.rmtree(self.place.work, ignore_errors=True)
        self.place.work.mkdir()

    def undisturbed(self):  # The right result, and how long it takes
        self.clear()
        for module, argv in self.commands:
            subprocess.run([sys.executable, __file__, 'go', module, *argv], check=True, stdout=subprocess.DEVNULL)
        self.want, self.usual = results(self.place.work), set(leftovers(self.place.work))
        self.clear()
        began = time.monotonic()
        outcome = complete(self.commands, self.log)
        self.took = time.monotonic() - began
        bad = difference(results(self.place.work), self.want)
        if outcome.code or bad:
            raise SystemExit(
                f'{self.name}: two undisturbed runs differ: exit code {outcome.code}, {outcome.said[-6000:]} {bad}'
            )
        self.bytes = sum(f.stat().st_size for f in self.place.work.rglob('*') if f.is_file())

    def killed(self, times):
        kills, runs, wrong, litter = 0, 0, [], set()
        while kills < times:
            self.clear()
            runs += 1
            most = self.rng.randint(1, 3)
            for command in self.commands:
                for _ in range(most):
                    pid = start(command, self.log)
                    if wait(pid, self.rng.uniform(0.01, 1) * self.took / len(self.commands)) is not None:
                        break
                    kill(pid)
                    kills += 1
                    if bad := difference(results(self.place.work), self.want, whole=False):
                        wrong.append(f'run {runs}, right after a kill: {bad}')
                outcome = finish(start(command, self.log), self.log)
                if outcome.code:
                    wrong.append(f'run {runs}: exit code {outcome.code}, {outcome.said[-6000:]}')
            if bad := difference(results(self.place.work), self.want):
                wrong.append(f'run {runs}: {bad}')
            litter |= {re.sub(r'\d{2,}', '…', f) for f in set(leftovers(self.place.work)) - self.usual}
        return dict(
            kills=kills, runs=runs, seconds_of_a_run=round(self.took, 2), left_hidden=sorted(litter)[:8], wrong=wrong
        )

    def crowded(self, times):
        both, told, wrong = 0, 0, []
        for n in range(times):
            self.clear()
            pair = self.crowd or [self.commands[-1]] * 2
            logs = [self.log.with_name(f'log{i}') for i in range(2)]
            first = start(pair[0], logs[0])
            time.sleep(self.rng.choice([0, self.rng.uniform(0, 0.7) * self.took]))
            pids = [first, start(pair[1], logs[1])]
            ends = [finish(pid, log) for pid, log in zip(pids, logs)]
            failed = [e for e in ends if e.code]
            both += not failed
            for e in failed:
                refused = [line for line in lines(e.said) if not Path(line).is_file()]  # beside what was written
                done = [line for line in refused if re.search('[0-9] of [0-9]+ videos|: finished before, ', line)]
                if set(refused) > set(done) and all('in use by' in line for line in refused if line not in done):
                    told += 1
                else:
                    wrong.append(f'{n}: exit code {e.code}, {refused}')
            if self.after and (last := complete(self.after, self.log)).code:
                wrong.append(f'{n}, afterwards: {last.said[-300:]}')
            if bad := difference(results(self.place.work), self.want):
                wrong.append(f'{n}: {bad}')
        return dict(times=times, both_done=both, second_was_told=told, wrong=wrong)

    def full(self, times):
        ended, fitted, wrong, said = 0, 0, [], set()
        for share in SHARES if not self.quick else SHARES[1::2]:
            size = int(share * self.bytes) + 16_384
            self.clear()
            if not mounted('-t', 'tmpfs', '-o', f'size={size},nr_inodes=0', 'none', str(self.place.work)):
                return dict(left_out='mounting is not permitted')
            try:
                outcome = complete(self.commands, self.log)
                now = results(self.place.work)
                what = f'{share:.0%} of {self.bytes} bytes'
                if outcome.code > 0:
                    ended += 1
                    told = lines(outcome.said)
                    said.add(re.sub(r'\d{2,}', '…', told[-1][-160:]) if told else '')
                    if not told or 'Traceback' in outcome.said or 'was not expected' in outcome.said:
                        wrong.append(f'{what}: no line that says why: {outcome.said[-300:]}')
                elif outcome.code < 0:
                    wrong.append(f'{what}: ended by signal {outcome.code}: {outcome.said[-200:]}')
                else:
                    fitted += 1
                if bad := difference(now, self.want, whole=outcome.code == 0):
                    wrong.append(f'{what}, exit code {outcome.code}: {bad}')
                mounted('-o', 'remount,size=1g', str(self.place.work))
                again = complete(self.commands, self.log)
                if again.code:
                    wrong.append(f'{what}, after room was made: exit code {again.code}, {again.said[-300:]}')
                elif bad := difference(results(self.place.work), self.want):
                    wrong.append(f'{what}, after room was made: {bad}')
            finally:
                unmount(self.place.work)
        return dict(ended_with_a_line=ended, fitted=fitted, said=sorted(said)[:6], wrong=wrong)

    def read_only(self, times):
        wrong = []
        self.clear()
        if not mounted('-t', 'tmpfs', '-o', 'size=1m,ro', 'none', str(self.place.work)):
            return dict(left_out='mounting is not permitted')
        try:
            outcome = complete(self.commands, self.log)
        finally:
            unmount(self.place.work)
        told = lines(outcome.said)
        if outcome.code < 1 or not told or 'Traceback' in outcome.said or 'was not expected' in outcome.said:
            wrong.append(f'results: exit code {outcome.code}, {outcome.said[-300:]}')
        source = str(self.place.source)
        mounted('--bind', source, source)
        mounted('-o', 'remount,ro,bind', source)
        try:
            inputs = complete(self.commands, self.log)
        finally:
            unmount(source)
        if inputs.code:
            wrong.append(f'inputs: exit code {inputs.code}, {inputs.said[-300:]}')
        if bad := difference(results(self.place.work), self.want):
            wrong.append(f'inputs: {bad}')
        return dict(said=told[-1][-200:] if told else '', inputs_may_be_read_only=not inputs.code, wrong=wrong)

    def clock_back(self, times):  # What is there comes from the future
        wrong, ahead = [], time.time() + 10 * 365 * 86400
        for n in range(min(times, 4)):
            self.clear()
            for _ in range(2):
                pid = start(self.commands[0], self.log)
                if wait(pid, self.rng.uniform(0.3, 0.95) * self.took) is None:
                    kill(pid)
                for i, f in enumerate(sorted(self.place.work.rglob('*'))):
                    os.utime(f, (ahead - i, ahead - i))
            outcome = complete(self.commands, self.log)
            if outcome.code:
                wrong.append(f'{n}: exit code {outcome.code}, {outcome.said[-300:]}')
            if bad := difference(results(self.place.work), self.want):
                wrong.append(f'{n}: {bad}')
            for i, f in enumerate(sorted(self.place.work.rglob('*'))):
                os.utime(f, (ahead - i, ahead - i))
            outcome = complete(self.commands, self.log)
            bad = difference(results(self.place.work), self.want)
            if outcome.code or bad:
                wrong.append(f'{n}, finished before: {outcome.said[-300:]} {bad}')
        return dict(runs=min(times, 4), wrong=wrong)


TRIALS = ('killed', 'crowded', 'full', 'read_only', 'clock_back')


def warm_up():  # What the stages import late, imported once for all
    import matplotlib

    matplotlib.use('Agg')
    import importlib

    for name in 'download split convert model finetune evaluate caption trainer'.split():
        importlib.import_module(f'shotluck.{name}')
    for name in ('cv2', 'peft', 'scenedetect'):
        importlib.import_module(name)


if sys.argv[1:2] == ['go']:
    sys.exit(go((sys.argv[2], sys.argv[3:])))  # a run in a process of its own


@call_parse
def main(
    times: int = 20,  # Kills of each stage, and how often two processes run at once (a quarter of it)
    only: str = '',  # Stages whose names contain one of these, separated by semicolons; empty: all
    trials: str = '',  # Of killed, crowded, full, read_only, clock_back, separated by commas; empty: all
    seed: int = 0,  # Of the moments
    quick: bool = False,  # Fewer sizes of disks
    out: str = str(RESULT),  # Where the rows are put
):
    "Run the trials and write what was seen"
    os.environ.update(
        HF_HUB_OFFLINE='1', TOKENIZERS_PARALLELISM='false', PYTHONPATH=f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
    )
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    warm_up()
    top = Path(tempfile.mkdtemp(prefix='killed-'))
    place = Place(top / 'source', top / 'work')
    place.source.mkdir()
    make_inputs(place.source)
    place.work.mkdir()
    wanted = [w for w in trials.split(',') if w] or list(TRIALS)
    report = read_json(Path(out), missing={})
    faults = 0
    for name in STAGES:
        if only and not any(word in name for word in only.split(';')):
            continue
        trial = Trial(name, place, seed, quick)
        trial.undisturbed()
        for kind in wanted:
            n = times if kind == 'killed' else max(1, times // 4)
            began = time.monotonic()
            row = dict(getattr(trial, kind)(n), seconds=round(time.monotonic() - began), seed=seed, **machine())
            faults += len(row.get('wrong', ()))
            # without the name of this run's folder
            report.setdefault(name, {})[kind] = json.loads(json.dumps(row).replace(str(top), '…'))
            write_json(Path(out), report)
            print(name, kind, {k: v for k, v in row.items() if k not in ('machine', 'commit', 'seed')}, flush=True)
    shutil.rmtree(top, ignore_errors=True)
    print(f'{faults} faults')
    return int(bool(faults))
