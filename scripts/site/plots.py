"Plots of what bench/*.json holds, as SVG that can be read on light and on dark paper"

import io
import json
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

BENCH = Path(__file__).resolve().parents[2] / 'bench'
INK = '#808080'  # is read on white and on black
STRONG = '#c2571a'
WEAK = '#a9a9a9'


def _read(name):  # What a bench has written
    return json.loads((BENCH / f'{name}.json').read_text(encoding='utf-8'))


def _axes(height, grid='x'):  # Empty axes without a frame
    figure = Figure(figsize=(6.4, height), layout='constrained')
    axes = figure.add_subplot()
    axes.spines[:].set_visible(False)
    axes.grid(axis=grid, color=INK, alpha=0.3, linewidth=0.6)
    axes.tick_params(colors=INK, length=0)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(INK)
    return axes


def _svg(axes):  # The figure as a text
    out = io.StringIO()
    with matplotlib.rc_context({'svg.fonttype': 'none', 'font.family': 'sans-serif', 'svg.hashsalt': 'shotluck'}):
        axes.figure.savefig(out, format='svg', transparent=True, metadata={'Date': None})
    return out.getvalue()


def _bars(values, unit, strong=()):  # {what: value} as bars from top to bottom, with the numbers beside them
    axes = _axes(0.6 + 0.36 * len(values))
    names = list(values)
    colours = [STRONG if name in strong else WEAK for name in names]
    bars = axes.barh(names, list(values.values()), color=colours, height=0.62)
    axes.bar_label(bars, padding=4, color=INK)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(unit)
    return _svg(axes)


def demo() -> str:
    "How much of each kind of word is right, with its source and without it"
    run = _read('demo')
    right, gone = run['accuracy'], run['controls']
    values = {
        'colour': right['colour'],
        'colour, blank frames': gone['blank_colour'],
        'motion': right['motion'],
        'motion, blank frames': gone['blank_motion'],
        'left from right, shuffled frames': gone['shuffled_left_right'],
        'name': right['name'],
        'name, speech removed': gone['no_speech_name'],
    }
    rounded = {name: round(value, 2) for name, value in values.items()}
    return _bars(rounded, 'share of captions in which it is right', ('colour', 'motion', 'name'))


def finetune() -> str:
    "Samples a second of fine-tuning, each way"
    rows = _read('finetune')['speed']['rows']
    return _bars({name: row['samples_per_s'] for name, row in rows.items()}, 'samples a second, whole run', ('ours',))


def predictions() -> str:
    "Captions a second of prediction, each way"
    speed = _read('evaluate_generate')['captions_per_second']
    names = dict(
        one_by_one='stock, one by one',
        cold='ours, from raw videos',
        with_controls='ours, with two controls',
        disk='ours, features on disk',
        cached='ours, features in memory',
    )
    return _bars({label: speed[name] for name, label in names.items()}, 'captions a second', tuple(names.values())[1:])


def memory() -> str:
    "Peak memory of captioning over the length of the film"
    rows = _read('caption')['long']
    axes = _axes(2.6, 'y')
    minutes = [row['minutes'] for row in rows]
    axes.plot(minutes, [row['peak_mb'] for row in rows], color=STRONG, marker='o', label='peak')
    axes.axhline(rows[0]['loaded_mb'], color=WEAK, label='Python, torch and nano')
    axes.set_ylim(0, None)
    axes.set_xlabel('minutes of film')
    axes.set_ylabel('MB')
    axes.legend(frameon=False, labelcolor=INK, loc='lower right')
    return _svg(axes)


def corrections() -> str:
    "CIDEr on unseen videos before and after one round of corrections"
    run = _read('corrections')
    return _bars({when: run[when]['CIDEr'] for when in ('before', 'after')}, 'CIDEr on unseen videos', ('after',))


PLOTS = dict(demo=demo, finetune=finetune, predictions=predictions, memory=memory, corrections=corrections)
