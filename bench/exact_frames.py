"Are the frames read exactly those asked for? Numbered frames in every codec and container trick: python bench/exact_frames.py"

import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import decord
import numpy as np
from machine import machine

import shotluck.seeking
from shotluck.files import ffmpeg_exe, write_json
from shotluck.video import _pad, probe, read_frames, write_video

N, W, H = 211, 320, 180


def numbered(n=N):
    bits = ((np.arange(n)[:, None] >> np.arange(8)) & 1) * 255  # [n, 8]: eight bars
    x = np.repeat(bits, W // 8, 1)[:, None].repeat(H, 1)
    return x[..., None].repeat(3, -1).astype('uint8')


def number(frames, turned=0):  # of square, padded frames
    if turned:
        frames = np.rot90(frames, 4 - turned // 90, axes=(1, 2))
    s = frames.shape[2]
    return ((frames[:, s // 2, s // 16 :: s // 8, 1] > 127) << np.arange(8)).sum(-1).tolist()


def ffmpeg(*a):
    subprocess.run([ffmpeg_exe(), '-y', '-loglevel', 'error', *map(str, a)], check=True, stdin=subprocess.DEVNULL)


def seconds(path):  # of the frames that ffmpeg shows, from the first on
    text = subprocess.run(
        [
            ffmpeg_exe(),
            '-loglevel',
            'error',
            '-i',
            str(path),
            '-map',
            '0:v:0',
            '-fps_mode',
            'passthrough',
            '-enc_time_base',
            'demux',
            '-f',
            'framecrc',
            '-',
        ],
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    num, den = map(int, next(line for line in text if line.startswith('#tb')).split()[-1].split('/'))
    times = np.array([int(line.split(',')[2]) for line in text if line[0] != '#']) * num / den
    return times - times[0]


def truth(path):  # what ffmpeg -fps_mode passthrough shows, as numbers
    raw = subprocess.run(
        [
            ffmpeg_exe(),
            '-loglevel',
            'error',
            '-i',
            str(path),
            '-map',
            '0:v:0',
            '-fps_mode',
            'passthrough',
            '-vf',
            'scale=320:320:force_original_aspect_ratio=decrease,pad=320:320:-1:-1',
            '-f',
            'rawvideo',
            '-pix_fmt',
            'rgb24',
            '-',
        ],
        capture_output=True,
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, 320, 320, 3)


decord.logging.set_level(decord.logging.QUIET)
tmp = Path(tempfile.mkdtemp())
src = tmp / 'src.mkv'
write_video(src, numbered(), 25, codec='ffv1', options={})
x264, x265 = (
    ['-c:v', 'libx264', '-preset', 'veryfast', '-threads', '1'],
    ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params'],
)
vfr = "settb=1/1000,setpts='N*40+mod(N*N,7)*11'"
kinds = {
    'h264 B-frames mp4': [*x264, '-bf', '3', '-g', '60', 'a.mp4'],
    'h264 open GOP mp4': [*x264, '-bf', '3', '-g', '30', '-x264-params', 'open-gop=1', 'b.mp4'],
    'h264 GOP 250 mkv': [*x264, '-g', '250', 'c.mkv'],
    'h264 VFR mp4': ['-vf', vfr, '-fps_mode', 'passthrough', *x264, 'd.mp4'],
    'h264 VFR mkv': ['-vf', vfr, '-fps_mode', 'passthrough', *x264, 'd.mkv'],
    'h264 ts': [*x264, '-bf', '3', 'e.ts'],
    'h264 interlaced mp4': [*x264, '-flags', '+ildct+ilme', 'f.mp4'],
    'h264 avi': [*x264, '-bf', '2', 'f.avi'],
    'h264 flv': [*x264, 'f.flv'],
    'hevc B-frames mp4': [*x265, 'bframes=3:keyint=60:log-level=none', 'g.mp4'],
    'hevc open GOP mp4': [*x265, 'bframes=3:keyint=30:open-gop=1:log-level=none', 'h.mp4'],
    'hevc VFR mkv': ['-vf', vfr, '-fps_mode', 'passthrough', *x265, 'log-level=none', 'i.mkv'],
    'vp9 webm': ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-b:v', '300k', 'j.webm'],
    'vp9 alt-ref mp4': [
        '-c:v',
        'libvpx-vp9',
        '-deadline',
        'good',
        '-cpu-used',
        '5',
        '-auto-alt-ref',
        '1',
        '-lag-in-frames',
        '16',
        '-b:v',
        '300k',
        'j.mp4',
    ],
    'vp9 VFR webm': [
        '-vf',
        vfr,
        '-fps_mode',
        'passthrough',
        '-c:v',
        'libvpx-vp9',
        '-deadline',
        'realtime',
        '-cpu-used',
        '8',
        'k.webm',
    ],
    'vp8 webm': [
        '-c:v',
        'libvpx',
        '-deadline',
        'realtime',
        '-auto-alt-ref',
        '1',
        '-lag-in-frames',
        '16',
        '-b:v',
        '300k',
        'k8.webm',
    ],
    'av1 mp4': ['-c:v', 'libsvtav1', '-preset', '12', '-svtav1-params', 'lp=1', 'l.mp4'],
    'av1 mkv': ['-c:v', 'libaom-av1', '-cpu-used', '8', '-usage', 'realtime', 'l.mkv'],
    'mpeg2 B-frames mpg': ['-c:v', 'mpeg2video', '-bf', '2', '-b:v', '2M', 'm.mpg'],
    'mpeg2 ts': ['-c:v', 'mpeg2video', '-bf', '2', '-b:v', '2M', 'm.ts'],
    'mpeg4 avi': ['-c:v', 'mpeg4', '-bf', '2', '-b:v', '2M', 'm.avi'],
    'vp8 two-pass webm': ['-c:v', 'libvpx', '-auto-alt-ref', '1', '-lag-in-frames', '25', '-b:v', '300k', 'k9.webm'],
    'h264 tff ts': [*x264, '-flags', '+ildct+ilme', '-x264-params', 'tff=1', 'f.ts'],
    'hevc ts': [*x265, 'bframes=3:keyint=60:log-level=none', 'g.ts'],
    'h264 raw': [*x264, '-bf', '3', 'g.h264'],
    'hevc raw': [*x265, 'log-level=none', 'h.h265'],
    'mpeg2 raw': ['-c:v', 'mpeg2video', '-bf', '2', '-b:v', '2M', 'i.m2v'],
    'mpeg2 mkv': ['-c:v', 'mpeg2video', '-bf', '2', '-b:v', '2M', 'i.mkv'],
    'mpeg2 mxf': ['-c:v', 'mpeg2video', '-bf', '2', '-b:v', '2M', 'i.mxf'],
    'h264 B-frames avi': [*x264, '-bf', '3', 'j.avi'],
    'wmv2 wmv': ['-c:v', 'wmv2', '-b:v', '2M', 'j.wmv'],
    'theora ogv': ['-c:v', 'libtheora', '-b:v', '1M', 'n.ogv'],
    'mjpeg avi': ['-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p', 'o.avi'],
    'gif': ['o.gif'],
}
derived = {  # made from one of the above without encoding anew
    'h264 edit list mp4': ('a.mp4', ['-ss', '1.3', '-c', 'copy', 'p.mp4']),
    'hevc edit list mp4': ('g.mp4', ['-ss', '1.3', '-c', 'copy', 'q.mp4']),
    'h264 open GOP cut mkv': ('b.mp4', ['-ss', '2.5', '-c', 'copy', 'q.mkv']),
    'hevc open GOP cut mkv': ('h.mp4', ['-ss', '2.5', '-c', 'copy', 'r.mkv']),
    'vp9 edit list mp4': ('j.mp4', ['-ss', '1.3', '-c', 'copy', 'r.mp4']),
    'av1 edit list mp4': ('l.mp4', ['-ss', '1.3', '-c', 'copy', 's.mp4']),
    'h264 ts cut off key frame': ('e.ts', ['-ss', '1.3', '-c', 'copy', 's.ts']),
    'h264 start not at 0': ('a.mp4', ['-c', 'copy', '-output_ts_offset', '5', 't.mkv']),
    **{f'h264 rotated {r}': ('a.mp4', ['-c', 'copy', f'u{r}.mp4']) for r in (90, 180, 270)},
    'hevc rotated 90': ('g.mp4', ['-c', 'copy', 'v90.mp4']),
}

joined = {  # bytes of one of the above cut or joined: name -> (file, what is done to its bytes, whole packets)
    'h264 ts cut within a group': ('e.ts', lambda x: x[len(x) // 3 // 188 * 188 :]),
    'hevc ts cut within a group': ('g.ts', lambda x: x[len(x) // 3 // 188 * 188 :]),
    'mpeg2 ts cut within a group': ('m.ts', lambda x: x[len(x) // 3 // 188 * 188 :]),
    'h264 ts with its clock set back': ('e.ts', lambda x: x + x),
    'mpeg2 ts with its clock set back': ('m.ts', lambda x: x + x),
    'h264 ts cut off': ('e.ts', lambda x: x[: len(x) // 2]),
    'h264 avi cut off': ('j.avi', lambda x: x[: len(x) * 2 // 3]),
}

rows, bad = [], 0
for name, args in [*kinds.items(), *derived.items(), *joined.items()]:
    turned = int(name.split()[-1]) if 'rotated' in name else 0
    if name in joined:
        base, change = args
        out = tmp / f'{name}{Path(base).suffix}'
        out.write_bytes(change((tmp / base).read_bytes()))
    else:
        base, args = (tmp / args[0], args[1]) if name in derived else (src, args)
        out = tmp / args[-1]
    try:
        if name in joined:
            pass
        elif 'two-pass' in name:
            for k in (1, 2):
                ffmpeg(
                    '-i',
                    base,
                    '-vf',
                    'noise=alls=8:allf=t',
                    *args[:-1],
                    '-threads',
                    1,
                    '-passlogfile',
                    tmp / 'log',
                    '-pass',
                    k,
                    out,
                )
        else:
            ffmpeg(
                *(['-display_rotation', turned] if turned else []),
                *(['-ss', args[1]] if name in derived and args[0] == '-ss' else []),
                '-i',
                base,
                *(args[2:-1] if args[0] == '-ss' else args[:-1]),
                out,
            )
    except subprocess.CalledProcessError:
        rows.append(dict(kind=name, made=False))
        print(name, 'could not be made')
        continue
    want = number(truth(out), turned)
    info, row = probe(out), dict(kind=name, made=True, shown=len(want))
    row['probe'] = info.frames
    row['times'] = len(want) == info.frames and bool(abs(info.times - info.times[0] - seconds(out)).max() < 2e-3)
    idxs = sorted(set(np.linspace(0, len(want) - 1, 16).astype(int).tolist() + [0, 1, len(want) - 1]))

    def exact(f):
        try:
            return number(f(), turned) == [want[i] for i in idxs]
        except Exception as e:
            return f'{type(e).__name__}: {e}'[:120]

    row['read_frames'] = exact(lambda: read_frames(out, idxs, 320))
    in_order = []  # the frames that were read in order, as they lie in the first group, or cannot be proved

    def noted(path, info, wanted, read=shotluck.seeking.iter_in_order):
        in_order.extend(wanted)
        return read(path, info, wanted)

    def each_by_seeking():  # every frame in a call of its own, from the key frame before it wherever there is one
        how = dict(FRAMES_PER_SEEK=0, FRAMES_PER_SEARCH=0, iter_in_order=noted)
        with patch.multiple(shotluck.seeking, **how):
            return np.concatenate([read_frames(out, [i], 320) for i in idxs])

    row['by_seeking'] = exact(each_by_seeking)
    row['sought'] = f'{len(idxs) - len(in_order)} of {len(idxs)}'
    w, h = (320, 180) if not turned % 180 else (180, 320)
    row['decord'] = exact(
        lambda: _pad(decord.VideoReader(str(out), width=w, height=h, num_threads=1).get_batch(idxs).asnumpy(), 320)
    )
    row['exact'] = row['times'] and row['read_frames'] is True and row['by_seeking'] is True
    bad += not row['exact']
    rows.append(row)
    print(name, row)
if __name__ == '__main__':
    write_json(
        Path(__file__).with_suffix('.json'),
        dict(
            machine(),
            frames=N,
            kinds=sum(r['made'] for r in rows),
            exact=sum(r.get('exact', False) for r in rows),
            decord_exact=sum(r.get('decord') is True for r in rows),
            rows=rows,
        ),
    )
    sys.exit(bool(bad))
