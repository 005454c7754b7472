"Compare what `shotluck-describe` says with what is so: python bench/describe.py [--case NAME]"

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch
from fastcore.script import call_parse
from machine import machine

tower = dict(
    model_type='siglip_vision_model',
    hidden_size=768,
    intermediate_size=3072,
    num_attention_heads=12,
    num_hidden_layers=7,
    image_size=224,
    patch_size=16,
    hidden_act='gelu_pytorch_tanh',
)
small = dict(
    mm_projector_type='mlp2x_gelu',
    mm_hidden_size=768,
    hidden_size=1024,
    num_attention_heads=16,
    num_key_value_heads=16,
    num_hidden_layers=8,
    intermediate_size=2816,
    max_position_embeddings=4096,
)
models = dict(
    llama=dict(small, model_type='tiny_llava', num_key_value_heads=4, vocab_size=32000),
    stablelm=dict(small, model_type='tiny_llava_stablelm', vocab_size=50000, rope_pct=0.25, use_qkv_bias=True),
    phi=dict(small, model_type='tiny_llava_phi', intermediate_size=4096, vocab_size=51200, partial_rotary_factor=0.5),
)
cases = dict(
    caption=dict(frames=16, batch=4),
    train=dict(train=True, frames=8, cached=True),
    checkpointed=dict(train=True, frames=16, batch=8, cached=True, checkpointing=True),
    batch=dict(train=True, frames=16, batch=4, cached=True),
    pixels=dict(train=True, frames=8, batch=2),
    accumulated=dict(train=True, frames=16, batch=4, cached=True, accumulate=2),
)


def anon(pid='self'):  # Bytes in memory that no file stands behind
    return next(int(line.split()[1]) * 1024 for line in open(f'/proc/{pid}/status') if line.startswith('RssAnon'))


class Peak:
    "The most anonymous memory in the block, above that at its start, looked at every 2 ms"

    def __enter__(self):
        gc.collect()
        self.start = self.most = anon()
        self.on = True
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while self.on:
            self.most = max(self.most, anon())
            time.sleep(0.002)

    def __exit__(self, *exc):
        self.on = False
        self.thread.join()
        self.bytes = self.most - self.start


def config_of(name):
    from shotluck.tinyllava import make_config_of

    return make_config_of(models[name], tower, models[name]['vocab_size'] - 1, 2)


def run(name, kind, text=200, answer=60):
    "One case, in this process: the bytes it took"
    from shotluck.llava import VideoLlava, generate

    config, case = config_of(name), cases[kind]
    B, T, N = case.get('batch', 1), case['frames'], 49
    ids = torch.tensor([[5] * text + [config.image_token_id] * T * N + [7] * answer * case.get('train', False)] * B)
    labels = torch.full_like(ids, -100)
    labels[:, -answer:] = 7
    px = torch.randint(0, 255, (B * T, 224, 224, 3), dtype=torch.uint8)

    class tok:
        pad_token_id = 0
        batch_decode = staticmethod(lambda ids, **kw: [''] * len(ids))

    # the libraries' own buffers
    x = torch.linspace(0, 1, 2048**2).view(2048, 2048)
    (x @ x).sum().item()
    del x
    with Peak() as peak:
        m = VideoLlava._from_config(config, dtype=torch.float32)
        m.generation_config.eos_token_id = None
        if not case.get('train'):
            m.eval()
            generate(m, tok, dict(input_ids=ids, attention_mask=torch.ones_like(ids)), m.see(px.numpy()), answer)
        else:
            from shotluck.llava import preprocess

            m.train()
            m.model.vision_tower.requires_grad_(False)
            if case.get('checkpointing'):
                m.gradient_checkpointing_enable()
                m.enable_input_require_grads()
            opt = torch.optim.AdamW([p for p in m.parameters() if p.requires_grad])
            feats = torch.randn(B * T, N, 768) if case.get('cached') else None
            for _ in range(2):
                for _ in range(case.get('accumulate', 1)):
                    see = dict(image_features=feats) if feats is not None else dict(pixel_values=preprocess(px, m))
                    m(input_ids=ids, labels=labels, **see).loss.backward()
                opt.step()
                opt.zero_grad()
    return peak.bytes


def row(name, kind, measured):
    "What was measured, beside the formula"
    from shotluck.cost import memory

    parts = memory(config_of(name), text=200, answer=60, **cases[kind])
    return dict(
        model=name,
        case=kind,
        **cases[kind],
        weights_mb=round(parts['weights'] / 1e6),
        formula_mb=round(parts['total'] / 1e6),
        measured_mb=measured,
        ratio=round(parts['total'] / 1e6 / measured, 3),
    )


@call_parse
def main(
    case: str = '',  # One case, as model/kind; else all of them; rows of others are kept, with the formula's new values
    inside: int = 0,  # Measure it in this process?
):
    from shotluck.files import write_json
    from shotluck.text import read_json

    if inside:
        return print(run(*case.split('/')))
    path = Path(__file__).with_suffix('.json')
    kept = {(r['model'], r['case']): r['measured_mb'] for r in read_json(path)['rows']} if path.exists() else {}
    # freed blocks go back, so that the peak is what was in use
    env = os.environ | dict(MALLOC_MMAP_THRESHOLD_='1048576', MALLOC_TRIM_THRESHOLD_='1048576')
    wanted = [case.split('/')] if case else []
    if not case:
        for model in models:
            wanted += [(model, k) for k in (cases if model == 'llama' else ('caption', 'train', 'batch'))]
    for model, k in wanted:
        out = subprocess.run(
            [sys.executable, __file__, '--case', f'{model}/{k}', '--inside', '1'],
            env=env,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        kept[model, k] = round(int(out.splitlines()[-1]) / 1e6)
    rows = [row(m, k, mb) for (m, k), mb in kept.items()]
    for r in rows:
        print(r['model'], r['case'], r['formula_mb'], r['measured_mb'], r['ratio'])
    write_json(path, dict(machine(), rows=rows))
    bad = [r for r in rows if not 0.85 <= r['ratio'] <= 1.15]
    sys.exit(f'{len(bad)} of {len(rows)} are more than 15 % off' if bad else 0)
