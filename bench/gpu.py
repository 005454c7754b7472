"""What a machine with a GPU does: is it right, how fast, in how much memory; a row for each part, failures too

    python bench/gpu.py                        # all parts -> bench/gpu.json
    python bench/gpu.py families train         # some of them
    python bench/gpu.py --device cpu --small   # the same code with small sizes, where there is no GPU

Needs torch and what `bench/gpu_site.sh` collects; no network. Each part is a process of its own with an end.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from fastcore.script import Param, call_parse
from finetune import make_data
from machine import machine, root, versions

from shotluck.batches import RecordData
from shotluck.checkpoint import save_model
from shotluck.configs import EvaluateCfg, FinetuneCfg
from shotluck.convert import convert
from shotluck.cost import flops, load_config, memory
from shotluck.decoding import decode_in_worker
from shotluck.feature_bank import FrameBank
from shotluck.features import Pixels
from shotluck.files import write_json
from shotluck.finetune import finetune
from shotluck.llava import VideoLlava, generate, make_config
from shotluck.llava_captioner import LlavaCaptioner
from shotluck.model import load_model
from shotluck.predict import predict
from shotluck.shapes import make_shapes
from shotluck.split import split
from shotluck.text import read_json, read_jsonl

RESULT = Path(__file__).with_suffix('.json')
HALVES = ('bfloat16', 'float16')
NOTEBOOKS = (
    '22_device 22_llava 23_tinyllava 26_model 27_features 28_predict 29_cost 29_estimate 30_batches 30_muon'
    ' 31_trainer 33_nano 52_results'
)


def synchronized(run) -> float:  # Seconds that `run` takes, with all that it started on the GPU
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    start = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - start


def median_seconds(run, times: int = 10) -> float:
    run()
    return float(np.median([synchronized(run) for _ in range(times)]))


def shapes_data(folder: Path, train: int, test: int):
    make_shapes(folder, train, 0, test, 4711, quiet=True)
    raw = folder / 'raw'
    split(raw / 'annotations', raw / 'videos', folder / 'shots.jsonl', quiet=True)
    convert(raw / 'annotations', raw / 'videos', folder, folder / 'shots.jsonl')


def real_size(at: SimpleNamespace, dtype=torch.bfloat16) -> Path:  # A checkpoint of 1.5b's size with random weights
    folder = Path(tempfile.gettempdir()) / f'shotluck-random-{"small" if at.small else "1.5b"}'
    if (folder / 'config.json').exists():
        return folder
    _, tokenizer = load_model('nano', device='cpu')
    real = load_config('1.5b', 3)
    if at.small:
        vision = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4)
        text = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4)
        image = dict(image_size=126, patch_size=14)
    else:
        names = ('hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads')
        vision = {name: getattr(real.vision_config, name) for name in names}
        text = {name: getattr(real.text_config, name) for name in (*names, 'num_key_value_heads')}
        image = dict(image_size=384, patch_size=14)
    words = dict(
        vocab_size=real.text_config.vocab_size,
        max_position_embeddings=real.text_config.max_position_embeddings,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    image_token = tokenizer.convert_tokens_to_ids('<image>')
    config = make_config(vision | image, text | words | dict(tie_word_embeddings=False), image_token, pool=3)
    config.words = len(tokenizer)
    torch.manual_seed(0)
    with torch.device(at.device):
        model = VideoLlava(config).to(dtype)
    save_model(model.cpu(), tokenizer, folder)
    return folder


def roof(at):
    "What the device can do at most: products of matrices, copies, both by torch"
    n = 256 if at.small else 8192
    out = {}
    for name in ('float32', 'bfloat16', 'float16'):
        a, b = (torch.randn(n, n, device=at.device, dtype=getattr(torch, name)) for _ in range(2))
        out[f'{name}_tflops'] = round(2 * n**3 / median_seconds(lambda a=a, b=b: a @ b) / 1e12, 1)
    x = torch.randn(n * n * 4, device=at.device)
    out['copy_gb_per_s'] = round(2 * x.numel() * 4 / median_seconds(x.clone) / 1e9)
    return out


def families(at):
    "Each tiny family of TinyLLaVA: logits and greedy answers on the CPU in float32, and on the device"
    rows = {}
    for home in sorted((root / 'nbs' / 'fixtures' / 'tinyllava').glob('*/bczhou/*[0-9]B')):
        row = rows[home.parents[1].name] = {}
        exact = None
        for device, dtype in [('cpu', 'float32'), (at.device, 'float32'), *((at.device, half) for half in HALVES)]:
            model, tokenizer = load_model(home, device=device, dtype=dtype)
            side = model.config.vision_config.image_size
            frames = np.random.default_rng(0).integers(0, 256, (4, side, side, 3), np.uint8)
            image = [model.config.image_token_id] * model.tokens_per_frame * len(frames)
            words = tokenizer('what happens in these frames?').input_ids
            ids = torch.tensor([words[:3] + image + words[3:]], device=device)
            batch = dict(input_ids=ids, attention_mask=torch.ones_like(ids))
            features = model.see(frames).to(device, model.dtype)
            with torch.no_grad():
                logits = model(**batch, image_features=features).logits.float().cpu()
            text = generate(model, tokenizer, batch, features, 24)
            if exact is None:
                exact = logits, text
                continue
            difference = (logits - exact[0]).norm() / exact[0].norm()
            at.keep(rows)
            row[dtype] = dict(relative_difference=float(f'{difference:.2g}'), same_answer=text == exact[1])
    return rows


def answers(at):
    "The bundled model on test videos of the shapes: answers that equal those of float32 on the CPU, under two controls"
    data = Path(tempfile.mkdtemp())
    shapes_data(data, 1, 4 if at.small else 40)
    records = read_jsonl(data / 'records' / 'test.jsonl')
    exact, rows = {}, dict(records=len(records))
    for device, dtype in [('cpu', 'float32'), (at.device, 'float32'), *((at.device, half) for half in HALVES)]:
        model, tokenizer = load_model('nano', device=device, dtype=dtype)
        bank = FrameBank(model, data / 'raw/videos')
        row = {}
        for control in ('none', 'other', 'blank'):
            cfg = EvaluateCfg(quiet=True, control=control)
            said = {}
            seconds = synchronized(
                lambda cfg=cfg, said=said: said.update(
                    predict(LlavaCaptioner(model, tokenizer), records, data / 'raw/videos', cfg, bank=bank)
                )
            )
            exact.setdefault(control, said)
            row[control] = dict(
                same=sum(said[id] == text for id, text in exact[control].items()), seconds=round(seconds, 2)
            )
        rows[f"{device} {dtype}"] = row
        at.keep(rows)
    return rows


def train(at):
    "Losses of the bundled model's further training: against float32 on the CPU, in every way that there is"
    data = Path(tempfile.mkdtemp())
    shapes_data(data, 4 if at.small else 24, 0)
    steps = 6 if at.small else 20

    def losses(name, **changes):
        out = data / 'runs' / name.replace(' ', '-')
        settings = dict(data=str(data), out=str(out), batch=4, max_steps=steps, epochs=99, lr=1e-3, device=at.device)
        cfg = FinetuneCfg(**(settings | dict(quiet=True, workers=2) | changes))
        finetune(cfg)
        return pd.read_csv(out / 'metrics.csv').loss.tolist()

    exact = losses('cpu', device='cpu', dtype='float32')
    rows = dict(exact=[round(value, 4) for value in exact])
    ways = {
        'float32': {},
        'float32 again': {},
        'float32 features on disk': dict(cache='disk'),
        'float32 pixels': dict(cache='off'),
        'float32 checkpointing': dict(checkpointing=True),
        'float32 logits everywhere': dict(full_logits=True),
        'bfloat16': {},
        'bfloat16 pixels': dict(cache='off'),
        'bfloat16 tower trained': dict(tower_lr=1e-4),
        'bfloat16 muon': dict(optim='muon'),
        'bfloat16 LoRA': dict(llm='lora', lora_r=8),
        'float16': {},
        'float16 LoRA': dict(llm='lora', lora_r=8),
    }
    for name, changes in ways.items():
        at.keep(rows)
        dtype = name.split()[0]
        if at.device == 'cpu' and dtype == 'float16':
            continue
        try:
            mine = losses(name, dtype=dtype, **changes)
        except Exception as e:
            rows[name] = dict(failed=f'{type(e).__name__}: {e}'[:500])
            continue
        rows[name] = dict(
            first=round(mine[0], 4),
            last=round(mine[-1], 4),
            largest_difference=float(f'{max(abs(a - b) for a, b in zip(exact, mine)):.2g}'),
        )
    rows['resumed'] = resumed(losses, data, steps)
    return rows


def resumed(losses, data: Path, steps: int) -> dict:  # A run that goes on from its middle says the same losses
    rows = {}
    for dtype, changes in {'float32': {}, 'bfloat16': dict(llm='lora')}.items():
        kw = dict(dtype=dtype, save_steps=steps // 2, **changes)
        whole = losses(f'resumed {dtype}', **kw)
        last = data / 'runs' / f'resumed-{dtype}' / 'steps' / f'checkpoint-{steps // 2 * 2}'
        subprocess.run(['rm', '-r', str(last)], check=True)
        again = losses(f'resumed {dtype}', **kw)
        rows[dtype] = dict(largest_difference=max(abs(a - b) for a, b in zip(whole, again)), steps=len(again))
    return rows


def synchronizations(at):
    "Places where the processor waits for the GPU, counted over ten steps of training and one batch of answers"
    if at.device == 'cpu':
        return dict(left_out='a CPU does not wait for itself')
    data = Path(tempfile.mkdtemp())
    shapes_data(data, 16, 8)
    found = {}

    def counted(name, run):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            torch.cuda.set_sync_debug_mode('warn')
            try:
                run()
            finally:
                torch.cuda.set_sync_debug_mode('default')
        places = Counter(f'{Path(w.filename).name}:{w.lineno}' for w in caught if 'synchroniz' in str(w.message))
        found[name] = dict(places.most_common(12))

    settings = dict(data=str(data), out=str(data / 'run'), batch=4, max_steps=10, epochs=99, device=at.device)
    counted('ten steps', lambda: finetune(FinetuneCfg(**settings, quiet=True)))
    model, tokenizer = load_model('nano', device=at.device)
    records = read_jsonl(data / 'records' / 'test.jsonl')
    counted(
        'answers',
        lambda: predict(LlavaCaptioner(model, tokenizer), records, data / 'raw/videos', EvaluateCfg(quiet=True)),
    )
    return found


def spread(at):
    "Training by torchrun on one process: plain, FSDP2, ZeRO-2 and ZeRO-3, against a run without it"
    data = Path(tempfile.mkdtemp())
    shapes_data(data, 8, 0)
    half = 'float32' if at.device == 'cpu' else 'bfloat16'
    rows, exact = {}, None
    ways = {
        'alone': (),
        'DDP': (),
        'FSDP2': ('--fsdp',),
        'ZeRO-2': ('--deepspeed', 'scripts/zero2.json'),
        'ZeRO-3': ('--deepspeed', 'scripts/zero3.json'),
        'FSDP2 LoRA': ('--fsdp', '--llm', 'lora'),
    }
    if at.device == 'cpu':
        ways = {name: ways[name] for name in ('alone', 'DDP', 'FSDP2')}
    for name, flags in ways.items():
        at.keep(rows)
        out = data / name.replace(' ', '-')
        launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '1'] if name != 'alone' else []
        command = [sys.executable, *launcher, 'scripts/train.py', '--data', str(data), '--out', str(out)]
        command += '--batch 4 --max_steps 8 --epochs 99 --lr 1e-3 --quiet --save_steps 4'.split()
        command += ['--device', at.device, '--dtype', half, *flags]
        run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=200)
        if run.returncode:
            rows[name] = dict(failed=(run.stderr or run.stdout)[-700:])
            continue
        mine = pd.read_csv(out / 'metrics.csv').loss.tolist()
        exact = exact or mine
        model, _ = load_model(out, device='cpu')
        rows[name] = dict(
            largest_difference=float(f'{max(abs(a - b) for a, b in zip(exact, mine)):.2g}'),
            last=round(mine[-1], 4),
            loads=sum(p.numel() for p in model.parameters()),
        )
    return rows


def qlora(at):
    "4-bit weights under LoRA: losses beside those of LoRA, and what loads afterwards"
    if at.device == 'cpu':
        return dict(left_out='QLoRA needs a GPU')
    data, rows = Path(tempfile.mkdtemp()), {}
    shapes_data(data, 8, 0)
    for way in ('lora', 'qlora'):
        out = data / way
        settings = dict(data=str(data), out=str(out), batch=4, max_steps=20, epochs=99, lr=1e-3, device=at.device)
        finetune(FinetuneCfg(**settings, llm=way, dtype='bfloat16', quiet=True))
        losses = pd.read_csv(out / 'metrics.csv').loss
        load_model(out / 'adapter', device=at.device)
        rows[way] = dict(first=round(losses.iloc[0], 4), last=round(losses.iloc[-1], 4))
    return rows


def notebooks(at):
    "The tests of the notebooks of models and training, where `auto` is this device"
    names = NOTEBOOKS.split()[: 2 if at.small else None]

    def test(name):
        code = f"from pathlib import Path; from nbdev.test import test_nb; print(test_nb(Path('nbs/{name}.ipynb'), ['gpu', 'net', 'slow'], basepath=Path('.')))"
        env = dict(os.environ, OMP_NUM_THREADS='2', HF_HUB_OFFLINE='1', PYTHONWARNINGS='ignore')
        run = subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True, env=env)
        passed = '(True,' in run.stdout.replace('[', '(')
        return 'passed' if passed else ' … '.join((run.stdout + run.stderr).strip().splitlines()[-12:])[-1200:]

    with ThreadPoolExecutor(2 if at.small else 6) as pool:
        return dict(zip(names, pool.map(test, names)))


def make_long_data(at) -> Path:
    folder = Path(tempfile.gettempdir()) / f'shotluck-long-{"small" if at.small else "real"}'
    if not (folder / 'records').exists():
        make_data(folder, 16 if at.small else 160, 4 if at.small else 16, seconds=4, words=60, shots=4)
    return folder


def speed(at):
    "Training of a random model of 1.5b's size, 8 frames of 81 tokens: samples/s, FLOP utilisation, memory"
    model, data = real_size(at), make_long_data(at)
    config = load_config(model)
    peak = at.row('roof').get('bfloat16_tflops')
    steps, half = (12, 'float32') if at.small else (30, 'bfloat16')
    ways = {
        'full, features': dict(cache='memory'),
        'LoRA, features': dict(cache='memory', llm='lora'),
        'LoRA, pixels': dict(cache='off', llm='lora'),
        'full, pixels': dict(cache='off'),
        'full, features, checkpointing': dict(cache='memory', checkpointing=True),
    }
    loaded, tokenizer = load_model(model, device='cpu', dtype='bfloat16')
    sample = RecordData(
        read_jsonl(data / 'records/train.jsonl'), LlavaCaptioner(loaded, tokenizer), FinetuneCfg(frames=8)
    )
    items = [sample[i] for i in range(16)]
    images = 8 * loaded.tokens_per_frame
    tokens = float(np.mean([len(item.plan.input_ids) for item in items]))
    answer = float(np.mean([sum(label != -100 for label in item.plan.labels) for item in items]))
    size = dict(frames=8, text=round(tokens - images - answer), answer=round(answer))
    rows = dict(size)
    del loaded
    for name, changes in ways.items():
        at.keep(rows)
        out = Path(tempfile.mkdtemp())
        settings = dict(model=str(model), data=str(data), out=str(out), batch=8, max_steps=steps, epochs=99, frames=8)
        settings |= dict(lr=1e-5, device=at.device, dtype=half, log_steps=5, quiet=True, drop_speech=0)
        try:
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            began = time.perf_counter()
            finetune(FinetuneCfg(**settings, **changes))
            took = time.perf_counter() - began
        except Exception as e:
            rows[name] = dict(failed=f'{type(e).__name__}: {e}'[:500])
            continue
        table = pd.read_csv(out / 'metrics.csv')
        per_second = float(table.samples_per_s.iloc[2:].median())
        kw = dict(cached=changes['cache'] == 'memory', checkpointing=changes.get('checkpointing', False))
        kw['lora'] = FinetuneCfg().lora_r if 'llm' in changes else 0
        each = flops(config, **size, train=True, **(kw | dict(checkpointing=False)))['total']
        expected = memory(config, **size, batch=8, train=True, dtype='bfloat16', **kw)
        rows[name] = dict(
            samples_per_s=round(per_second, 2),
            tflop_a_sample=round(each / 1e12, 3),
            tflops=round(each * per_second / 1e12, 1),
            utilisation=round(each * per_second / 1e12 / peak, 3) if peak else None,
            peak_gb=float(table.peak_gb.iloc[-1]),
            described_gb=round(expected['total'] / 1e9, 2),
            seconds_of_the_run=round(took, 1),
            loss=[round(float(table.loss.iloc[0]), 3), round(float(table.loss.iloc[-1]), 3)],
        )
        subprocess.run(['rm', '-r', str(out)])
    return rows


def decode(at):
    "Seconds of one core for the frames of a record, alone and on all cores: how many cores a GPU needs"
    data = make_long_data(at)
    jobs = [(f'{v}.mp4', list(range(v, 96, 12))) for v in range(4)] * (1 if at.small else 4)
    one = synchronized(lambda: [decode_in_worker(data / 'raw/videos', 384, job) for job in jobs]) / len(jobs)
    return dict(seconds_a_record=round(one, 4), records_per_s_and_core=round(1 / one, 1), cores=os.cpu_count())


def captions(at):
    "Answers of 64 tokens by the random model of 1.5b's size: the tower, reading the prompt, and writing"
    model, tokenizer = load_model(real_size(at), device=at.device, dtype='bfloat16')
    model.generation_config.eos_token_id = None  # every answer takes all its tokens
    copy_rate = at.row('roof').get('copy_gb_per_s')
    side, weights = model.config.vision_config.image_size, sum(p.numel() * 2 for p in model.parameters())
    length = 8 if at.small else 64
    frames = np.random.default_rng(0).integers(0, 256, (8, side, side, 3), np.uint8)
    rows = dict(tower_frames_per_s=round(8 / median_seconds(lambda: model.see(frames), 5), 1))
    image = [model.config.image_token_id] * model.tokens_per_frame
    for size in (1, 8) if at.small else (1, 8, 32, 128):
        ids = torch.tensor([[1, *(image * 8), *range(5, 25)]] * size, device=at.device)
        batch = dict(input_ids=ids, attention_mask=torch.ones_like(ids))
        features = torch.randn(size * 8, model.tokens_per_frame, model.config.vision_config.hidden_size)
        features = features.to(at.device, model.dtype)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        reading = median_seconds(lambda: generate(model, tokenizer, batch, features, 1), 3)
        seconds = median_seconds(lambda: generate(model, tokenizer, batch, features, length), 3)
        step = (seconds - reading) / (length - 1)
        expected = memory(model.config, 8, 21, length, size, dtype='bfloat16', cached=True)
        rows[f'batch {size}'] = dict(
            captions_per_s=round(size / seconds, 2),
            prompt_ms=round(reading * 1e3, 1),
            token_ms=round(step * 1e3, 2),
            weights_alone_ms=round(weights / copy_rate / 1e6, 2) if copy_rate else None,
            peak_gb=round(torch.cuda.max_memory_allocated() / 1e9, 2) if torch.cuda.is_available() else None,
            described_gb=round(expected['total'] / 1e9, 2),
        )
    return rows


def compiled(at):
    "torch.compile of the layers in a training step, and a static cache in writing, beside what is used"
    model, tokenizer = load_model(real_size(at), device=at.device, dtype='bfloat16')
    language = model.model.language_model
    size, length = (2, 8) if at.small else (8, 64)
    x = torch.randn(size, 64 if at.small else 768, model.config.text_config.hidden_size)
    x = x.to(at.device, model.dtype)

    def step(module):
        module(inputs_embeds=x, use_cache=False).last_hidden_state.float().square().mean().backward()

    rows = {}
    rows['step_ms'] = round(median_seconds(lambda: step(language), 5) * 1e3, 1)
    faster = torch.compile(language)
    rows['compile_s'] = round(synchronized(lambda: step(faster)), 1)
    rows['compiled_step_ms'] = round(median_seconds(lambda: step(faster), 5) * 1e3, 1)
    at.keep(rows)
    language.zero_grad()
    ids = torch.ones(size, 700, dtype=torch.long, device=at.device)
    mask = torch.ones_like(ids)
    embeds = model.get_input_embeddings()(ids).detach()
    kw = dict(inputs_embeds=embeds, attention_mask=mask, max_new_tokens=length, min_new_tokens=length, do_sample=False)
    kw['pad_token_id'] = 0
    torch.set_grad_enabled(False)
    rows['ours_s'] = round(
        median_seconds(lambda: generate(model, tokenizer, dict(input_ids=ids, attention_mask=mask), None, length), 3), 3
    )
    rows['stock_s'] = round(median_seconds(lambda: model.generate(**kw), 2), 3)
    static = dict(kw, cache_implementation='static')
    rows['static_first_s'] = round(synchronized(lambda: model.generate(**static)), 1)
    rows['static_s'] = round(median_seconds(lambda: model.generate(**static), 2), 3)
    return rows


# name -> (function, seconds it may take, may others run beside it?)
PARTS = dict(
    roof=(roof, 60, False),
    families=(families, 120, True),
    answers=(answers, 150, True),
    train=(train, 170, True),
    synchronizations=(synchronizations, 120, True),
    spread=(spread, 220, True),
    qlora=(qlora, 120, True),
    notebooks=(notebooks, 220, True),
    decode=(decode, 60, False),
    captions=(captions, 100, False),
    speed=(speed, 240, False),
    compiled=(compiled, 150, False),
)


def run_part(name: str, device: str, small: bool, out: Path) -> dict:  # In a process of its own
    function, limit, _ = PARTS[name]
    started = time.perf_counter()
    part = Path(tempfile.mkdtemp()) / 'row.json'
    command = [sys.executable, __file__, name, '--device', device, '--apart', '--out', str(part), '--rows', str(out)]
    try:
        run = subprocess.run(
            command + ['--small'] * small, capture_output=True, text=True, timeout=limit, cwd=Path(__file__).parent
        )
        row = read_json(part, missing={})
        if run.returncode:
            row = dict(row, failed=(run.stderr or run.stdout)[-1500:])
    except subprocess.TimeoutExpired:
        row = dict(read_json(part, missing={}), failed=f'took more than {limit} s')
    return dict(row, seconds=round(time.perf_counter() - started, 1))


def all_versions(device: str) -> dict:
    names = 'torch transformers tokenizers peft accelerate deepspeed bitsandbytes flash-attn av'
    found = dict(versions(*names.split()), cuda=torch.version.cuda)
    if device.startswith('cuda'):
        found['gpu'] = torch.cuda.get_device_name()
        found['gpu_gib'] = round(torch.cuda.get_device_properties(0).total_memory / 2**30, 1)
    return found


@call_parse
def main(
    parts: Param('Names of parts; none: all of them', str, opt=False, nargs='*') = None,
    device: str = 'cuda',  # cuda, cpu
    small: bool = False,  # Small sizes, for a trial of the code
    out: str = str(RESULT),  # Where the rows are put
    rows: str = '',  # For a part: where the rows of the others are
    apart: bool = False,  # Run one part in this process
):
    "Run the parts and write what was seen, after each of them"
    os.environ.update(HF_HUB_OFFLINE='1', TOKENIZERS_PARALLELISM='false')
    names = parts or list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if apart:
        known = read_json(Path(rows), missing={}) if rows else {}
        at = SimpleNamespace(
            device=device,
            small=small,
            row=lambda name: known.get('parts', {}).get(name, {}),
            keep=lambda row: write_json(Path(out), row),
        )
        at.keep(PARTS[names[0]][0](at))
        return
    out = Path(out)
    report = read_json(out, missing=dict(parts={}))
    report |= dict(machine(), versions=all_versions(device), small=small)

    def done(name, row):
        report['parts'][name] = row
        write_json(out, report)
        print(name, json.dumps(row), flush=True)

    beside = [name for name in names if PARTS[name][2]]
    if 'roof' in names:
        done('roof', run_part('roof', device, small, out))
    with ThreadPoolExecutor(1 if small else 7) as pool:
        for name, row in zip(beside, pool.map(lambda name: run_part(name, device, small, out), beside)):
            done(name, row)
    for name in names:
        if not PARTS[name][2] and name != 'roof':
            done(name, run_part(name, device, small, out))
