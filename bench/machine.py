"What a measurement ran on: machine, versions and commit"

import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

root = Path(__file__).resolve().parent.parent


def git(*args) -> str:  # '' where the files lie without their history
    with suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(['git', *args], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    return ''


def versions(*names) -> dict:  # Of Python and of packages, None where one is not installed
    found = dict.fromkeys(names)
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return dict(python=platform.python_version(), **found)


def machine() -> dict:
    info = Path('/proc/cpuinfo')
    cpu = (
        next(
            (line.split(':')[1].strip() for line in info.read_text().splitlines() if line.startswith('model name')), ''
        )
        if info.exists()
        else ''
    )
    # results that other benches have just written do not count
    changed = '+' if git('status', '--porcelain', '--untracked-files=no', '--', ':!bench/*.json') else ''
    return dict(
        machine=f"{os.cpu_count()} cores of {cpu or platform.processor()}, {psutil.virtual_memory().total / 2**30:.0f} GiB",
        versions=', '.join(f'{k} {v}' for k, v in versions('torch', 'transformers', 'av', 'numpy').items()),
        commit=(git('rev-parse', '--short', 'HEAD') or os.environ.get('COMMIT', '')) + changed,
    )
