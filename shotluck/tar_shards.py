#| export
import hashlib
import io
import tarfile
from pathlib import Path
from typing import NamedTuple

from shotluck.files import Journal, atomic_write, exclusive, path_inside, remove_partial_files, write_jsonl
from shotluck.record_media import Media, described, iter_media, source_file, split_by_media
from shotluck.text import to_json_bytes

#| export
def _add(tar, name, data):  # A file without a time and an owner
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))

#| export
class _Filled(NamedTuple):  # What went into a shard
    end: int  # Number of the first record that is left
    written: int  # Records in it
    failed: dict  # id -> why its pictures could not be read

#| export
def _fill(
    part, samples, begin, most, media
):  # Write a shard to `part`, from `(record, files)` of the records from `begin`
    failed = {}
    place = begin
    with tarfile.open(part, 'w', format=tarfile.USTAR_FORMAT) as tar:
        for place, (record, files) in enumerate(samples, begin + 1):
            if isinstance(files, Exception):
                failed[record['id']] = str(files)
                continue
            key = f'{place - 1:09d}'
            _add(tar, f'{key}.json', to_json_bytes(described(record, media)))
            for name, data in files.items():
                _add(tar, f'{key}.{name}', data)
            if tar.offset >= most:
                break
    return _Filled(place, place - begin - len(failed), failed)

#| export
def _key(records, media, most):  # Fingerprint of what decides the bytes of all shards, but for the files themselves
    digest = hashlib.sha256(to_json_bytes([1, media.kind, media.frames, media.side, most]))
    for record in records:
        digest.update(to_json_bytes(record))
    return digest.hexdigest()

#| export
def _files_state(records, media):  # Fingerprint of sizes and times of the files of these records; '' without files
    if media.kind == 'none':
        return ''
    digest = hashlib.sha256()
    for record in records:
        state = source_file(record, media).stat()
        digest.update(f'{state.st_size} {state.st_mtime_ns} '.encode())
    return digest.hexdigest()

#| export
def _kept(rows, folder, key, records, media):  # The first rows of a journal that are still true
    kept = []
    for row in rows:
        path = folder / row['shard']
        begin = kept[-1]['end'] if kept else 0
        if row['key'] != key or row['begin'] != begin or row['failed']:
            break
        if not path.is_file() or path.stat().st_size != row['bytes']:
            break
        if row['files'] != _files_state(records[row['begin'] : row['end']], media):
            break
        kept.append(row)
    return kept

#| export
class Shards(NamedTuple):
    "What was packed"

    names: list  # Of the tar files
    records: int  # In them
    left_out: dict  # id -> why a record is in none

#| export
@exclusive('folder')
def write_shards(
    records: list,  # Of one split
    folder: str | Path,  # For the shards
    split: str,  # How their names begin
    media: Media,  # What goes with each record
    most: int = 1_000_000_000,  # Bytes at which a shard is full
    workers: int = 0,  # Processes that decode frames; 0: one for each core
    timeout: float = 600,  # Seconds that the frames of a record may take
    quiet: bool = True,  # No progress bar?
) -> Shards:
    "Pack records as `SPLIT-000000.tar` and so on; whole shards of a run before stay if nothing of theirs has changed"
    folder = Path(folder)
    journal_path = folder / f'.{split}.jsonl'
    records, left_out = split_by_media(records, media)
    key = _key(records, media, most)
    before = Journal.peek(journal_path)
    kept = _kept(before, folder, key, records, media)
    for row in before[len(kept) :]:
        path_inside(folder, row['shard']).unlink(missing_ok=True)
    remove_partial_files(folder, below=True)
    write_jsonl(journal_path, kept)
    place = kept[-1]['end'] if kept else 0
    samples = iter_media(records[place:], media, workers, timeout, quiet)
    with Journal(journal_path, 'shard') as journal:
        while place < len(records):
            name = f'{split}-{len(journal.rows):06d}.tar'
            with atomic_write(folder / name) as part:
                filled = _fill(part, samples, place, most, media)
            row = dict(shard=name, key=key, begin=place, **filled._asdict(), bytes=(folder / name).stat().st_size)
            journal.add(dict(row, files=_files_state(records[place : filled.end], media)))
            place = filled.end
        rows = list(journal.rows.values())
    for row in rows:
        left_out.update(row['failed'])
    return Shards([row['shard'] for row in rows], sum(row['written'] for row in rows), left_out)
