"""Shotluck-Holmes' convert_shot2story_to_llava.py, by shotluck's converter

    python scripts/convert_shot2story_to_llava.py -i data/raw/annotations/20k_train.json \\
        -o data/processed/annotations/20k_train.json

Every row of the input is in the list or, with a reason, in the ledger; both stand with shotluck's own records in a
folder beside the list. Names of videos and clips begin at the data folder: that is a trainer's --image_folder.
"""

import argparse
import shutil
import sys
from pathlib import Path

from shotluck.convert import convert
from shotluck.data_folder import video_folder
from shotluck.errors import one_line_reason
from shotluck.files import atomic_write


def data_folder(annotations: Path) -> Path:
    "The data folder of an annotation file: what stands above raw/annotations, else `data`"
    return annotations.parents[2] if annotations.parts[-3:-1] == ('raw', 'annotations') else Path('data')


def converted(source: Path, target: Path) -> str:
    "Convert a file of annotations to a list for LLaVA's trainer; what was done, in one line"
    data = data_folder(source)
    shots = data / 'shots.jsonl'
    beside = target.with_suffix('')
    counts = convert(source, video_folder(data), beside, shots if shots.exists() else None, formats=('llava',))
    lists = sorted((beside / 'records').glob('*.llava.json'))
    if not lists:
        raise ValueError(f"{source}: no row of it can be used; {beside}/ledger.csv says why")
    if len(lists) > 1:
        names = ', '.join(path.name for path in lists)
        raise ValueError(f"{source}: its rows are of several splits ({names} in {beside}/records): one was expected")
    with atomic_write(target) as part:
        shutil.copyfile(lists[0], part)
    total = sum(counts.values())
    rows = f"{counts.get('ok', 0)} of {total} rows, {beside}/ledger.csv says why of the others"
    return f'{target}: {rows}; --image_folder {data}'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-i', '--input', default='data/raw/annotations/20k_train.json', help='JSON of annotations')
    parser.add_argument('-o', '--output', default='data/processed/annotations/20k_train.json', help='list to write')
    options = parser.parse_args()
    try:
        print(f'{parser.prog}: {converted(Path(options.input), Path(options.output))}')
    except (ValueError, OSError) as e:
        sys.exit(f'{parser.prog}: {one_line_reason(e)}')


if __name__ == '__main__':
    main()
