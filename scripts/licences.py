"""The licence of shotluck and of everything it depends on, as installed here: python scripts/licences.py [--csv]

A licence is read from what each package says of itself: its licence expression, its classifiers, or its licence field.
"""

import argparse
import csv
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement


def dependencies(
    name: str,  # Of a package that is installed
    extras: set,  # Of it
    found: dict,  # name -> distribution, is added to
) -> dict:
    "The packages that a package needs here, and those that they need; `None` for one that is not installed"
    for text in distribution(name).requires or []:
        needed = Requirement(text)
        wanted = [{'extra': extra} for extra in {'', *extras}]
        if needed.marker and not any(needed.marker.evaluate(where) for where in wanted):
            continue
        key = re.sub('[-_.]+', '-', needed.name).lower()
        if key in found:
            continue
        try:
            found[key] = distribution(needed.name)
        except PackageNotFoundError:
            found[key] = None
            continue
        dependencies(needed.name, needed.extras, found)
    return found


def licence_of(metadata) -> str:
    "A package's licence in a few words, by its own metadata; `unknown` if it says nothing"
    if expression := metadata.get('License-Expression'):
        return expression
    classifiers = [
        line.split(' :: ')[-1] for line in metadata.get_all('Classifier', []) if line.startswith('License ::')
    ]
    if classifiers and classifiers != ['OSI Approved']:
        return '; '.join(sorted(classifiers))
    first = (metadata.get('License') or '').strip().splitlines()
    return first[0][:60] if first and first[0].lower() != 'unknown' else 'unknown'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--extras', default='', help="shotluck's extras that count too, separated by commas")
    parser.add_argument('--csv', action='store_true', help='as CSV')
    options = parser.parse_args()
    extras = set(filter(None, options.extras.split(',')))
    found = {'shotluck': distribution('shotluck'), **dependencies('shotluck', extras, {})}
    rows = []
    for name, package in sorted(found.items()):
        if package is None:
            rows.append((name, '', 'not installed'))
        else:
            rows.append((name, package.version, licence_of(package.metadata)))
    if options.csv:
        csv.writer(sys.stdout, lineterminator='\n').writerows([('package', 'version', 'licence'), *rows])
    else:
        width = max(len(name) for name, _, _ in rows)
        for name, version, licence in rows:
            print(f'{name:{width}}  {version:16}  {licence}')
    silent = ', '.join(name for name, _, licence in rows if licence == 'unknown')
    print(f'{len(rows)} packages; without a word of a licence: {silent or "none"}', file=sys.stderr)


if __name__ == '__main__':
    main()
