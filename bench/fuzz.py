"""Feeds every reader of strangers' files with what hypothesis makes: only a ValueError of one line may come out, in a moment and in little memory

    python bench/fuzz.py --seconds 600                        all formats, ten minutes each -> bench/fuzz.json
    python bench/fuzz.py --formats pickle,subtitles --seed 3

A format is a strategy of bytes and a function that reads a file: add it to FORMATS, and to a notebook's tests as `fuzz('name', 2)`.
"""

import json
import pickle
import random
import re
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Callable, NamedTuple

import numpy as np
from fastcore.script import call_parse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

SLOW = 3.0  # seconds of the processor that a file of some kilobytes may take
LARGE = 400_000_000  # bytes that it may take
LONG = 1000  # characters of a message
LEAST = 100  # files that are read, however slow the machine
# copies of each file that are spoiled and read too: making one takes longer than reading it
SPOILED = 20

# what breaks readers, put anywhere
NASTY = [
    b'\0',
    b'\xff',
    b'\xe9',
    b'\xed\xa0\xbd',
    b'\xef\xbb\xbf',
    b'\xff\xfe',
    b'\r',
    b'\r\r\n',
    b'\n\n',
    b'\t',
    b';',
    b',',
    b'"',
    b"'",
    b'\\',
    b'\\ud83d',
    b'\\u0000',
    b'9' * 30,
    b'9' * 5000,
    b'-9' * 40,
    b'[' * 1500,
    b'{"a":' * 1500,
    b'(' * 300,
    b'<' * 500,
    b'{\\' * 300,
    b'-->',
    b'NaN',
    b'Infinity',
    b'1e999',
    b'-0',
    b'null',
    b'true',
    b'{}',
    b'[]',
    b'=1+1',
    b'@x',
    b'../../x',
    b'/etc/passwd',
    b'\xd9\xa1',
    b'\xe2\x80\xa8',
    b'\xe2\x80\xae',
    b'</s>',
    b'<image>',
    b'00:00:01,000 --> 00:00:02,000',
    b'<00:00:01.000>',
    b'WEBVTT',
    b'[Events]',
    b'Dialogue: ',
    b'__import__("os")',
]


def spoil(raw, rng):  # A file with some of its bytes taken out, doubled or replaced
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(raw))
        gone = rng.choice([0, 0, 1, 2, 7, 100])
        new = rng.choice([rng.choice(NASTY), rng.randbytes(rng.randint(0, 6)), raw[at : at + 50]])
        raw = raw[:at] + new + raw[at + gone :]
    return raw


def encoded(texts):  # As files in several encodings
    def encode(pair):
        return pair[0].encode(pair[1], 'surrogatepass' if pair[1].startswith('utf') else 'replace')

    return st.tuples(texts, st.sampled_from(['utf-8', 'utf-8', 'utf-8-sig', 'utf-16', 'utf-32', 'cp1252'])).map(encode)


text = st.text(max_size=12) | st.sampled_from(
    ['A dog.', '', ' ', 'Placeholder', '=1+1', '</s>', '<image>', 'half \ud83d', 'a\nb', 'x' * 300]
)
names = (
    st.sampled_from(['a.mp4', 'x/a.mp4', 'a.mkv', 'LEwayCpIk20.78.mp4', '', '../a.mp4', 'half \ud800.mp4', 'a\nb.mp4'])
    | text
)
shot_names = (
    st.sampled_from(['a_0_9.mp4', 'a_10_24.mp4', 'a_9_0', 'a_-1_5', 'a_0_99999', 'a_' + '1' * 5000 + '_2', 'a']) | text
)
numbers = st.integers() | st.floats() | st.sampled_from([0, 1, 1.5, 24, -1, 10**40, '1:02.5', 'x', '', None])
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(text, v, max_size=3),
    max_leaves=6,
)
fields = dict(
    video=names,
    captions=st.lists(text, max_size=3),
    ASR=st.lists(text | st.none(), max_size=3),
    audio_captions=st.lists(text, max_size=3),
    whole_caption=text,
    video_names=st.lists(shot_names, max_size=3),
    times=st.lists(st.lists(numbers, max_size=3), max_size=3),
    question=text,
    answer=text,
    split=text,
)
annotations = (
    st.fixed_dictionaries({}, optional={k: v | values if k != 'video' else v for k, v in fields.items()}) | values
)


def as_json(x):
    return json.dumps(x, default=str)


cells = (
    text
    | names
    | numbers.map(str)
    | st.sampled_from(
        ['train', 'Test', 'dev', 'tset', "['00:00:01', '00:00:02']", '[1, 2]', "['Film']", 'aaaaaaaaaaa', '1:2:3']
    )
)


@st.composite
def tables(draw, columns):  # With most of the columns that are wanted
    separator = draw(st.sampled_from(',;\t'))
    head = draw(st.permutations(columns) | st.just(columns) | st.just(columns[1:]))
    rows = draw(
        st.lists(
            st.lists(cells, min_size=max(0, len(head) - 1), max_size=len(head) + 1)
            | st.lists(cells, min_size=len(head), max_size=len(head)),
            max_size=5,
        )
    )
    quote = draw(st.booleans())

    def write(cell):
        return '"' + cell.replace('"', '""') + '"' if quote else cell

    return draw(st.sampled_from(['\n', '\r\n'])).join(separator.join(map(write, row)) for row in [head, *rows])


times = (
    st.sampled_from(
        ['00:00:01,000', '00:00:02.500', '00:03.000', '0:00:04.00', '1:2', '99:99:99,999', '00:00:xx,000', '']
    )
    | text
)


@st.composite
def subtitles(draw):  # SRT, WebVTT, ASS, or between them
    form = draw(st.sampled_from(['', 'WEBVTT\n\n', '[Script Info]\n\n[V4+ Styles]\n\n[Events]\n', '[V4 Styles]\n']))
    lines = st.lists(
        text
        | st.sampled_from(
            [
                'hello<00:00:00.560><c> and</c>',
                '{\\an8}Up',
                'a < b and c > d',
                '1',
                '{\\p1}m 0 0',
                'x\\Ny',
                '&amp;&#99999999;',
            ]
        ),
        max_size=3,
    )
    cues = draw(st.lists(st.tuples(times, times, lines), max_size=5))
    if 'V4' in form:
        return form + ''.join(f"Dialogue: 0,{a},{b},Default,,0,0,0,,{' '.join(ls)}\n" for a, b, ls in cues)
    return form + ''.join(f'{a} --> {b}\n' + '\n'.join(ls) + '\n\n' for a, b, ls in cues)


steps = st.sampled_from(
    [
        getattr(pickle, n)
        for n in dir(pickle)
        if re.fullmatch('[A-Z][A-Z0-9_]+', n) and isinstance(getattr(pickle, n), bytes)
    ]
)
arrays = st.sampled_from(
    [
        [(0, 9), (10, 20)],
        np.array([[0, 5], [6, 9]]),
        [np.int64(3)],
        [(np.int32(3), 7)],
        np.array([[1.5]]),
        [],
        [[0]],
        'x',
        {'a': 1},
        np.zeros((0, 2), int),
    ]
)
pickles = st.tuples(st.dictionaries(names, arrays, max_size=3) | values, st.integers(0, 5)).map(
    lambda p: pickle.dumps(*p)
)
pickles = pickles | st.lists(
    steps
    | st.binary(max_size=4)
    | st.sampled_from([b'cnumpy\ndtype\n', b'cos\nsystem\n', b'\x8c\x02os', b'\xff\xff\xff\x7f', b'X\x01\0\0\0a']),
    max_size=30,
).map(lambda parts: b'\x80\x04' + b''.join(parts) + b'.')

sizes = st.sampled_from([0, 1, 2, 32, 64, 96, -1, 10**9, 1 << 62, 1.5, True, '32', None, [1], {}]) | st.integers(1, 300)
config_fields = dict(
    model_type=st.sampled_from(['llava', 'tiny_llava', 'tiny_llava_phi', ['llava'], '']),
    pool=sizes,
    words=sizes,
    change=st.booleans() | values,
    image_token_index=sizes,
    vision_feature_layer=sizes | st.sampled_from([-1, -2]),
    image_mean=st.lists(numbers, max_size=4),
    image_std=st.lists(numbers, max_size=4),
    tie_word_embeddings=st.booleans() | values,
    mm_vision_tower=text | st.just('.'),
    vocab_size=sizes,
    frames=sizes,
    projector_hidden_act=text | st.just('gelu'),
)
text_fields = dict(
    model_type=st.sampled_from(['llama', 'phi', 'stablelm', 'gpt2', 7]),
    hidden_act=st.just('silu') | text,
    rope_parameters=values,
    eos_token_id=values,
    rms_norm_eps=numbers,
    vocab_size=sizes,
    hidden_size=sizes,
    intermediate_size=sizes,
    num_hidden_layers=sizes,
    num_attention_heads=sizes,
    num_key_value_heads=sizes,
    head_dim=sizes,
    max_position_embeddings=sizes,
)
vision_fields = dict(
    model_type=st.just('siglip_vision_model') | text,
    hidden_size=sizes,
    intermediate_size=sizes,
    num_hidden_layers=sizes,
    num_attention_heads=sizes,
    image_size=sizes,
    patch_size=sizes,
    num_channels=sizes,
    hidden_act=st.just('gelu') | text,
)
SMALL = dict(
    model_type='llava',
    pool=2,
    image_token_index=3,
    vision_feature_layer=-1,
    image_mean=[0.5] * 3,
    image_std=[0.5] * 3,
    text_config=dict(
        model_type='llama',
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=64,
        vocab_size=50,
    ),
    vision_config=dict(
        model_type='siglip_vision_model',
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
    ),
)


def some(fields):  # A few of them
    few = st.lists(st.sampled_from(sorted(fields)), max_size=2, unique=True)
    return few.flatmap(lambda names: st.fixed_dictionaries({n: fields[n] for n in names}))


def merge(parts):
    outer, inner, tower = parts
    return dict(SMALL, **outer, text_config=SMALL['text_config'] | inner, vision_config=SMALL['vision_config'] | tower)


configs = st.tuples(
    some(
        {
            k: v
            for k, v in config_fields.items()
            if k not in ('model_type', 'pool', 'image_token_index', 'vision_feature_layer', 'image_mean', 'image_std')
        }
    ),
    some(text_fields),
    some(vision_fields),
).map(merge)
configs = configs | st.tuples(st.just(SMALL), some(config_fields)).map(lambda p: p[0] | p[1]) | values

files = st.fixed_dictionaries(
    dict(type=st.just('file') | text, path=names, size=numbers, oid=st.just('0' * 40) | text),
    optional=dict(lfs=values | st.fixed_dictionaries(dict(oid=st.just('0' * 64) | values))),
)
listings = st.lists(files | values, max_size=4) | values
log_rows = (
    st.fixed_dictionaries(
        {},
        optional=dict(
            id=text,
            key=text,
            video=text | values,
            path=text | values,
            files=st.lists(names | values, max_size=3) | values,
            whole=st.booleans() | values,
        ),
    )
    | values
)

# of shots.jsonl
LINE = dict(
    video='', frames=25, fps=25.0, shots=[[0, 10], [10, 25]], seconds=[[0, 0.4], [0.4, 1.0]], status='ok', reason=''
)


def read_annotations(path):
    from shotluck.convert import as_llava, as_messages, expected_units, records_of
    from shotluck.split import listed_videos
    from shotluck.tables import hashed_split, iter_annotations, source_video
    from shotluck.text import to_json_bytes

    listed_videos([path], path.parent)
    for ann in iter_annotations(path):
        rows = list(records_of(ann, LINE))
        assert len(rows) == len(expected_units(ann)), 'a row for each unit'
        for _, _, status, reason, rec in rows:
            assert (status == 'ok') == (rec is not None) and (reason or status == 'ok'), (
                'a record, or a reason why there is none'
            )
            if not rec:
                continue
            hashed_split(rec['video']), source_video(rec['video'])
            for made in (rec, as_llava(rec), as_messages(rec)):
                json.loads(to_json_bytes(made))
            # nothing in it that UTF-8 cannot hold
            json.dumps(rec, ensure_ascii=False, allow_nan=False).encode()


def read_meta(path):
    from shotluck.tables import clip_sources, read_meta

    for clip, m in read_meta(path)[0].items():
        assert 0 <= m['start'] < m['end'] and re.fullmatch(r'[A-Za-z0-9_-]+', m['youtube']), clip
    clip_sources(path)


def read_pickle(path):
    from shotluck.tables import read_split_info

    for name, shots in read_split_info(path).items():
        name.encode()
        assert all(s is None or (type(s[0]), type(s[1])) == (int, int) for s in shots), shots


def read_subtitles(path):
    from shotluck.speech import load_subtitles, speech_of

    lines, _ = load_subtitles(path)
    for said in speech_of(lines, [(0, 1), (1, 2.5)], (0, 9)):
        said.encode()
    assert all(isinstance(w, str) and '\n' not in w for *_, w in lines), lines


def read_shots(path):
    from shotluck.shots import listed_shots

    info = SimpleNamespace(frames=25, fps=25.0, times=np.arange(25) / 25, duration=1.0)
    assert all(0 <= s.start < s.end <= 25 for s in listed_shots(path, info))


def read_config(path):  # As `describe` and `load_model` do
    from shotluck.cost import load_config

    (path.parent / 'model').mkdir(exist_ok=True)
    (path.parent / 'model' / 'config.json').write_bytes(path.read_bytes())
    load_config(path.parent / 'model')


def read_adapter(path):
    from shotluck.hub import base_of
    from shotluck.model import adapter_settings

    (path.parent / 'adapter').mkdir(exist_ok=True)
    (path.parent / 'adapter' / 'adapter_config.json').write_bytes(path.read_bytes())
    base_of(path.parent / 'adapter')
    adapter_settings(path.parent / 'adapter')


def read_listing(path):  # What a server answers when it is asked for the files of a repo
    from contextlib import contextmanager
    from unittest.mock import patch

    from huggingface_hub import constants

    from shotluck.download import archives, hub_files

    @contextmanager
    def ask(url, headers, timeout, **extra):
        yield SimpleNamespace(headers={})

    with (
        patch('shotluck.fetch._ask', ask),
        patch('shotluck.fetch._chunks', lambda r, timeout: [path.read_bytes()]),
        patch.object(constants, 'HF_HUB_OFFLINE', False),
    ):
        try:
            found = hub_files('me/it', tries=1, wait=0)
        except OSError as e:
            raise ValueError(str(e)) from None  # of the network, which is one line too
    for name, f in found.items():
        assert 0 <= f['size'] < 1 << 50 and f['url'].startswith('https://'), name
    archives(found)


def read_log(path):  # What a folder says of the results in it
    from shotluck.caption import LOG, subtitles_beside

    (path.parent / LOG).write_bytes(path.read_bytes())
    subtitles_beside(path)


class Format(NamedTuple):
    "A kind of file"

    ending: str  # Of its name
    files: object  # Strategy of bytes
    read: Callable  # Reads a path; may raise ValueError


FORMATS = dict(
    json=Format('.json', encoded(st.lists(annotations, max_size=3).map(as_json)), read_annotations),
    jsonl=Format(
        '.jsonl',
        encoded(st.lists(annotations, max_size=3).map(lambda rows: '\n'.join(map(as_json, rows)))),
        read_annotations,
    ),
    table=Format(
        '.csv', encoded(tables(['video', 'start', 'end', 'caption', 'speech', 'summary', 'split'])), read_annotations
    ),
    meta=Format('_meta.csv', encoded(tables(['clip_id', 'categories', 'duration', 'youtube_id'])), read_meta),
    pickle=Format('_split_info.pkl', pickles, read_pickle),
    subtitles=Format('.srt', encoded(subtitles()), read_subtitles),
    shots=Format('.csv', encoded(tables(['start', 'end', 'who'])), read_shots),
    config=Format('.json', encoded(configs.map(as_json)), read_config),
    adapter=Format(
        '.json',
        encoded(
            (
                st.fixed_dictionaries(
                    dict(peft_type=st.just('LORA') | values, base_model_name_or_path=names),
                    optional=dict(r=sizes, lora_alpha=numbers, target_modules=values, layer_replication=values),
                )
                | values
            ).map(as_json)
        ),
        read_adapter,
    ),
    listing=Format('.json', encoded(listings.map(as_json)), read_listing),
    log=Format(
        '.jsonl', encoded(st.lists(log_rows, max_size=4).map(lambda rows: '\n'.join(map(as_json, rows)))), read_log
    ),
)


def check(format, path):  # '' or what is wrong
    tracemalloc.start()
    start = time.process_time()
    try:
        format.read(path)
    except ValueError as e:
        if '\n' in str(e) or len(str(e)) > LONG:
            return f'a message of {len(str(e))} characters in {str(e).count(chr(10)) + 1} lines: {str(e)[:200]!r}'
    except BaseException as e:
        if isinstance(e, KeyboardInterrupt):
            raise
        return f'{type(e).__name__}: {str(e)[:200]}'
    finally:
        took, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    if took > SLOW:
        return f'took {took:.1f} s'
    if peak > LARGE:
        return f'took {peak:,} bytes'
    return ''


def fuzz(
    name: str,  # Of FORMATS
    seconds: float = 2,  # For how long
    seed: int = 0,
) -> int:  # Files that were read
    "Read made files of one format until the time is over; `AssertionError` with the file's bytes, made as short as possible, if one is a finding"
    format, n, end, k, found = FORMATS[name], 0, time.monotonic() + seconds, 0, False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f'a{format.ending}'
        path.write_bytes(b'')
        try:
            format.read(path)  # imports, before the clock runs and memory is traced
        except ValueError:
            pass
        while time.monotonic() < end or n < LEAST:

            @seeded(seed * 1_000_003 + k)
            @settings(
                max_examples=200,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            )
            @given(format.files, st.integers(0, 1 << 32))
            def one(made, number):
                nonlocal n, found
                for i in range(SPOILED + 1):
                    # a finding is made short, however long that takes
                    if time.monotonic() > end and n >= LEAST and not found:
                        return
                    raw = spoil(made, random.Random(number + i)) if i else made
                    path.write_bytes(raw)
                    why = check(format, path)
                    n += 1
                    found = found or bool(why)
                    assert not why, f'{name}: {why}, from {raw[:2000]!r}'

            one()
            k += 1
    return n


@call_parse
def main(
    formats: str = '',  # Comma between; empty: all
    seconds: float = 600,  # For each
    seed: int = 0,
):
    "Fuzz the readers; a row of bench/fuzz.json for each format that was read for a minute at least, as it ends"
    sys.path.insert(0, str(Path(__file__).parent))
    from machine import machine

    from shotluck.files import write_json
    from shotluck.text import read_json

    path = Path(__file__).with_suffix('.json')
    for name in formats.split(',') if formats else FORMATS:
        row = dict(format=name, seconds=seconds, seed=seed, files=fuzz(name, seconds, seed), **machine())
        print(row, flush=True)
        if seconds >= 60:
            known = {r['format']: r for r in read_json(path, missing=dict(rows=[]))['rows']}
            rows = list({**known, name: row}.values())
            write_json(path, dict(rows=rows, limits=dict(seconds=SLOW, bytes=LARGE, message=LONG)))
