"""Does correcting captions teach the model? One round of the loop on made videos, measured on videos that it never saw:
python bench/corrections.py [--videos 80] [--epochs 1]; writes bench/corrections.json

`nano` captions some videos; a stand-in for a person writes the true caption and speech into each storyboard's JSON;
shotluck-convert makes records of them, nano is fine-tuned on these alone, and both are scored on the test videos."""

import tempfile
import time
from pathlib import Path

from fastcore.script import call_parse
from machine import machine, root

from shotluck.caption import CaptionCfg, caption_files
from shotluck.configs import EvaluateCfg, from_recipe
from shotluck.convert import convert
from shotluck.download import download
from shotluck.evaluate import evaluate
from shotluck.files import write_json
from shotluck.finetune import finetune
from shotluck.shots import annotated_shots
from shotluck.split import split
from shotluck.text import read_json


def overlap(a, b) -> float:
    "Frames that two shots share, of all that they have"
    shared = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return shared / (max(a[1], b[1]) - min(a[0], b[0]))


def same_shot(shot: dict, known: list):
    "The row ((start, end), caption, speech) of the known shot that a found one is, None if there is none"
    best = max(known, key=lambda row: overlap(row[0], (shot['start'], shot['end'])))
    return best if overlap(best[0], (shot['start'], shot['end'])) > 0.8 else None


def correct(path: Path, truth: dict) -> tuple:
    "Write what is true into a storyboard, as a person would; (shots corrected, shots in all)"
    board = read_json(path)
    known = truth[board['video']]
    done = 0
    for shot in board['shots']:
        if same := same_shot(shot, known):
            _, shot['caption'], shot['speech'] = same
            done += 1
    write_json(path, board)
    return done, len(board['shots'])


def true_shots(annotations: list) -> dict:
    "Video -> [((start, end), caption, speech), …]"
    found = {}
    for ann in annotations:
        shots = annotated_shots(ann['video_names'])
        found[ann['video']] = list(zip(map(tuple, shots), ann['captions'], ann['ASR']))
    return found


def scores_of(model: str, data: Path, out: Path) -> dict:
    "Scores of the captions of the test videos"
    cfg = EvaluateCfg(model=model, data=str(data), match='shapes', out=str(out), tasks='caption', quiet=True, draws=200)
    table = evaluate(cfg).table
    return {row.metric: round(row.value, 3) for row in table[table.task == 'caption'].itertuples()}


@call_parse
def main(
    videos: int = 80,  # That are captioned and corrected
    epochs: int = 1,  # Of the fine-tuning, each with the recipe's 24 views
):
    tmp = Path(tempfile.mkdtemp())
    start = time.time()
    data, told = tmp / 'data', tmp / 'told'
    download(data=data, limit=videos, quiet=True)
    raw = data / 'raw'
    split(raw / 'annotations', raw / 'videos', data / 'shots.jsonl', quiet=True)
    convert(raw / 'annotations', raw / 'videos', data, data / 'shots.jsonl')
    annotations = read_json(raw / 'annotations' / 'shapes_train.json')
    truth = true_shots(annotations)
    films = [raw / 'videos' / name for name in truth]
    _, failed, _ = caption_files(films, told, CaptionCfg(model='nano', format='json', quiet=True))
    assert not failed, failed
    boards = sorted(told.glob('*.json'))
    before = convert(boards, raw / 'videos', tmp / 'unread')
    corrected = [correct(path, truth) for path in boards]
    rows = convert(boards, raw / 'videos', tmp / 'learnt')
    cfg = from_recipe(
        'nano', data=str(tmp / 'learnt'), videos=str(raw / 'videos'), out=str(tmp / 'tuned'), epochs=epochs
    )
    cfg.quiet = True
    finetune(cfg)
    made = dict(
        machine(),
        videos=len(boards),
        shots=sum(n for _, n in corrected),
        corrected=sum(n for n, _ in corrected),
        records_before=before.get('ok', 0),
        records=rows.get('ok', 0),
        before=scores_of('nano', data, tmp / 'before'),
        after=scores_of(str(tmp / 'tuned'), data, tmp / 'after'),
        minutes=round((time.time() - start) / 60, 1),
    )
    write_json(root / 'bench' / 'corrections.json', made)
    print(made)
