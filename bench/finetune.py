"""Speed and memory of fine-tuning against stock Trainer + stock Llava: python bench/finetune.py [speed] [memory] [processes] [first] [order]; adds to bench/finetune.json

speed: a small model proportioned like 1.5b at 8 frames x 81 tokens, videos of four shots, 640x360, 3 epochs, same batches, workers (none: decoding is part of the step) and threads; memory: peak at a 32k vocabulary and 1,300 tokens a record;
processes: 2 processes against 1 from filled features, one thread each; first: seconds to the first step on 20,000 records; order: cost of an epoch's order and of the cache a record, 1k to 100k records"""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from shotluck.torchvision_mend import TORCHVISION  # noqa: F401  before transformers, which looks for torchvision only once

# isort: split
import numpy as np
import pandas as pd
import torch
from machine import machine
from safetensors.torch import save_file
from transformers import LlavaForConditionalGeneration, Trainer, TrainerCallback, TrainingArguments

from shotluck.batches import Batcher, Order, RecordData
from shotluck.checkpoint import save_model
from shotluck.configs import FinetuneCfg
from shotluck.cost import flops
from shotluck.features import DiskBank, Pixels
from shotluck.files import write_json, write_jsonl
from shotluck.finetune import finetune
from shotluck.llava import VideoLlava, make_config, preprocess
from shotluck.llava_captioner import LlavaCaptioner
from shotluck.model import load_model
from shotluck.text import read_json
from shotluck.video import write_video

root = Path(__file__).resolve().parent.parent
result = root / 'bench' / 'finetune.json'
THREADS, WORKERS, BATCH, EPOCHS = 2, 0, 4, 3


def keep(name, row):
    rows = read_json(result, missing={})
    rows[name] = dict(machine(), cores=os.cpu_count(), threads=THREADS, workers=WORKERS) | row
    write_json(result, rows)
    print(name, json.dumps(rows[name]), flush=True)


def make_model(folder, vocab=0, tower=8, width=128, layers=4):
    "Tower : language model = 40 : 60 of the training FLOPs, 81 tokens a frame"
    _, tok = load_model('nano', device='cpu')
    torch.manual_seed(0)
    config = make_config(
        dict(
            hidden_size=192,
            intermediate_size=768,
            num_hidden_layers=tower,
            num_attention_heads=4,
            image_size=126,
            patch_size=14,
        ),
        dict(
            hidden_size=width,
            intermediate_size=int(2.75 * width),
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            vocab_size=vocab or len(tok),
            max_position_embeddings=2048,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
            tie_word_embeddings=False,
        ),
        tok.convert_tokens_to_ids('<image>'),
    )
    save_model(VideoLlava(config), tok, folder)
    return folder


def make_data(folder, n, videos, seconds=4, words=60, shots=1):
    "`n` captions over `videos` videos of 640x360, each of `shots` shots in turn; of several shots every second one has a narration too"
    rng, fps = np.random.default_rng(0), 25
    (folder / 'raw/videos').mkdir(parents=True, exist_ok=True)
    base = rng.integers(0, 255, (45, 80, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    for v in range(videos):
        if not (folder / f'raw/videos/{v}.mp4').exists():
            write_video(
                folder / f'raw/videos/{v}.mp4',
                [np.roll(base, (3 * k + v, 5 * k), (0, 1)) for k in range(seconds * fps)],
                fps=fps,
                options=dict(crf='23', preset='veryfast', g='250'),
            )
    colours = 'red green blue yellow'.split()
    part = seconds * fps // shots
    at = [(i % videos, i // videos % shots * part, 'caption') for i in range(n)] + [
        (v, k * part, 'narration') for v in range(videos) for k in range(1, shots, 2)
    ]
    recs = [
        dict(
            id=f'v{i}/{task}/1',
            video=f'{v}.mp4',
            task=task,
            shots=[[a, a + part]],
            seconds=[[a / fps, (a + part) / fps]],
            fps=fps,
            asr=[''],
            conversations=[
                {'from': 'human', 'value': '<image>'},
                {
                    'from': 'gpt',
                    'value': ' '.join(
                        f'a {c} circle' for c in rng.choice(colours, rng.integers(words // 4, words // 3 + 1))
                    ),
                },
            ],
        )
        for i, (v, a, task) in enumerate(at)
    ]
    write_jsonl(folder / 'records/train.jsonl', recs)
    return recs


class Clock(TrainerCallback):
    def __init__(self):
        self.t = []

    def on_train_begin(self, *a, **k):
        self.t.append(time.perf_counter())

    def on_step_end(self, *a, **k):
        self.t.append(time.perf_counter())


class Decoded(Pixels):
    "Frames that were decoded beforehand"

    def fetch(self, units, also=()):
        if not hasattr(self, 'all'):
            self.all = {}
        for u in units:
            if u not in self.all:
                self.all[u] = super().fetch([u])[0]['frames']
        return dict(frames=torch.cat([self.all[u] for u in units])), {}


class StockBatch:
    "Decode, normalise and pad: all that a stock model is given"

    def __init__(self, data, model, bank):
        self.batcher, self.model = Batcher(data, bank), model

    def __call__(self, items):
        b = self.batcher(items)
        return dict(
            {k: b[k] for k in ('input_ids', 'attention_mask', 'labels')},
            pixel_values=preprocess(b['frames'], self.model),
        )


def stock(cfg, steps=-1, decoded=False):
    "Stock Trainer + stock Llava on the same records in the same order; the Clock, losses and seconds before training"
    t, own, tok = time.perf_counter(), *load_model(cfg.model, device='cpu')
    model = LlavaForConditionalGeneration(own.config)
    model.load_state_dict(own.state_dict())
    model.model.vision_tower.requires_grad_(False)
    rows = [json.loads(line) for line in open(Path(cfg.data) / 'records/train.jsonl')]
    data = RecordData(rows, LlavaCaptioner(own, tok, cfg.model), cfg)
    data.video_dir = cfg.video_dir
    per, clock, bank = -(-len(data) // cfg.batch), Clock(), (Decoded if decoded else Pixels)(own, cfg.video_dir)
    if decoded:
        [
            bank.fetch([(r['video'], tuple(k for s in item.plan.frames for k in s))])
            for r, item in zip(rows, (data[i] for i in range(len(data))))
        ]

    class Stock(Trainer):
        def _get_train_sampler(self, *a):
            return Order(data.lengths, cfg.batch, lambda: self.state.global_step // per, cfg.seed)

    args = TrainingArguments(
        tempfile.mkdtemp(),
        num_train_epochs=cfg.epochs,
        max_steps=steps,
        per_device_train_batch_size=cfg.batch,
        learning_rate=cfg.lr,
        lr_scheduler_type=cfg.schedule,
        warmup_steps=cfg.warmup,
        logging_steps=1,
        save_strategy='no',
        report_to='none',
        disable_tqdm=True,
        log_level='error',
        remove_unused_columns=False,
        dataloader_num_workers=WORKERS,
        dataloader_persistent_workers=WORKERS > 0,
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    tr = Stock(
        model,
        args,
        train_dataset=data,
        data_collator=StockBatch(data, own, bank),
        processing_class=tok,
        callbacks=[clock],
    )
    tr.train()
    return clock.t, [h['loss'] for h in tr.state.log_history if 'loss' in h], t


def ours(cfg):
    import shotluck.finetune as f
    import shotluck.trainer as tr

    clock, init = Clock(), tr.VideoTrainer.__init__

    def with_clock(self, *a, **k):
        init(self, *a, **k)
        self.add_callback(clock)

    tr.VideoTrainer.__init__ = with_clock
    try:
        out = finetune(cfg)
    finally:
        tr.VideoTrainer.__init__ = init
    return clock.t, pd.read_csv(out / 'metrics.csv').loss.tolist()


def epochs(t, n):  # samples/s of each epoch
    per = (len(t) - 1) // EPOCHS
    return [round(n / (t[(e + 1) * per] - t[e * per]), 2) for e in range(EPOCHS)]


def split(cfg, recs):
    "Seconds of a record: decoding, tower, language model with projector"
    model, tok = load_model(cfg.model, device='cpu')
    data = RecordData(recs[:16], LlavaCaptioner(model, tok, cfg.model), cfg)
    bank = Pixels(model, cfg.video_dir)
    batcher = Batcher(data, bank)
    t0 = time.perf_counter()
    bs = [batcher([data[i] for i in range(k, k + BATCH)]) for k in range(0, 16, BATCH)]
    t1 = time.perf_counter()
    with torch.no_grad():
        xs = [model.tower_features(bank.finish(b)['pixel_values']) for b in bs]
    t2 = time.perf_counter()
    for b, x in zip(bs, xs):
        model(
            input_ids=b['input_ids'], attention_mask=b['attention_mask'], labels=b['labels'], image_features=x
        ).loss.backward()
    t3 = time.perf_counter()
    return dict(decode=round((t1 - t0) / 16, 4), tower=round((t2 - t1) / 16, 4), language=round((t3 - t2) / 16, 4))


def speed(tmp, videos=16, seconds=10):
    recs, model = make_data(tmp / 'data', 4 * videos, videos, seconds, shots=4), make_model(tmp / 'model')
    n = len(recs)
    cfg = partial(
        FinetuneCfg,
        model=str(model),
        data=str(tmp / 'data'),
        batch=BATCH,
        epochs=EPOCHS,
        lr=5e-4,
        drop_speech=0,
        workers=WORKERS or -1,
        device='cpu',
        quiet=True,
    )
    f = flops(load_model(model, device='cpu')[0].config, 8, 20, 85, train=True)

    def row(t, losses, ref=None, base=None):
        each = epochs(t, n)
        r = dict(samples_per_s=round(n * EPOCHS / (t[-1] - t[0]), 2), each_epoch=each, final_loss=losses[-1])
        if base:
            r.update(
                run_ratio=round(r['samples_per_s'] / base['samples_per_s'], 2),
                later_ratio=round(np.mean(each[1:]) / np.mean(base['each_epoch'][1:]), 2),
                largest_difference=max(abs(a - b) for a, b in zip(ref, losses)),
            )
        return r

    parts = split(cfg(), recs[::4])
    t, ref, _ = stock(cfg())
    rows = dict(stock=row(t, ref))
    base = rows['stock']
    print(base, flush=True)
    t, losses, _ = stock(cfg(), decoded=True)
    rows['stock, decoded before'] = row(t, losses, ref, base)
    for name, kw in {
        'ours': {},
        'ours again, features from disk': {},
        'features in memory': dict(cache='memory'),
        'without features': dict(cache='off'),
        'without features, decoding ahead in a worker': dict(cache='off', workers=1),
        'logits everywhere': dict(full_logits=True),
        'any length in a batch': dict(any_length=True),
    }.items():
        t, losses = ours(
            cfg(
                **{
                    **dict(
                        out=str(tmp / name.replace(' ', '-').replace(',', '')),
                        cache='disk',
                        cache_dir=str(tmp / ('features' if name.startswith('ours') else f'features {name}')),
                    ),
                    **kw,
                }
            )
        )
        rows[name] = row(t, losses, ref, base)
        if name == 'any length in a batch':
            rows[name].pop('largest_difference')  # other batches
        print(name, rows[name], flush=True)

    def later(name):
        return float(np.mean(rows[name]['each_epoch'][1:]))

    step, bare = (n * EPOCHS / rows[k]['samples_per_s'] for k in ('stock', 'stock, decoded before'))
    keep(
        'speed',
        dict(
            seconds_of_a_record=parts,
            share={k: round(v / sum(parts.values()), 3) for k, v in parts.items()},
            decode_share_of_stock_run=round(1 - bare / step, 3),
            tower_share_of_flops=round(f['tower'] / f['total'], 3),
            records=n,
            videos=videos,
            seconds_of_a_video=seconds,
            epochs=EPOCHS,
            batch=BATCH,
            run=rows['ours']['run_ratio'],
            later_epochs=rows['ours']['later_ratio'],
            later_epochs_decoded_before=round(later('ours') / later('stock, decoded before'), 2),
            rows=rows,
        ),
    )


def processes(tmp, videos=32, steps=24):
    make_data(tmp / 'data', 4 * videos, videos, shots=4)
    make_model(tmp / 'model')

    def run(procs, batch):
        out = tmp / f'{procs}-{batch}'
        cmd = [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--standalone',
            '--nproc_per_node',
            str(procs),
            str(root / 'scripts/train.py'),
            '--model',
            str(tmp / 'model'),
            '--data',
            str(tmp / 'data'),
            '--out',
            str(out),
            '--batch',
            str(batch),
            '--epochs',
            '9',
            '--max_steps',
            str(steps),
            '--lr',
            '1e-4',
            '--schedule',
            'constant',
            '--device',
            'cpu',
            '--quiet',
            '--cache',
            'disk',
            '--cache_dir',
            str(tmp / 'features'),
            '--workers',
            '-1',
            '--log_steps',
            '1',
        ]
        r = subprocess.run(
            cmd, env=dict(os.environ, OMP_NUM_THREADS='1', HF_HUB_OFFLINE='1'), capture_output=True, text=True
        )
        if r.returncode:
            raise SystemExit(r.stderr[-3000:])
        m = pd.read_csv(out / 'metrics.csv')
        return m.samples_per_s.iloc[4:].median(), m.loss.tolist()

    run(1, 8)  # fills the features
    rows = []
    for _ in range(2):
        (one, a), (two, b) = run(1, 8), run(2, 4)
        rows.append(
            dict(
                one=float(one),
                two=float(two),
                ratio=round(float(two / one), 2),
                largest_difference=max(abs(x - y) for x, y in zip(a, b)),
            )
        )
    model, _ = load_model(tmp / 'model', device='cpu')
    keep(
        'processes',
        dict(
            threads=1,
            samples_per_s=rows,
            ratio=max(r['ratio'] for r in rows),
            global_batch=8,
            trained_parameters=sum(p.numel() for n, p in model.named_parameters() if 'vision_tower' not in n),
        ),
    )


def one_memory(tmp, side):
    import resource

    tmp = Path(tmp)
    cfg = FinetuneCfg(
        model=str(tmp / 'model'),
        data=str(tmp / 'data'),
        out=str(tmp / side),
        cache_dir=str(tmp / 'features'),
        batch=BATCH,
        max_steps=2,
        frames=14,
        workers=-1,
        lr=1e-5,
        cache='disk',
        device='cpu',
        quiet=True,
    )
    load_model(cfg.model, device='cpu')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if side == 'stock':
        stock(cfg, steps=2)
    else:
        ours(cfg)
    print(
        json.dumps(
            dict(
                before_gb=round(before / 1e6, 3),
                peak_gb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
            )
        )
    )


def memory(tmp):
    make_data(tmp / 'data', 8, 4, words=70)
    make_model(tmp / 'model', vocab=32000)
    rows = {}
    for side in ('stock', 'ours'):
        r = subprocess.run(
            [sys.executable, __file__, 'one_memory', str(tmp), side],
            capture_output=True,
            text=True,
            env=dict(os.environ, OMP_NUM_THREADS=str(THREADS)),
        )
        if r.returncode:
            raise SystemExit(r.stderr[-3000:])
        rows[side] = json.loads(r.stdout.splitlines()[-1])
    data = RecordData(
        [json.loads(line) for line in open(tmp / 'data/records/train.jsonl')],
        LlavaCaptioner(*load_model(tmp / 'model', device='cpu')),
        FinetuneCfg(frames=14),
    )
    keep(
        'memory',
        dict(
            rows,
            ratio=round(rows['ours']['peak_gb'] / rows['stock']['peak_gb'], 3),
            tokens=int(np.mean([len(data[i].plan.input_ids) for i in range(8)])),
            batch=BATCH,
            vocabulary=32000,
        ),
    )


def first(tmp, n=20_000):
    make_data(tmp / 'data', n, 32)
    make_model(tmp / 'model')
    cfg = partial(
        FinetuneCfg,
        model=str(tmp / 'model'),
        data=str(tmp / 'data'),
        batch=BATCH,
        lr=1e-5,
        workers=WORKERS,
        max_steps=1,
        device='cpu',
        quiet=True,
    )
    t = time.perf_counter()
    mine = ours(cfg(out=str(tmp / 'first'), cache='disk', cache_dir=str(tmp / 'first-features')))[0][1] - t
    t = time.perf_counter()
    base = stock(cfg(), steps=1)[0][1] - t
    keep(
        'first', dict(records=n, ours_seconds=round(mine, 2), stock_seconds=round(base, 2), ratio=round(mine / base, 2))
    )


def order(tmp):
    rows, rng = {}, np.random.default_rng(0)
    model, tok = load_model('nano', device='cpu')
    write_video(tmp / '0.mp4', np.zeros((4, 64, 64, 3), np.uint8))
    bank, x = (
        DiskBank(model, tmp, tmp / 'features'),
        torch.zeros(8, model.tokens_per_frame, model.config.vision_config.hidden_size),
    )
    there = 0
    for n in (1000, 10_000, 100_000):
        lens = rng.integers(100, 1500, n).tolist()
        t = time.perf_counter()
        list(Order(lens, 32, lambda: 0))
        a = time.perf_counter() - t
        recs = [
            dict(
                id=f'v{i}/caption/1',
                video=f'{i}.mp4',
                task='caption',
                shots=[[0, 100]],
                fps=25,
                asr=['hello there'],
                conversations=[
                    {'from': 'human', 'value': '<image>'},
                    {'from': 'gpt', 'value': 'a red circle moves left'},
                ],
            )
            for i in range(n)
        ]
        t = time.perf_counter()
        RecordData(recs, LlavaCaptioner(model, tok, 'nano'), FinetuneCfg())
        b = time.perf_counter() - t
        # features that earlier epochs left, written without waiting for the disk
        for i in range(there, n):
            p = bank.path('0.mp4', (i,))
            p.parent.mkdir(parents=True, exist_ok=True)
            save_file({'x': x}, p)
        there = n + 500
        t = time.perf_counter()
        [bank.store('0.mp4', (i,), x) for i in range(n, there)]
        c = time.perf_counter() - t
        t = time.perf_counter()
        [bank.load('0.mp4', (int(i),)) for i in rng.integers(0, n, 2000)]
        d = time.perf_counter() - t
        rows[n] = dict(
            order_us=round(a / n * 1e6, 2),
            data_us=round(b / n * 1e6, 2),
            cache_store_us=round(c / 500 * 1e6),
            cache_load_us=round(d / 2000 * 1e6),
        )
    keep('order', dict(microseconds_a_record=rows))


if __name__ == '__main__':
    torch.set_num_threads(THREADS)
    if sys.argv[1:2] == ['one_memory']:
        one_memory(*sys.argv[2:])
    else:
        for what in sys.argv[1:] or ('speed', 'memory', 'processes', 'first', 'order'):
            globals()[what](Path(tempfile.mkdtemp()))
