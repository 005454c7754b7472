"""Captions a second: `predict` against stock `generate` one record at a time, each decoded and encoded by itself: python bench/evaluate_generate.py
`cold` has to decode and to run the tower; `disk` finds what an earlier run left in --cache_dir, `cached` what another control of the same run left in memory.
`with controls` is a whole evaluation as shotluck-evaluate --controls blank,other does it, from cold, against three stock passes."""

import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from fastcore.script import call_parse
from machine import machine

from shotluck.configs import EvaluateCfg
from shotluck.convert import convert
from shotluck.feature_bank import FrameBank
from shotluck.files import write_json
from shotluck.llava import preprocess
from shotluck.model import load_captioner
from shotluck.model_inputs import build_inputs
from shotluck.predict import predict
from shotluck.shapes import make_shapes
from shotluck.split import split
from shotluck.text import read_jsonl
from shotluck.video import read_frames


def one_by_one(captioner, records, videos, cfg):  # Stock `generate`, nothing kept from one record to the next
    out, model, tok = {}, captioner.model, captioner.tokenizer
    with torch.inference_mode():
        for r in records:
            given = build_inputs(r, captioner, cfg)
            frames = [k for shot in given.shots for k in shot.frames]
            pixels = preprocess(read_frames(Path(videos) / given.video, frames, captioner.width), model)
            ids = torch.tensor([given.plan.input_ids])
            x = model.embed(ids, pixel_values=pixels)
            new = model.generate(
                inputs_embeds=x,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=cfg.length(r['task']),
                do_sample=False,
                pad_token_id=tok.pad_token_id,
            )
            out[r['id']] = tok.decode(new[0], skip_special_tokens=True).strip()
    return out


@call_parse
def main(
    records: int = 400,  # Of the shapes, made with a seed that no training used
    seed: int = 4711,  # Of the shapes
    repeats: int = 3,  # Of both sides, in turn
    batch: int = 64,  # Records a step
    model: str = 'nano',  # Preset or folder
    out: str = 'bench/evaluate_generate.json',
):
    "Measure both sides on the same records in one run"
    data = Path(tempfile.mkdtemp())
    make_shapes(data, 0, 0, -(-records // 3), seed, quiet=True)
    raw = data / 'raw'
    split(raw / 'annotations', raw / 'videos', data / 'shots.jsonl', quiet=True)
    convert(raw / 'annotations', raw / 'videos', data, data / 'shots.jsonl')
    recs = read_jsonl(data / 'records' / 'test.jsonl')[:records]
    m = load_captioner(model, device='cpu')
    cfg = EvaluateCfg(batch=batch, quiet=True)
    bank = FrameBank(m.model, raw / 'videos')
    predict(m, recs, raw / 'videos', cfg, bank=bank)
    stored = cfg.replace(cache_dir=str(data / 'features'))
    predict(m, recs, raw / 'videos', stored)

    def with_controls():
        mine = FrameBank(m.model, raw / 'videos')
        return [
            predict(m, recs, raw / 'videos', cfg.replace(control=c), bank=mine) for c in ('none', 'blank', 'other')
        ][0]

    sides = dict(
        cached=lambda: predict(m, recs, raw / 'videos', cfg, bank=bank),
        disk=lambda: predict(m, recs, raw / 'videos', stored),
        cold=lambda: predict(m, recs, raw / 'videos', cfg),
        with_controls=with_controls,
        one_by_one=lambda: one_by_one(m, recs, raw / 'videos', cfg),
    )
    texts, secs = {}, {k: [] for k in sides}
    one_by_one(m, recs[:2], raw / 'videos', cfg)  # warm up
    for _ in range(repeats):
        for k, f in sides.items():
            start = time.perf_counter()
            texts[k] = f()
            secs[k].append(time.perf_counter() - start)
    best = {k: min(v) for k, v in secs.items()}
    result = dict(
        records=len(recs),
        batch=batch,
        model=model,
        captions_per_second={k: round(len(recs) * (3 if k == 'with_controls' else 1) / v, 2) for k, v in best.items()},
        seconds={k: [round(x, 2) for x in v] for k, v in secs.items()},
        ratio={
            k: round(best['one_by_one'] * (3 if k == 'with_controls' else 1) / best[k], 2)
            for k in best
            if k != 'one_by_one'
        },
        same_texts={
            k: sum(texts[k][i] == t for i, t in texts['one_by_one'].items()) for k in best if k != 'one_by_one'
        },
        words_per_answer=round(sum(len(t.split()) for t in texts['cached'].values()) / len(recs), 1),
        threads=torch.get_num_threads(),
        **machine(),
    )
    write_json(Path(out), result)
    print(result)
