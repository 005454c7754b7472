"""Run every notebook once more, in another order, with as many threads as there are cores

    python scripts/test_shuffled.py [seed]

All run in one process, so what one leaves behind is seen by the next: the order must not matter.
"""

import os
import random
import sys
import tempfile
from pathlib import Path

from fastcore.parallel import parallel
from nbdev.test import test_nb

root = Path(__file__).resolve().parent.parent


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(10**6)
    notebooks = sorted((root / 'nbs').glob('*.ipynb'))
    random.Random(seed).shuffle(notebooks)
    threads = os.environ.get('OMP_NUM_THREADS', 'as many as there are cores')
    print(f'{len(notebooks)} notebooks, order of seed {seed}, threads: {threads}', flush=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:  # what the notebooks make is gone afterwards
        os.environ['TMPDIR'], tempfile.tempdir = made, None
        results = parallel(test_nb, notebooks, n_workers=1, skip_flags=['gpu', 'net', 'slow'], basepath=root, pause=0.1)
    failed = [path.name for path, (passed, _) in zip(notebooks, results) if not passed]
    if failed:
        sys.exit(f"in this order (seed {seed}) these fail: {', '.join(failed)}")
    print(f'all passed, in {sum(seconds for _, seconds in results):.0f} s')


if __name__ == '__main__':
    main()
