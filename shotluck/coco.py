#| export
import re
from collections import Counter
from pathlib import Path

from shotluck.files import write_json
from shotluck.text import TextReader, read_json

#| export
def references_of(
    record: dict,  # As the convert stage writes it, or with `references`
) -> list:  # Of what stands there, texts if the record is in order
    "All references of a record; none if it has none"
    if isinstance(record.get('references'), list):
        return record['references']
    try:
        return [record['conversations'][1]['value']]
    except (KeyError, IndexError, TypeError):
        return []

#| export
def coco_results(
    predictions: dict,  # id -> text
    records: list,  # Whose predictions to take
) -> list:  # [{image_id, caption}, …]
    "Predictions in COCO's form, in the order of the records"
    return [
        dict(image_id=record['id'], caption=predictions[record['id']])
        for record in records
        if record['id'] in predictions
    ]

#| export
def coco_references(
    records: list,  # As the convert stage writes them
) -> dict:  # info, licenses, type, images, annotations
    "The references of records in COCO's form"
    annotations = []
    for record in records:
        for text in references_of(record):
            annotations.append(dict(id=len(annotations) + 1, image_id=record['id'], caption=text))
    images = [dict(id=record['id'], file_name=record['video']) for record in records]
    return dict(info={}, licenses=[], type='captions', images=images, annotations=annotations)

#| export
CAPTIONS = ('caption', 'narration', 'summary')  # Tasks whose answers are captions


def by_task(
    records: list,  # As the convert stage writes them
) -> dict:  # Task -> its records, those that are captions
    "The records of each task that COCO's tools can score"
    found = {task: [record for record in records if record['task'] == task] for task in CAPTIONS}
    return {task: of_task for task, of_task in found.items() if of_task}

#| export
def write_coco(
    predictions: dict,  # id -> text
    records: list,  # That they are for
    folder: str | Path,  # For `TASK.results.json` and `TASK.references.json`
) -> list:  # Paths
    "Write predictions and references for COCO's tools, two files for each task, over the same records"
    paths = []
    for task, of_task in by_task(records).items():
        told = [record for record in of_task if record['id'] in predictions]
        parts = dict(results=coco_results(predictions, told), references=coco_references(told))
        for name, content in parts.items():
            paths.append(Path(folder) / f'{task}.{name}.json')
            write_json(paths[-1], content)
    return paths

#| export
_RESULTS = re.compile(r'\s*\[\s*\{')
_REFERENCES = re.compile(r'\s*\{\s*"(info|licenses|type|images|annotations)"\s*:')


def coco_form(
    path: str | Path,  # A file from a stranger
) -> str:  # results, references, or '' for another form
    "Which of COCO's two forms a file has"
    with TextReader(path) as f:
        start = f.read(4096)
    if _RESULTS.match(start):
        return 'results'
    return 'references' if _REFERENCES.match(start) else ''

#| export
def _image_of(entry, key):  # Id of the image that an entry is about, as text; None if it names none
    image = entry.get(key) if isinstance(entry, dict) else None
    return str(image) if isinstance(image, (int, str)) and not isinstance(image, bool) else None

#| export
def _entries(path, entries, what):  # [(id of the image, entry), …] of a list; `ValueError` names one that is wrong
    if not isinstance(entries, list):
        raise ValueError(f'{path}: {what} is a list, got {type(entries).__name__}')
    found = []
    for i, entry in enumerate(entries, 1):
        image = _image_of(entry, 'id' if what == 'images' else 'image_id')
        if image is None:
            raise ValueError(f'{path}: number {i} of {what} names no image: a number or text was expected')
        if what != 'images' and not isinstance(entry.get('caption'), str):
            raise ValueError(f'{path}: number {i} of {what} has no caption, a text')
        found.append((image, entry))
    return found

#| export
def read_results(
    path: str | Path,  # A list of {image_id, caption}
) -> list:  # [(id, text), …]
    "The predictions in a file of COCO results; `ValueError` names what is wrong"
    return [(image, entry['caption']) for image, entry in _entries(path, read_json(path), 'results')]

#| export
def read_references(
    path: str | Path,  # {images, annotations}
) -> list:  # A record for each image that is described, with `references`
    "The references in a COCO file of captions as records; `ValueError` names what is wrong"
    content = read_json(path)
    if not isinstance(content, dict) or 'annotations' not in content:
        raise ValueError(f'{path}: references are an object with images and annotations')
    texts = {}
    for image, entry in _entries(path, content['annotations'], 'annotations'):
        texts.setdefault(image, []).append(entry['caption'])
    listed = _entries(path, content.get('images', []), 'images')
    twice = [image for image, n in Counter(image for image, _ in listed).items() if n > 1]
    if twice:
        raise ValueError(f'{path}: {len(twice)} images are listed more than once, such as {twice[0][:80]}')
    names = {image: str(entry.get('file_name') or image) for image, entry in listed}
    if bare := [image for image in names if image not in texts]:
        raise ValueError(f'{path}: {len(bare)} of {len(names)} images have no caption, such as {bare[0][:80]}')
    if names and (odd := [image for image in texts if image not in names]):
        raise ValueError(f'{path}: {len(odd)} images have a caption and are not listed, such as {odd[0][:80]}')
    records = []
    for image, found in texts.items():
        conversation = [{'from': 'human', 'value': ''}, {'from': 'gpt', 'value': found[0]}]
        record = dict(id=image, video=names.get(image, image), task='caption', shots=[], asr=[])
        records.append(dict(record, conversations=conversation, references=found))
    return records
