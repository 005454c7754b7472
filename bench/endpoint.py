"""How busy is a server kept that takes 20 ms for an answer, or 200? python bench/endpoint.py

The server is a process of its own that only reads, waits and answers, so that it is the client that is measured. Kept: the
mean number of requests that the server has in hand, by the number that may be in flight."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
from machine import machine

LATENCIES = (0.02, 0.2)  # seconds
PARALLEL = 8
RECORDS = 1000
REPEATS = 3
FRAMES = 8

ANSWER = json.dumps(
    dict(
        model='bench',
        choices=[dict(message=dict(role='assistant', content='A red ring grows.'), finish_reason='stop')],
    )
).encode()


class Busy:
    "How many requests the server has in hand, over time"

    def __init__(self):
        self.clear()

    def clear(self):
        self.now = 0
        self.held = 0.0  # requests × seconds
        self.first = self.last = time.monotonic()
        self.answers = 0

    def change(self, by):
        moment = time.monotonic()
        if not self.answers and not self.now:
            self.first = self.last = moment
        self.held += self.now * (moment - self.last)
        self.now += by
        self.last = moment
        self.answers += by < 0

    def told(self):
        seconds = self.last - self.first
        return dict(answers=self.answers, seconds=seconds, in_hand=self.held / seconds if seconds else 0)


async def serve():
    "Answer on a free port of this machine, whose number is printed"
    busy = Busy()

    async def talk(reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b'\r\n\r\n')).lower()
                latency = float(head.split(b'/')[1] if head.startswith(b'post') else 0)
                length = int(head.partition(b'content-length:')[2].split(b'\r\n')[0] or 0)
                await reader.readexactly(length)
                body = ANSWER
                if head.startswith(b'get'):
                    body = json.dumps(busy.told()).encode()
                    busy.clear()
                else:
                    busy.change(+1)
                    await asyncio.sleep(latency)
                    busy.change(-1)
                kind = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n'
                writer.write(kind % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, '127.0.0.1', 0, limit=1 << 22)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def frames_like_a_film(rng):
    "uint8 [T, h, w, 3]: smooth shades with a little noise, which compress as frames of a film do"
    height, width = 252, 448
    shade = np.add.outer(np.linspace(0, 120, height), np.linspace(0, 100, width))
    noise = rng.normal(0, 6, (FRAMES, height, width, 3))
    return np.clip(shade[None, :, :, None] + noise, 0, 255).astype(np.uint8)


def measure(url, rows, parallel):
    "What the server tells of one run"
    from shotluck.endpoint import Endpoint

    endpoint = Endpoint(f'{url}#bench', parallel=parallel)
    urllib.request.urlopen(f'{url}/busy').read()
    endpoint.generate(rows, 96)
    told = json.loads(urllib.request.urlopen(f'{url}/busy').read())
    assert told['answers'] == len(rows)
    return dict(kept=told['in_hand'] / parallel, answers_per_second=told['answers'] / told['seconds'])


def row_of(kind, latency, parallel, n, runs):
    "Median and range of several runs"
    kept = [run['kept'] for run in runs]
    speed = [run['answers_per_second'] for run in runs]
    return dict(
        what=kind,
        latency=latency,
        parallel=parallel,
        records=n,
        kept=round(float(np.median(kept)), 3),
        kept_from_to=[round(min(kept), 3), round(max(kept), 3)],
        answers_per_second=round(float(np.median(speed)), 1),
        most_possible=parallel / latency,
    )


def main():
    from shotluck.captioner import Plan
    from shotluck.endpoint import Endpoint

    process = subprocess.Popen([sys.executable, __file__, 'serve'], stdout=subprocess.PIPE, text=True)
    try:
        url = f'http://127.0.0.1:{int(process.stdout.readline())}'
        look = Endpoint(url).look(frames_like_a_film(np.random.default_rng(0)))
        kinds = {
            'words only': [(Plan(f'r/{i}', [f'What is {i}?'], [], 0), []) for i in range(RECORDS)],
            'a shot of 8 frames': [(Plan(f'r/{i}', [0, f'What is {i}?'], [], 0), [look]) for i in range(RECORDS)],
        }
        rows = []
        for kind, records in kinds.items():
            for latency in LATENCIES:
                for parallel in (1, PARALLEL):
                    some = records[: round(2.4 / latency) * parallel]  # 2.4 s if nothing is lost
                    runs = [measure(f'{url}/{latency}', some, parallel) for _ in range(REPEATS)]
                    rows.append(row_of(kind, latency, parallel, len(some), runs))
                    print(rows[-1])
    finally:
        process.terminate()
        process.wait(10)
    results = dict(
        **machine(),
        load=os.getloadavg()[0],  # at the end; above the number of cores, others were at work
        repeats=REPEATS,
        bytes_of_a_shot=sum(map(len, look.jpegs)),
        rows=rows,
    )
    path = Path(__file__).with_suffix('.json')
    path.write_text(json.dumps(results, indent=1) + '\n', encoding='utf-8')


if sys.argv[1:] == ['serve']:
    asyncio.run(serve())
else:
    main()
