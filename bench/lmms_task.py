"""What `shotluck lmms` writes, read and scored by lmms-eval itself: python bench/lmms_task.py; writes bench/lmms_task.json

Needs lmms-eval, which asks for many packages; the task loader and the evaluation loop run with these:
pip install --target lmms --no-deps lmms-eval $(python bench/lmms_task.py --needs), then PYTHONPATH=lmms.
A made set of videos and records becomes a folder of tasks; lmms-eval's TaskManager finds and loads them, its own evaluation
loop asks a model that knows some of the answers, and its numbers must be those of `shotluck.score`."""

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from machine import machine

from shotluck.torchvision_mend import TORCHVISION  # noqa: F401  before transformers, which lmms-eval imports

# isort: split
import numpy as np

from shotluck.convert import convert
from shotluck.files import write_json
from shotluck.lmms_task import METRICS_OF, write_task
from shotluck.score import read_records, score
from shotluck.video import write_video

NEEDED = (
    'datasets pyarrow dill multiprocess xxhash aiohttp aiohappyeyeballs aiosignal attrs frozenlist multidict yarl '
    'propcache evaluate loguru tenacity sacrebleu portalocker tabulate lxml pytz'
)


def made_data(folder):
    "Three videos of two shots with captions, and a question about each"
    videos = folder / 'videos'
    videos.mkdir()
    rows, questions = [], []
    for i, (first, second) in enumerate((('red', 'blue'), ('green', 'white'), ('blue', 'black'))):
        write_video(videos / f'{i}.mp4', np.full((20, 32, 32, 3), 60 * i, np.uint8), 10)
        captions = [f'A {first} square moves to the left.', f'A {second} circle stands still.']
        times = [[0, 1], [1, 2]]
        rows.append(dict(video=f'{i}.mp4', times=times, captions=captions, whole_caption=' '.join(captions)))
        questions.append(dict(video=f'{i}.mp4', question='What moves?', answer=f'A {first} square.'))
    write_json(folder / 'given/test.json', rows)
    write_json(folder / 'given/test_qa.json', questions)
    convert(folder / 'given', videos, folder / 'data')
    return folder / 'data', videos


def main():
    from lmms_eval import evaluator
    from lmms_eval.api.model import lmms
    from lmms_eval.tasks import TaskManager

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        data, videos = made_data(folder)
        made, left_out = write_task(folder / 'squares', data, videos)
        records = {record['id']: record for record in read_records(data / 'records/test.jsonl')}
        said = {}
        for i, (name, record) in enumerate(sorted(records.items())):  # right, half right, wrong
            words = record['conversations'][1]['value'].split()
            said[name] = ' '.join((words, words[: len(words) // 2], ['nothing'])[i % 3])
        manager = TaskManager(include_path=str(folder / 'squares'), include_defaults=False)
        tasks = manager.load_task_or_group(list(made))
        shown = {}
        for task in tasks.values():
            for doc in task.test_docs():
                [shown[doc['id']]] = task.doc_to_visual(doc)
                assert task.doc_to_target(doc) == records[doc['id']]['conversations'][1]['value']
                assert '<image>' not in task.doc_to_text(doc)
        assert set(shown) == set(records) and all(Path(file).exists() for file in shown.values())

        class Knowing(lmms):
            def __init__(self):
                super().__init__()

            def generate_until(self, requests):
                answers = []
                for request in requests:
                    _, settings, _, number, task, split = request.args
                    assert settings['max_new_tokens'] > 0
                    answers.append(said[self.task_dict[task][split][number]['id']])
                return answers

            def loglikelihood(self, requests):
                raise NotImplementedError

            def generate_until_multi_round(self, requests):
                raise NotImplementedError

        results = evaluator.simple_evaluate(
            Knowing(), tasks=list(made), task_manager=manager, bootstrap_iters=0, log_samples=True
        )['results']
        compared = {}
        for name in made:
            task = name.removeprefix('squares_')
            some = [record for record in records.values() if record['task'] == task]
            ours = score({record['id']: said[record['id']] for record in some}, some, draws=0)
            for metric in METRICS_OF[task == 'qa']:
                [theirs] = [value for key, value in results[name].items() if key.split(',')[0] == metric]
                assert abs(theirs - ours[metric]) < 1e-12, (name, metric, theirs, ours[metric])
                compared[f'{name} {metric}'] = round(theirs, 4)
    done = dict(machine(), lmms_eval=version('lmms-eval'), tasks=made, left_out=len(left_out), numbers=compared)
    write_json(Path(__file__).with_suffix('.json'), done)
    print(json.dumps(done, indent=1))


if __name__ == '__main__':
    print(NEEDED) if '--needs' in sys.argv else main()
