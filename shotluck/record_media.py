#| export
from functools import partial
from pathlib import Path
from typing import NamedTuple

from shotluck.clips import clip_name
from shotluck.errors import one_line_reason
from shotluck.files import path_inside
from shotluck.jobs import parallel_map
from shotluck.pages import encode_jpeg
from shotluck.video import read_pictures, sample_idxs

#| export
KINDS = ('none', 'clips', 'frames')


class Media(NamedTuple):
    "What goes with each record, and where it is"

    kind: str  # none, clips or frames
    videos: Path  # Folder of the videos
    clips: Path  # Folder of the clips that `shotluck-split --write` makes
    frames: int = 8  # Of a record, shared among its shots
    side: int = 448  # Longer side of a frame, pixels

#| export
def has_clip(
    record: dict,  # As the convert stage writes it
) -> bool:
    "Is all that a record is about in one clip? A question is about the whole video"
    return len(record['shots']) == 1 and record['task'] != 'qa'

#| export
def source_file(
    record: dict,  # As the convert stage writes it
    media: Media,  # What goes with it
) -> Path:
    "The file that a record's pictures come from; `ValueError` if it is not there, or if its name leaves the folder"
    if media.kind == 'clips' and has_clip(record):
        name = clip_name(record['video'], record['shots'][0])
        path = path_inside(media.clips, name)
        if not path.is_file():
            raise ValueError(f"clip {name} is not there: shotluck-split --write makes it")
    else:
        path = path_inside(media.videos, record['video'])
        if not path.is_file():
            raise ValueError(f"video {record['video']} is not there")
    return path

#| export
def described(
    record: dict,  # As the convert stage writes it
    media: Media,  # What goes with it
) -> dict:
    "The record, with `shots_in_file` or `frames` as it is sent out"
    if media.kind == 'clips':
        start, end = record['shots'][0]
        return dict(record, shots_in_file=[[0, end - start]] if has_clip(record) else record['shots'])
    if media.kind == 'frames':
        return dict(record, frames=sample_idxs(record['shots'], media.frames))
    return record

#| export
def _frame_files(media, record):  # In a worker: name -> JPEG, in order
    numbers = [number for shot in described(record, media)['frames'] for number in shot]
    pictures = read_pictures(source_file(record, media), numbers, media.side)
    return {f'{i}.jpg': encode_jpeg(picture, 90) for i, picture in enumerate(pictures)}

#| export
def _whole_file(media, record):  # name -> bytes: one entry, named as the file ends
    path = source_file(record, media)
    ending = path.suffix[1:].lower()
    return {ending if ending.isascii() and ending.isalnum() else 'video': path.read_bytes()}

#| export
def iter_media(
    records: list,  # As the convert stage writes them
    media: Media,  # What goes with each
    workers: int = 0,  # Processes that decode frames; 0: one for each core
    timeout: float = 600,  # Seconds that the frames of a record may take
    quiet: bool = True,  # No progress bar?
):
    "Yield `(record, files)` in order; files by name, or the error in their place, as `ValueError` or `OSError`"
    if media.kind == 'frames':
        for record, files in parallel_map(partial(_frame_files, media), records, workers, timeout, 'frames', quiet):
            if isinstance(files, Exception):
                files = ValueError(f'{type(files).__name__}: {one_line_reason(files, 200)}')
            yield record, files
        return
    for record in records:
        files = {}
        try:
            if media.kind == 'clips':
                files = _whole_file(media, record)
        except (ValueError, OSError) as e:
            files = e
        yield record, files

#| export
def split_by_media(
    records: list,  # As the convert stage writes them
    media: Media,  # What is to go with each
) -> tuple:  # (records whose file is there, {id: why the file of a record is not})
    "Tell records whose file is there from those without; all are, where nothing is to go with them"
    if media.kind == 'none':
        return records, {}
    there = []
    left_out = {}
    for record in records:
        try:
            source_file(record, media)
        except ValueError as e:
            left_out[record['id']] = str(e)
        else:
            there.append(record)
    return there, left_out
