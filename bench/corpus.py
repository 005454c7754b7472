"""What captioning a large corpus would take, simulated from rates that were measured here: python bench/corpus.py

    python bench/corpus.py --hours 100000 --machines 32 --parts 256 --captions_per_second 12

Measured (bench/caption.json, bench/page.json): processor time of finding shots and reading their frames, and bytes of a
page. Assumed, since no GPU was at hand, and to be replaced by your own: captions a second of a GPU, how often a machine
is lost, prices. A machine is lost at random; its part is begun again by the next that is free, which loads the model and
finds what was finished, so that only the video it was at is done again.
"""

import argparse
import heapq

import numpy as np
from machine import machine, root

from shotluck.files import write_json
from shotluck.text import read_json
from shotluck.video import probe


def rates() -> dict:
    "Measured: core-seconds to read a second of a film of 360 lines, MB of the page of an hour"
    rows = {row['what']: row['median'] for row in read_json(root / 'bench' / 'caption.json')['rows']}
    film = probe(root / 'shotluck' / 'data' / 'film' / 'sintel_trailer_360p.mp4')
    return dict(
        core_seconds=round(rows['ours: everything else'] / film.duration, 4),
        page_mb_an_hour=read_json(root / 'bench' / 'page.json')['hour_of_1000_shots_mb'],
    )


def video_seconds(args, rng) -> np.ndarray:
    "Lengths of the videos: log-normal around the median, as on video sites, until the hours are full"
    n = int(args.hours * 3600 / (args.median_seconds * np.exp(args.spread**2 / 2)))
    return rng.lognormal(np.log(args.median_seconds), args.spread, n)


def part_seconds(args, lengths, measured, rng) -> tuple:
    "(seconds that each part takes a machine, seconds that the longest video of each takes)"
    shots = lengths / args.shot_seconds
    model = shots * (1 + 1 / args.shots_a_summary) / args.captions_per_second
    reading = lengths * measured['core_seconds'] * args.pixels / args.cores
    seconds = np.maximum(model, reading)  # one goes on while the other works
    seconds[rng.random(len(lengths)) < args.hanging] += 300 / args.cores  # the limit of time of a decoder
    part = rng.integers(0, args.parts, len(lengths))  # a hash of the name
    longest = np.zeros(args.parts)
    np.maximum.at(longest, part, seconds)
    return np.bincount(part, seconds, args.parts), longest


def simulate(args, parts, longest, rng) -> dict:
    "Machines take parts in turn until all are done; some are lost on the way and come back later"
    free = [(0.0, number) for number in range(args.machines)]
    heapq.heapify(free)
    waiting = list(zip(parts, longest))[::-1]
    lost = redone = busy = end = 0.0
    while waiting:
        now, number = heapq.heappop(free)
        work, one_video = waiting.pop()
        need = args.load_seconds + work
        until_lost = rng.exponential(args.hours_between_losses * 3600)
        if until_lost >= need:
            busy += need
            end = max(end, now + need)
            heapq.heappush(free, (now + need, number))
            continue
        lost += 1
        done = max(0.0, until_lost - args.load_seconds)
        again = min(done, rng.uniform(0, one_video))  # what it had done of one video
        redone += until_lost - done + again
        busy += until_lost
        waiting.append((work - done + again, one_video))
        heapq.heappush(free, (now + until_lost + args.repair_hours * 3600, number))
    return dict(
        days=round(float(end) / 86400, 2),
        machine_hours=round(busy / 3600),
        busy=round(float(busy / (end * args.machines)), 3),
        machines_lost=int(lost),
        hours_done_again=round(float(redone) / 3600, 1),
    )


def plan(args) -> dict:
    rng = np.random.default_rng(args.seed)
    measured = rates()
    lengths = video_seconds(args, rng)
    parts, longest = part_seconds(args, lengths, measured, rng)
    row = simulate(args, parts, longest, rng)
    hours = lengths.sum() / 3600
    shots = lengths.sum() / args.shot_seconds
    return row | dict(
        parts=args.parts,
        videos=len(lengths),
        shots=int(shots),
        reading_core_hours=round(hours * measured['core_seconds'] * args.pixels),
        cores_to_feed_a_gpu=round(
            measured['core_seconds'] * args.pixels * args.shot_seconds * args.captions_per_second, 1
        ),
        pages_gb=round(shots / 1000 * measured['page_mb_an_hour'] / 1000),
        videos_gb=round(hours * args.mbit * 0.45),
        cost=round(row['machine_hours'] * args.price),
    )


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--hours', type=float, default=100_000, help='of video')
    add('--median_seconds', type=float, default=240, help='of a video')
    add('--spread', type=float, default=1.0, help='of the logarithm of the lengths')
    add('--shot_seconds', type=float, default=4.2, help='of a shot')
    add('--shots_a_summary', type=float, default=57, help='shots for which one summary is written')
    add('--pixels', type=float, default=4, help='times those of 360 lines; reading is taken to grow with them')
    add('--machines', type=int, default=32, help='each with one GPU')
    add('--cores', type=int, default=16, help='of a machine')
    add('--parts', type=int, default=256, help='of --shard i/n')
    add('--captions_per_second', type=float, default=12, help='of a GPU: assumed')
    add('--hours_between_losses', type=float, default=200, help='of a machine: assumed')
    add('--repair_hours', type=float, default=0.5, help='until another takes its place: assumed')
    add('--load_seconds', type=float, default=60, help='to load the model: assumed')
    add('--hanging', type=float, default=1e-4, help='share of videos whose decoder hangs: assumed')
    add('--mbit', type=float, default=2, help='a second, of the videos')
    add('--price', type=float, default=2.5, help='of an hour of a machine: assumed')
    add('--seed', type=int, default=0)
    return parser.parse_args()


def main():
    args = arguments()
    rows = {}
    given = vars(args)
    for name, change in (
        ('as given', {}),
        ('one part a machine', dict(parts=args.machines)),
        ('a tenth of the machines', dict(machines=max(1, args.machines // 10))),
        ('machines lost ten times as often', dict(hours_between_losses=args.hours_between_losses / 10)),
        ('a quarter of the cores', dict(cores=max(1, args.cores // 4))),
    ):
        rows[name] = plan(argparse.Namespace(**{**given, **change}))
        print(name, rows[name])
    write_json(root / 'bench' / 'corpus.json', dict(given=given, measured=rates(), rows=rows) | machine())


if __name__ == '__main__':
    main()
