"""faster-whisper from a folder, without a network: python bench/whisper_folder.py   (needs the extra `asr`)

Makes a tiny Whisper with random weights in CTranslate2's format and lets it listen. What it hears is nonsense; that a folder loads offline, and that words come with times, is what is shown."""

import os
import sys
import tempfile

os.environ['HF_HUB_OFFLINE'] = '1'
from shotluck.torchvision_mend import TORCHVISION  # noqa: F401 I001  before transformers, which looks for it only once
from pathlib import Path
from unittest.mock import patch

import ctranslate2
import faster_whisper
import numpy as np
import tokenizers
import torch
from faster_whisper.tokenizer import _LANGUAGE_CODES
from machine import machine, root
from transformers import PreTrainedTokenizerFast, WhisperConfig, WhisperForConditionalGeneration

from shotluck.files import write_json
from shotluck.sentences import speech_of
from shotluck.speech_heard import transcribe, whisper
from shotluck.video import write_video

tmp = Path(tempfile.mkdtemp())
special = [
    '<|endoftext|>',
    '<|startoftranscript|>',
    *(f'<|{language}|>' for language in _LANGUAGE_CODES if language != 'yue'),
    '<|translate|>',
    '<|transcribe|>',
    '<|startoflm|>',
    '<|startofprev|>',
    '<|nospeech|>',
    '<|notimestamps|>',
]
stamps = [f'<|{i * 0.02:.2f}|>' for i in range(1501)]
words = tokenizers.pre_tokenizers.ByteLevel.alphabet()
vocab = {w: i for i, w in enumerate(sorted(words) + [f'Ġw{i}' for i in range(50257 - 256)])}
tok = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, []))
tok.pre_tokenizer, tok.decoder = (
    tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False),
    tokenizers.decoders.ByteLevel(),
)
tok.add_special_tokens(special)
tok.add_tokens(stamps)
at = {t: tok.token_to_id(t) for t in special}
torch.manual_seed(0)
cfg = WhisperConfig(
    vocab_size=tok.get_vocab_size(),
    d_model=64,
    encoder_layers=1,
    decoder_layers=2,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=64,
    decoder_ffn_dim=64,
    decoder_start_token_id=at['<|startoftranscript|>'],
    eos_token_id=at['<|endoftext|>'],
    bos_token_id=at['<|endoftext|>'],
    pad_token_id=at['<|endoftext|>'],
)
model = WhisperForConditionalGeneration(cfg)
model.generation_config.update(
    alignment_heads=[[1, 0], [1, 1]],
    suppress_tokens=[],
    begin_suppress_tokens=[],
    no_timestamps_token_id=at['<|notimestamps|>'],
    lang_to_id={t: i for t, i in at.items() if len(t) in (6, 7)},
    task_to_id=dict(transcribe=at['<|transcribe|>'], translate=at['<|translate|>']),
    is_multilingual=True,
)
model.save_pretrained(tmp / 'hf')
PreTrainedTokenizerFast(
    tokenizer_object=tok,
    bos_token='<|endoftext|>',
    eos_token='<|endoftext|>',
    unk_token='<|endoftext|>',
    pad_token='<|endoftext|>',
    additional_special_tokens=special[1:],
).save_pretrained(tmp / 'hf')
ctranslate2.converters.TransformersConverter(str(tmp / 'hf'), copy_files=['tokenizer.json']).convert(str(tmp / 'ct2'))
print(sorted(p.name for p in (tmp / 'ct2').iterdir()))

rng = np.random.default_rng(0)
# something that a detector of voice takes for a voice: a buzz with moving formants, in syllables
t = np.arange(25 * 16000) / 16000
buzz = sum(
    np.sin(2 * np.pi * 120 * k * t + np.cumsum(rng.standard_normal(len(t))) * 0.002)
    * np.exp(-(((120 * k - (500 + 200 * np.sin(2 * np.pi * 1.3 * t))) / 250) ** 2))
    for k in range(1, 25)
) + 0.4 * sum(
    np.sin(2 * np.pi * 120 * k * t) * np.exp(-(((120 * k - (1500 + 400 * np.sin(2 * np.pi * 0.9 * t))) / 300) ** 2))
    for k in range(1, 30)
)
sound = (0.2 * buzz * (np.sin(2 * np.pi * 2.2 * t) > -0.4) * ((t % 10) < 6)).astype(np.float32)
write_video(tmp / 'talk.mp4', np.zeros((300, 32, 32, 3), np.uint8), 12, sound)
listen = whisper(str(tmp / 'ct2'), 'cpu')
# random weights guess everything, which would be marked and not quoted
with patch('shotluck.speech_heard.is_doubtful', return_value=False):
    said = [word[:3] for word in transcribe(tmp / 'talk.mp4', listen, seconds=12).words]
print(len(said), 'words', said[:3])
ok = all(0 <= a <= b <= 25.2 for a, b, _ in said) and len(
    ' '.join(speech_of(said, [(0, 10), (10, 25.1)])).split()
) == len(said)
write_json(
    root / 'bench' / 'whisper_folder.json',
    dict(machine(), faster_whisper=faster_whisper.__version__, words=len(said), times_inside_the_video=ok),
)
sys.exit(not (said and ok))
