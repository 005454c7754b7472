"""Shotluck-Holmes' process_videos.py, by shotluck-split: python scripts/process_videos.py [--processes 16]

Splits the videos in data/raw/videos at the shots that data/raw/annotations names, into a file for each shot. They go to
data/clips, and not to data/processed/videos; their names are the same. Whole videos are not copied.
"""

import argparse
import sys

from shotluck.cli import split


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--processes', type=int, default=0, help='processes; 0: one for each core')
    parser.add_argument('--data', default='data', help='folder with raw/; the reference knows no other than data')
    options, others = parser.parse_known_args()
    words = ['--data', options.data, '--write', '--workers', str(options.processes), *others]
    sys.argv[1:] = words
    try:
        code = split() or 0
    except SystemExit as e:
        code = e.code
    if not code:
        print(f"{parser.prog}: {options.data}/clips, by shotluck-split {' '.join(words)}")
    sys.exit(code)


if __name__ == '__main__':
    main()
