"""What captioning costs beside PySceneDetect's own command, and that memory does not grow with the film: python bench/caption.py

CPU time, user and system, of whole processes; both sides in turns. The film is the 52 s trailer that comes with the package; the long videos are one made minute, repeated without encoding it again."""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def cpu(who=resource.RUSAGE_SELF):
    u = resource.getrusage(who)
    return u.ru_utime + u.ru_stime


def one(video, out):
    "In a process of its own: caption one video, with CPU seconds and the peak of memory by part"
    start = cpu()
    import jinja2
    import PIL.Image
    import scenedetect
    import tqdm.auto  # what is otherwise imported on first use

    import shotluck.evaluate
    import shotluck.finetune
    import shotluck.model
    from shotluck.caption import caption_file
    from shotluck.configs import CaptionCfg
    from shotluck.llava import VideoLlava
    from shotluck.llava_captioner import LlavaCaptioner

    captioner = shotluck.model.load_captioner('nano')
    loaded, spent = cpu(), [0.0]

    def timed(f):
        def g(*a, **kw):
            t = cpu()
            try:
                return f(*a, **kw)
            finally:
                spent[0] += cpu() - t

        return g

    VideoLlava.see = timed(VideoLlava.see)
    LlavaCaptioner.generate = timed(LlavaCaptioner.generate)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall = time.time()
    caption_file(Path(video), Path(out), lambda: (captioner, ''), CaptionCfg(model='nano', quiet=True))
    j = json.loads(next(Path(out).glob('*.json')).read_text())
    print(
        json.dumps(
            dict(
                imports=loaded - start,
                model=spent[0],
                wall=time.time() - wall,
                shots=len(j['shots']),
                parts=len(j['parts']),
                peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                loaded_mb=base / 1024,
                page_mb=next(Path(out).glob('*.html')).stat().st_size / 1e6,
            )
        )
    )


def ours(video):
    with tempfile.TemporaryDirectory() as out:
        before = cpu(resource.RUSAGE_CHILDREN)
        r = subprocess.run([sys.executable, __file__, 'one', str(video), out], capture_output=True, text=True)
        if r.returncode:
            sys.exit(r.stderr)
        row = json.loads(r.stdout.splitlines()[-1])
        # its workers decode, look for shots and choose stills: they count once they have ended
        return row | dict(rest=cpu(resource.RUSAGE_CHILDREN) - before - row['imports'] - row['model'])


def command(*args):
    "CPU seconds of PySceneDetect's command"
    with tempfile.TemporaryDirectory() as out:
        before = cpu(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [str(Path(sys.executable).parent / 'scenedetect'), *(a.replace('OUT', out) for a in args)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return cpu(resource.RUSAGE_CHILDREN) - before, len(list(Path(out).glob('*.jpg')))


def main(repeats: int = 5, minutes=(1, 5, 15, 60, 120)):
    from machine import machine, root

    from shotluck.download import film_dir
    from shotluck.files import ffmpeg_exe, write_json
    from shotluck.shapes import plan_video, render_video

    film_, theirs, mine, bare = Path(film_dir()) / 'sintel_trailer_360p.mp4', [], [], []
    for i in range(repeats):
        t, n = command('-q', '-i', str(film_), '-o', 'OUT', 'detect-adaptive', 'save-images', '-n', '1')
        theirs.append(t)
        bare.append(command('version')[0])
        mine.append(ours(film_))
        print(f"{i}: PySceneDetect {t:.1f} s ({n} images), ours {mine[-1]}", flush=True)

    def mid(xs):
        return (round(statistics.median(xs), 2), round(min(xs), 2), round(max(xs), 2))

    rest = [m["rest"] for m in mine]
    rows = [
        dict(zip(('what', 'median', 'lowest', 'highest'), (what, *mid(xs))))
        for what, xs in {
            "PySceneDetect's command: detect, one image a shot": theirs,
            '… of that starting and imports': bare,
            'ours: imports, loading the model': [m['imports'] for m in mine],
            'ours: the model (nano)': [m['model'] for m in mine],
            'ours: everything else': rest,
            "everything else / PySceneDetect's command": [a / b for a, b in zip(rest, theirs)],
            '… / the command without its imports': [a / (b - c) for a, b, c in zip(rest, theirs, bare)],
        }.items()
    ]
    for r in rows:
        print(r)
    long = []
    with tempfile.TemporaryDirectory() as tmp:
        q = [s for i in range(8) for s in plan_video('test', i, 0)['slots']][:15]
        render_video(
            dict(
                plan_video('test', 0, 0),
                video='minute.mp4',
                slots=q,
                video_names=[f'minute_{48 * i}_{48 * i + 47}.mp4' for i in range(len(q))],
            ),
            f'{tmp}/minute.mp4',
            0,
        )
        for m in minutes:
            subprocess.run(
                [
                    ffmpeg_exe(),
                    '-v',
                    'error',
                    '-y',
                    '-stream_loop',
                    str(m - 1),
                    '-i',
                    f'{tmp}/minute.mp4',
                    '-c',
                    'copy',
                    f'{tmp}/{m}.mp4',
                ],
                check=True,
            )
            r = ours(f'{tmp}/{m}.mp4')
            long.append(dict(minutes=m, **{k: round(v, 2) for k, v in r.items()}))
            print(long[-1], flush=True)
    write_json(
        root / 'bench' / 'caption.json',
        dict(
            machine(),
            film=film_.name,
            unit='CPU seconds',
            repeats=repeats,
            threads=os.environ.get('OMP_NUM_THREADS', 'default'),
            rows=rows,
            long=long,
        ),
    )


if __name__ == '__main__':
    if sys.argv[1:2] == ['one']:
        one(*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:2]))
