"""One round of corrections in pictures: docs/images/round-trip-*.webp and bench/round_trip.json, from which
docs/round-trip.md is filled. Takes a quarter of an hour on two cores, and needs Chromium, Node and playwright-core:
npm i playwright-core; python bench/round_trip.py [--videos 80] [--chromium /usr/bin/chromium]
(where node_modules is elsewhere: NODE_PATH=/its/folder/node_modules python bench/round_trip.py).
Then: python scripts/check_fresh.py --fix

`nano` captions generated videos; in the page of each, bench/round_trip.js types what is true, as a person would, and
saves; nano is fine-tuned on these corrections, and captions videos that it never saw. Every command that the page
shows is run as it stands there."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from corrections import same_shot, scores_of, true_shots
from fastcore.script import call_parse
from machine import machine, root
from PIL import Image

from shotluck.claims import slot_accuracy
from shotluck.files import write_json, write_text
from shotluck.storyboard import timecode
from shotluck.text import read_json, read_jsonl
from shotluck.video import probe

PICTURES = root / 'docs' / 'images'
WIDEST, HEAVIEST = 1400, 120_000  # pixels, bytes
SHOWN = 'shapes_train_001'  # the first with three shots: they stand in one row
COMMANDS = dict(
    caption='shotluck-caption videos/ --model nano',
    rewrite=f'cd videos && shotluck-caption {SHOWN}.json',
    convert='shotluck-convert --annotations videos/*.json --videos videos/ --data learnt',
    finetune='shotluck-finetune --recipe nano --data learnt --out tuned',
    before='shotluck-caption unseen/ --model nano --out before',
    after='shotluck-caption unseen/ --model tuned --out after',
)


def run(command: str, folder: Path) -> list:
    "What a command prints, in lines; it is run in a shell, in a folder, by this environment and this checkout"
    print(f'$ {command}', flush=True)
    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    env = dict(os.environ, PATH=path, PYTHONPATH=str(root))
    said = subprocess.run(['bash', '-c', command], cwd=folder, env=env, check=True, stdout=subprocess.PIPE, text=True)
    print(said.stdout, flush=True)
    # what a library logs begins with its time in brackets
    return [line for line in said.stdout.splitlines() if not re.match(r'\[\d{4}-\d\d-\d\d ', line)]


def browse(what: str, folder: Path, chromium: str, **plan):
    "Let bench/round_trip.js do something in the browser"
    write_json(folder / 'plan.json', dict(plan, what=what, chromium=chromium))
    subprocess.run(['node', root / 'bench' / 'round_trip.js', folder / 'plan.json'], check=True)


def keep_picture(path: Path, name: str):
    "Keep a picture for the docs, as well as its size allows"
    with Image.open(path) as opened:
        picture = opened.convert('RGB')
    picture.thumbnail((WIDEST, 10 * WIDEST))
    kept = PICTURES / f'round-trip-{name}.webp'
    PICTURES.mkdir(exist_ok=True)
    for quality in (80, 70, 60, 50):
        picture.save(kept, quality=quality, method=6)
        size = kept.stat().st_size
        if size < HEAVIEST:
            break
    assert size < HEAVIEST, f'{kept} has {size:,} bytes'
    print(f'{kept.name}: {picture.width} x {picture.height}, {size:,} bytes, quality {quality}', flush=True)


def copy_videos(truth: dict, videos: Path, folder: Path):
    "Copy videos, each with its speech as subtitles beside it, as `shotluck-caption` finds them"
    folder.mkdir()
    for name, shots in truth.items():
        shutil.copy(videos / name, folder)
        info = probe(videos / name)
        edges = [*info.times.tolist(), info.duration]
        cues = [
            f'{number}\n{timecode(edges[start])} --> {timecode(edges[end])}\n{speech}\n'
            for number, ((start, end), _, speech) in enumerate(shots, 1)
        ]
        write_text((folder / name).with_suffix('.srt'), '\n'.join(cues))


def true_caption(shot: dict, known: list) -> str:
    "What is true of a shot that was found; '' if there is no such shot"
    same = same_shot(shot, known)
    return same[1] if same else ''


def corrections_of(board: Path, known: list, summary: str) -> dict:
    "What a person is to write into the page of a storyboard"
    captions = [true_caption(shot, known) for shot in read_json(board)['shots']]
    return dict(page=str(board.with_suffix('.html')), json=str(board), captions=captions, summary=summary)


def told_and_true(folder: Path, name: str, annotations: dict, truth: dict) -> list:
    "A row for the summary and each shot of an unseen video: what it is of, the truth, and what was said before and after"
    before, after = (read_json(folder / side / name) for side in ('before', 'after'))
    video = before['video']
    rows = [
        dict(of=f'shot {number}', truth=true_caption(a, truth[video]), before=a['caption'], after=b['caption'])
        for number, (a, b) in enumerate(zip(before['shots'], after['shots'], strict=True), 1)
    ]
    whole = annotations[video]['whole_caption']
    return [*rows, dict(of='summary', truth=whole, before=before['summary'], after=after['summary'])]


def all_right(out: Path) -> tuple:
    "(captions that say colour, form, motion, background and name as they are, captions in all) of an evaluation"
    said = {row['id']: row['text'] for row in read_jsonl(out / 'predictions.jsonl')}
    records = [record for record in read_jsonl(out / 'records.jsonl') if record['id'] in said]
    return round(slot_accuracy(said, records)['exact'] * len(records)), len(records)


@call_parse
def main(
    videos: int = 80,  # That are captioned and corrected
    chromium: str = '/usr/bin/chromium',  # The browser
):
    work = Path(tempfile.mkdtemp())
    begun = time.time()
    run(f'shotluck-download --limit {videos} --quiet && shotluck-split --quiet && shotluck-convert --quiet', work)
    raw = work / 'data' / 'raw'
    rows = {split: read_json(raw / 'annotations' / f'shapes_{split}.json') for split in ('train', 'test')}
    annotations = {ann['video']: ann for split in rows.values() for ann in split}
    truth = {split: true_shots(split_rows) for split, split_rows in rows.items()}
    first = next(iter(truth['test']))
    copy_videos(truth['train'], raw / 'videos', work / 'videos')
    copy_videos({first: truth['test'][first]}, raw / 'videos', work / 'unseen')

    run(COMMANDS['caption'], work)
    boards = sorted((work / 'videos').glob('*.json'), key=lambda path: (path.stem != SHOWN, path))
    shown = str(work / 'videos' / f'{SHOWN}.html')
    browse('look', work, chromium, page=shown, picture=str(work / 'captioned.png'))
    edits = []
    for board in boards:
        video = f'{board.stem}.mp4'
        edits.append(corrections_of(board, truth['train'][video], annotations[video]['whole_caption']))
    browse('correct', work, chromium, edits=edits, picture=str(work / 'correcting.png'), told=str(work / 'told.json'))
    run(COMMANDS['rewrite'], work)
    assert 'caption mine' in Path(shown).read_text(encoding='utf-8'), 'the page has no mark on what was written'
    browse('look', work, chromium, page=shown, picture=str(work / 'corrected.png'))

    converted = run(COMMANDS['convert'], work)
    trained = run(COMMANDS['finetune'], work)
    run(COMMANDS['before'], work)
    run(COMMANDS['after'], work)
    pages = [str(work / side / Path(first).with_suffix('.html')) for side in ('before', 'after')]
    browse('beside', work, chromium, pages=pages, titles=['Before', 'After'], picture=str(work / 'unseen.png'))

    for name in ('captioned', 'correcting', 'corrected', 'unseen'):
        keep_picture(work / f'{name}.png', name)
    keep_picture(work / 'tuned' / 'loss.png', 'loss')
    scores = {}
    for side, model in dict(before='nano', after=str(work / 'tuned')).items():
        cider = scores_of(model, work / 'data', work / f'{side}_scores')['CIDEr']
        right, of = all_right(work / f'{side}_scores')
        scores[side] = dict(CIDEr=cider, right=right, of=of)
    made = dict(
        machine(),
        videos=len(boards),
        **read_json(work / 'told.json'),
        commands=COMMANDS,
        converted=converted,
        trained=trained,
        unseen=dict(video=first, rows=told_and_true(work, f'{Path(first).stem}.json', annotations, truth['test'])),
        unseen_videos=len(truth['test']),
        scores=scores,
        minutes=round((time.time() - begun) / 60, 1),
    )
    write_json(root / 'bench' / 'round_trip.json', made)
    print(made)
