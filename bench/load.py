"Memory and time to load made checkpoints of more than 2 GB: python bench/load.py"

import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from machine import machine

root = Path(__file__).resolve().parent.parent
fixture = root / 'nbs' / 'fixtures' / 'tinyllava' / 'phi' / 'bczhou'


def make(folder, kind):
    "TinyLLaVA's format at about 1.05 billion parameters in bfloat16, shards of 500 MB; the tokenizer is a fixture's"
    import torch
    from safetensors.torch import save_file

    from shotluck.cost import SIGLIP
    from shotluck.files import write_json
    from shotluck.llava_checks import meta_model
    from shotluck.text import read_json
    from shotluck.tinyllava import make_config_of

    home, tower = folder / 'LM', folder / 'LM-SigLIP'
    shutil.copytree(fixture / 'TinyLLaVA-3.1B', home, ignore=shutil.ignore_patterns('*.safetensors*'))
    tower.mkdir()
    conf = read_json(home / 'config.json') | dict(
        hidden_size=2560,
        intermediate_size=10240,
        num_hidden_layers=5,
        num_attention_heads=32,
        num_key_value_heads=32,
        vocab_size=51200,
        mm_hidden_size=1152,
        mm_vision_tower='LM-SigLIP',
    )
    write_json(home / 'config.json', conf)
    write_json(tower / 'config.json', SIGLIP)
    model = meta_model(make_config_of(conf, SIGLIP, 327))
    names = {
        'model.language_model.': 'model.',
        'model.multi_modal_projector.linear_1': 'model.mm_projector.0',
        'model.multi_modal_projector.linear_2': 'model.mm_projector.2',
        'model.vision_tower.': 'vision_model.',
    }
    parts, size, index = [{}], 0, {}
    for k, p in model.named_parameters():
        new = next((b + k[len(a) :] for a, b in names.items() if k.startswith(a)), k)
        parts[0 if new.startswith('vision_model') else -1][new] = tuple(p.shape)
        if not new.startswith('vision_model'):
            size += 2 * p.numel()
        if size > 500e6 or (new.startswith('vision_model') and len(parts) == 1):
            parts.append({})
            size = 0
    tower_part = {k: s for part in parts for k, s in part.items() if k.startswith('vision_model')}
    save_file(
        {k: torch.full(s, 0.01, dtype=torch.bfloat16) for k, s in tower_part.items()}, tower / 'model.safetensors'
    )
    ext = 'safetensors' if kind == 'safetensors' else 'bin'
    stem = 'model' if kind == 'safetensors' else 'pytorch_model'
    for i, part in enumerate(
        p for p in ({k: s for k, s in part.items() if k not in tower_part} for part in parts) if p
    ):
        name = f'{stem}-{i:05}.{ext}'
        w = {k: torch.full(s, 0.01, dtype=torch.bfloat16) for k, s in part.items()}
        save_file(w, home / name) if ext == 'safetensors' else torch.save(w, home / name)
        index |= {k: name for k in part}
    write_json(home / f'{stem}.{ext}.index.json', dict(weight_map=index))
    return home


def status():
    return {
        k: int(v.split()[0]) * 1024
        for k, v in (line.split(':', 1) for line in open('/proc/self/status'))
        if k in ('RssAnon', 'RssFile')
    }


def load(folder, dtype):
    "In this process: the peak of anonymous memory and of mapped files above that after imports"
    import torch

    import shotluck.tinyllava
    from shotluck.model import load_model

    gc.collect()
    base = status()
    most = dict(base)
    on = [True]

    def watch():
        while on:
            for k, v in status().items():
                most[k] = max(most[k], v)
            time.sleep(0.002)

    t = threading.Thread(target=watch, daemon=True)
    t.start()
    start = time.time()
    model, _ = load_model(folder, dtype=dtype, device='cpu')
    seconds = time.time() - start
    on.clear()
    t.join()
    size = sum(x.numel() * x.element_size() for x in [*model.parameters(), *model.buffers()])
    anon = most['RssAnon'] - base['RssAnon']
    return dict(
        dtype=dtype,
        model_gb=round(size / 1e9, 3),
        peak_anonymous_gb=round(anon / 1e9, 3),
        ratio=round(anon / size, 3),
        peak_mapped_gb=round((most['RssFile'] - base['RssFile']) / 1e9, 3),
        seconds=round(seconds, 1),
    )


def main():
    if len(sys.argv) > 1:
        return print(json.dumps(load(*sys.argv[1:])))
    rows = []
    for kind in ('safetensors', 'bin'):
        tmp = Path(tempfile.mkdtemp())
        try:
            home = make(tmp, kind)
            gb = sum(f.stat().st_size for f in tmp.rglob('*') if f.is_file()) / 1e9
            for dtype in ('bfloat16', 'float32') if kind == 'safetensors' else ('bfloat16',):
                out = subprocess.run(
                    [sys.executable, __file__, str(home), dtype], stdout=subprocess.PIPE, check=True, text=True
                ).stdout
                rows.append(
                    dict(
                        files=kind,
                        shards=len(list(home.glob('*.safetensors'))) or len(list(home.glob('*.bin'))),
                        disk_gb=round(gb, 3),
                        **json.loads(out.splitlines()[-1]),
                    )
                )
                print(rows[-1], flush=True)
        finally:
            shutil.rmtree(tmp)
    bad = [r for r in rows if r['ratio'] > 1.3 or r['model_gb'] < 2]
    (root / 'bench' / 'load.json').write_text(json.dumps(dict(machine(), rows=rows), indent=1) + '\n')
    sys.exit(bool(bad))


main()
