"""What half precision changes: answers that differ from float32's, and the losses of the same training steps

python bench/half_precision.py    # -> bench/half_precision.json
"""

import tempfile
from pathlib import Path

import pandas as pd
import torch
from fastcore.script import call_parse
from machine import machine

from shotluck.configs import EvaluateCfg, FinetuneCfg
from shotluck.convert import convert
from shotluck.files import write_json
from shotluck.finetune import finetune
from shotluck.model import load_captioner
from shotluck.predict import predict
from shotluck.shapes import make_shapes
from shotluck.split import split
from shotluck.text import read_jsonl

HALVES = ('bfloat16', 'float16')


def answers(model: str, data: Path, dtype: str, records: list) -> dict:
    captioner = load_captioner(model, dtype=dtype, device='cpu')
    return predict(captioner, records, data / 'raw/videos', EvaluateCfg(quiet=True))


def losses(data: Path, dtype: str, steps: int) -> list:
    out = data / f'run-{dtype}'
    settings = dict(
        data=str(data), out=str(out), batch=8, max_steps=steps, lr=1e-3, device='cpu', dtype=dtype, quiet=True
    )
    finetune(FinetuneCfg(epochs=100, **settings))
    return pd.read_csv(out / 'metrics.csv').loss.tolist()


@call_parse
def main(
    videos: int = 40,  # Of the shapes, made with a seed that no training used
    steps: int = 20,  # Of fine-tuning
    model: str = 'nano',  # Preset or folder
    out: str = str(Path(__file__).with_suffix('.json')),
):
    "Compare answers and losses in each precision with float32's"
    torch.set_num_threads(1)
    data = Path(tempfile.mkdtemp())
    make_shapes(data, videos, 0, videos, 4711, quiet=True)
    raw = data / 'raw'
    split(raw / 'annotations', raw / 'videos', data / 'shots.jsonl', quiet=True)
    convert(raw / 'annotations', raw / 'videos', data, data / 'shots.jsonl')
    records = read_jsonl(data / 'records' / 'test.jsonl')
    exact, exact_losses = answers(model, data, 'float32', records), losses(data, 'float32', steps)
    rows = {}
    for dtype in HALVES:
        said = answers(model, data, dtype, records)
        rows[dtype] = dict(answers=len(records), differing_answers=sum(said[i] != exact[i] for i in exact))
        if dtype == 'bfloat16':  # training in float16 needs a GPU
            apart = [abs(half / full - 1) for half, full in zip(losses(data, dtype, steps), exact_losses)]
            rows[dtype]['largest_relative_difference_of_a_loss'] = round(max(apart), 5)
        print(dtype, rows[dtype])
    write_json(out, dict(**machine(), model=model, steps=steps, rows=rows))
