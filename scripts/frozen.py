"""What a rebuilding of the code must not change: signatures, help texts, the bytes of a sample run, seeded losses.

python scripts/frozen.py --write    # remember them in scripts/frozen.json
python scripts/frozen.py            # compare: prints each difference, exit code 1 if there is one
"""

import argparse
import hashlib
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / 'scripts' / 'frozen.json'
COMMANDS = 'download split convert finetune evaluate score compare caption describe demo'.split()
# What DESIGN promises to the outside
PUBLIC = {
    'video': ['probe', 'read_frames', 'sample_idxs', 'VideoInfo'],
    'split': ['detect_shots', 'write_clips', 'Shot'],
    'convert': ['convert', 'prompt'],
    'model': ['load_model'],
    'finetune': ['FinetuneCfg', 'finetune'],
    'evaluate': ['EvaluateCfg', 'predict', 'score', 'evaluate'],
    'caption': ['caption_video', 'CaptionCfg'],
}
RUN = [
    'shotluck-download --dataset sample --limit 4',
    'shotluck-split --write --compare',
    'shotluck-convert --report --format llava,messages',
    'shotluck-finetune --views 2 --concat 3 --drop_words .15 --batch 8 --optim muon --lr 3e-3 --max_steps 6'
    ' --device cpu --limit 60 --save_steps 3 --eval_steps 3 --eval_records 4 --out runs/mine',
    'shotluck-finetune --llm lora --batch 4 --max_steps 3 --device cpu --limit 20 --out runs/lora',
    'shotluck-evaluate --model runs/mine --out runs/mine/test --controls blank,other --baselines all --device cpu'
    ' --limit 40 --draws 50',
    'shotluck-evaluate --model runs/lora --out runs/lora/test --device cpu --limit 10 --draws 50',
    'shotluck-compare runs/mine/test runs/lora/test --published',
    'shotluck-caption data/raw/videos/sintel_trailer_360p.mp4 --model runs/mine --format html,json,srt,vtt,md,csv'
    ' --device cpu --out told',
    'shotluck-describe nano',
    'shotluck-finetune --model 1.5b --pool 3 --dtype float16 --estimate --gpus 8 --gpu a100',
]


def signatures():
    found = {}
    for module, names in PUBLIC.items():
        loaded = importlib.import_module(f'shotluck.{module}')
        for name in names:
            found[f'{module}.{name}'] = str(inspect.signature(getattr(loaded, name)))
    return found


def run(command, folder):
    environment = {
        **os.environ,
        'HF_HUB_OFFLINE': '1',
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': str(ROOT),
        'COLUMNS': '120',
    }
    environment['PYTHONWARNINGS'] = 'ignore'
    done = subprocess.run(command.split(), cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'{command}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}')
    return done.stdout


def without_speed(path):
    "The bytes of a file, without what tells seconds and memory"
    if path.name == 'metrics.csv':
        table = pd.read_csv(path)
        return table[[c for c in table if not c.endswith(('_per_s', 'peak_gb', 'seconds'))]].to_csv(index=False)
    return path.read_bytes()


def digest(content):
    if isinstance(content, str):
        content = content.encode()
    return hashlib.sha256(content).hexdigest()[:16]


def sample_run():
    said, files = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for command in RUN:
            said[command] = re.sub(r'\S*/tmp/\S+?(/data|/runs|/told)', r'\1', run(command, folder)).splitlines()
        for path in sorted(Path(folder).rglob('*')):
            name = str(path.relative_to(folder))
            if path.is_file() and not any(part.startswith('.') for part in Path(name).parts):
                files[name] = digest(without_speed(path))
        losses = {
            p: pd.read_csv(Path(folder, p, 'metrics.csv')).loss.map(repr).tolist() for p in ('runs/mine', 'runs/lora')
        }
    return dict(said=said, files=files, losses=losses)


def now():
    with tempfile.TemporaryDirectory() as folder:
        helps = {name: run(f'shotluck-{name} --help', folder).splitlines() for name in COMMANDS}
    return dict(signatures=signatures(), helps=helps, **sample_run())


def differences(before, after):
    for part, was in before.items():
        for name in sorted({*was, *after[part]}):
            old, new = was.get(name), after[part].get(name)
            if old != new:
                if isinstance(old, list) and isinstance(new, list):
                    lines = [f'  - {line}' for line in old if line not in new] + [
                        f'  + {line}' for line in new if line not in old
                    ]
                    yield '\n'.join([f'{part}: {name}', *lines])
                else:
                    yield f'{part}: {name}: {old} -> {new}'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--write', action='store_true', help='remember what is now')
    args = parser.parse_args()
    found = now()
    if args.write:
        KEPT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + '\n', encoding='utf-8')
        print(f"{len(found['files'])} files, {len(found['helps'])} helps, {len(found['signatures'])} signatures")
        return 0
    changed = list(differences(json.loads(KEPT.read_text(encoding='utf-8')), found))
    print('\n'.join(changed) or 'nothing differs')
    return int(bool(changed))


if __name__ == '__main__':
    sys.exit(main())
