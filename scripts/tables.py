"""The tables that README and the pages in docs/ are filled with, from bench/*.json and from the notebooks

A place to fill stands in a page as `<!-- filled: NAME -->`, the table, `<!-- /filled -->`;
scripts/check_fresh.py --fix fills it.
"""

import json
import re
from pathlib import Path

root = Path(__file__).resolve().parent.parent


def read_bench(name: str):
    "What a bench has written"
    return json.loads((root / 'bench' / f'{name}.json').read_text(encoding='utf-8'))


def demo_table() -> str:
    "The kept run of the demo, as markdown"
    from shotluck.claims import scores_table, table

    r = read_bench('demo')

    def md(df):
        return '\n'.join(
            '| ' + ' | '.join(map(str, row)) + ' |'
            for row in [df.columns, ['---'] * len(df.columns), *df.values.tolist()]
        )

    sec = r['seconds']
    return (
        f"One run, on {r['machine']}, commit `{r['commit']}`: {sec['total'] / 60:.1f} minutes after installing (of which fine-tuning {sec['finetune'] / 60:.1f}), peak memory {r['peak_gb']} GB.\n\n{md(table(r))}\n\n"
        f"Film shots were in training, so this is a test of memory: {r['film']['own']:.1%} are recalled from their own frames, {r['film']['other']:.1%} from another shot's. Scores on the test shapes, with 95 % intervals over videos:\n\n{md(scores_table(r))}"
    )


def finetune_table() -> str:
    "Fine-tuning's measurements, as markdown"
    one = read_bench('finetune')
    m, f, v, p = (one[k] for k in ('memory', 'first', 'speed', 'processes'))
    names = {'ours again, features from disk': 'ours, second run: its features are on disk already'}
    speed = '\n'.join(
        f"| {names.get(k, k)} | {r['samples_per_s']} | {' '.join(map(str, r['each_epoch']))} | {r.get('run_ratio', 1)} × | {r.get('later_ratio', 1)} × |"
        for k, r in v['rows'].items()
    )
    load = one['order']['microseconds_a_record']
    return f"""Against stock Trainer and stock Llava, which decode and encode at every step (`python bench/finetune.py`; a small model with `1.5b`'s proportions, {v['records']} records of {v['videos']} videos, {v['epochs']} epochs, the same batches and losses, {v['cores']} cores without a GPU; decoding is {v['decode_share_of_stock_run']:.0%} of stock's time, the tower {v['tower_share_of_flops']:.0%} of the operations). Each row below *ours* changes one thing of it. Rows are single runs; why the last epoch of *features in memory* was slower than its others was not looked into:

| run | samples/s, whole run | samples/s, epochs 1, 2, 3 | whole run, against stock | later epochs, against stock |
|---|---|---|---|---|
{speed}

With decoding left out on both sides, later epochs are {v['later_epochs_decoded_before']} × as fast. Decoding ahead gains nothing here, as the model has both cores. At a vocabulary of 32k and {m['tokens']} tokens a record, logits at answers only keep peak memory at {m['ratio']:.2f} × stock's. Time to the first step on {f["records"]:,} records: {f["ratio"]:.2f} × stock's. Two processes against one from stored features, a thread each: {p['ratio']} × the samples/s. To place a record in the order of training takes {load['1000']['order_us']} µs, to read its features from disk {load['1000']['cache_load_us']} µs (at 1,000 records; {load['100000']['order_us']} and {load['100000']['cache_load_us']} µs at 100,000)."""


def loss_table() -> str:
    "How far the losses of other ways are from one process's, as markdown"
    runs = read_bench('finetune_parallel')
    rows = [
        f"| {name} | {run['largest_difference']:.1e} |" for name, run in runs.items() if not name.endswith('command')
    ]
    return """Largest difference of the loss from one process's in 20 steps at the same global batch (float32, CPU, gloo; `python bench/finetune_parallel.py`), for `nano` and tiny checkpoints of the three families (`llama`, with as many or fewer heads for keys and values: `mha`, `gqa`; `stablelm`; `phi`); with validation captions, their pages are those of one process too. bfloat16 keeps two to three digits, so that sums in another order agree to these only:

| run | difference |
|---|---|
""" + '\n'.join(rows)


def measured() -> str:
    "What the other stages cost, as markdown"
    b = {
        k: read_bench(k)
        for k in 'convert_speed prepare_speed load evaluate_generate evaluate_score caption corrections'.split()
    }
    c = {r['videos']: r for r in b['convert_speed']['rows']}
    small, big = c[20023], c[134000]
    p, g, cap = (
        b['prepare_speed']['ratios'],
        b['evaluate_generate'],
        {r['what']: r['median'] for r in b['caption']['rows']},
    )
    beside = cap["everything else / PySceneDetect's command"]

    def ratio(start):
        return next(v for k, v in p.items() if k.startswith(start))

    long = ', '.join(f"{r['peak_mb']:.0f} MB at {r['minutes']} min" for r in b['caption']['long'])
    rows = [
        (
            'convert, 20,023 videos, 1 process',
            f"{small['convert_over_json']} × the CPU of plain `json.load` and `json.dump` of the annotations; a run that finds nothing new {small['no_change_over_load']} × the `json.load`",
            'convert_speed',
        ),
        (
            'convert, 134,000 videos, 1 process',
            f"{big['convert_over_json']} ×, {big['convert 1 worker']['wall']:.0f} s, {big['convert 1 worker']['peak_mb']} MB",
            'convert_speed',
        ),
        ('probing a video of 16 s', f"{b['convert_speed']['probing']['ms_a_video']} ms of CPU", 'convert_speed'),
        (
            'raw videos to 16 frames of each shot',
            f"{ratio('raw to arrays'):.1f} × less CPU than cutting clips with ffmpeg and reading them",
            'prepare_speed',
        ),
        (
            '`shotluck-split --write`',
            f"{ratio('write clips'):.1f} × less CPU than an ffmpeg call for each shot, {ratio('bytes ours'):.2f} × the bytes, SSIM {'lower' if ratio('SSIM') < 0 else 'higher'} by {abs(ratio('SSIM')):.4f}",
            'prepare_speed',
        ),
        (
            'frames of all shots in one pass',
            f"{ratio('one pass / one by one'):.2f} × the CPU of reading clips one by one, {ratio('one pass / plain PyAV'):.2f} × a plain PyAV loop, {ratio('one pass / plain decord'):.2f} × decord",
            'prepare_speed',
        ),
        (
            'predictions, `nano`, 400 shapes records',
            f"{g['ratio']['cold']} × the captions/s of stock `generate` one by one, from raw videos; {g['ratio']['with_controls']} × with the controls blank and other; {g['ratio']['disk']} × with `--cache_dir` filled by a run before; the same texts",
            'evaluate_generate',
        ),
        (
            'one round of corrections: captions of unseen videos, before and after',
            f"CIDEr {b['corrections']['before']['CIDEr']} and {b['corrections']['after']['CIDEr']}, learning from "
            f"{b['corrections']['corrected']} corrected shots of {b['corrections']['videos']} generated videos",
            'corrections',
        ),
        (
            'scores of 4,000 shots and 4,000 summaries, 1,000 draws',
            f"{b['evaluate_score']['ratio']} × the time of calling pycocoevalcap's scorers once, {b['evaluate_score']['peak_gb']['ours']} GB",
            'evaluate_score',
        ),
        (
            '`shotluck-caption` on a trailer of 52 s, without imports and model',
            f"{beside} × the CPU of PySceneDetect's own command, {cap['… / the command without its imports']} × of that without its imports",
            'caption',
        ),
        (
            'its memory on a generated film',
            f"{long}; {b['caption']['long'][0]['loaded_mb']:.0f} MB of it are Python, torch and `nano`",
            'caption',
        ),
        (
            'loading a checkpoint of 2.2 GB',
            f"{max(r['ratio'] for r in b['load']['rows'])} × its size of anonymous memory (RAM that is not the mapped file)",
            'load',
        ),
    ]
    return '| what | measured | `python bench/…` |\n|---|---|---|\n' + '\n'.join(
        f'| {a} | {m} | `{k}.py` |' for a, m, k in rows
    )


def demo_line() -> str:
    "The kept run of the demo in a sentence"
    run = read_bench('demo')
    right, gone = run['accuracy'], run['controls']
    return (
        f"In the run kept in `bench/demo.json` ({run['machine']}) it took {run['seconds']['total'] / 60:.0f} minutes after "
        f"installing and {run['peak_gb']} GB of memory. On videos it never saw, {right['colour']:.0%} of the captions had the right "
        f"colour, and {gone['blank_colour']:.0%} with blank frames. Each shape has a name that is only spoken, never shown: "
        f"{right['name']:.0%} had it right, and {gone['no_speech_name']:.0%} without the speech. With the frames in reverse order, "
        f"{gone['reversed_flip']:.0%} named the opposite direction."
    )


def round_trip_facts() -> str:
    "What one round of corrections took, and what came of it, in a few sentences"
    run = read_bench('round_trip')
    before, after = run['scores']['before'], run['scores']['after']
    approved = f", ticked {run['approved']} as right" if run['approved'] else ''
    left = run['shots'] - run['written'] - run['approved']
    left_alone = f" (it left {left} alone, where a cut had not been found)" if left else ''
    return (
        f"This round took {run['videos']} videos: the script wrote {run['written']} of {run['shots']} captions{left_alone}{approved}, "
        f"and {run['summaries']} summaries. Then the model was scored on {run['unseen_videos']} other videos. Captions with colour, form, "
        f"motion, background and name all right: {before['right']} of {before['of']} before, {after['right']} of {after['of']} after. "
        f"CIDEr: {before['CIDEr']:.2f} before, {after['CIDEr']:.2f} after."
    )


def _printed(lines):  # What a command printed, as a block of text
    return '\n'.join(['```text', *lines, '```'])


def round_trip_converted() -> str:
    "What the conversion of the corrections printed"
    return _printed(read_bench('round_trip')['converted'])


def round_trip_trained() -> str:
    "What the fine-tuning on the corrections printed"
    return _printed(read_bench('round_trip')['trained'])


def round_trip_unseen() -> str:
    "What was said of an unseen video, beside the truth"
    rows = [
        f"| {row['of']} | {row['truth']} | {row['before']} | {row['after']} |"
        for row in read_bench('round_trip')['unseen']['rows']
    ]
    return '| | what is true | before | after |\n|---|---|---|---|\n' + '\n'.join(rows)


def shots_table() -> str:
    "How well detectors find the annotated transitions"
    run = read_bench('shots')
    rows = [
        f"| `{row['detector']}` | {row['hard found']} | {row['soft found']} | {row['false']} | {row['F1']} | {row['frames per CPU second']} |"
        for row in run['rows']
    ]
    head = '| detector | hard cuts found | soft ones found | false | F1 | frames a CPU second |\n|---|---|---|---|---|---|\n'
    return head + '\n'.join(rows)


def endpoint_table() -> str:
    "How busy a server is kept"
    rows = [
        f"| {row['what']} | {row['latency'] * 1000:.0f} ms | {row['parallel']} | {row['answers_per_second']} | {row['most_possible']} | {row['kept']:.0%} |"
        for row in read_bench('endpoint')['rows']
    ]
    head = (
        '| what is sent | server takes | at once | answers/s | most possible | kept busy |\n|---|---|---|---|---|---|\n'
    )
    return head + '\n'.join(rows)


def seek_table() -> str:
    "CPU of reading frames from anywhere in a film"
    bench = read_bench('seek')
    rows = []
    for what, row in bench['rows'].items():
        if 'ours_to_decord' in row:
            seconds = row['cpu_seconds']
            rows.append(
                f"| {what} | {seconds['ours']:.2f} | {seconds['again']:.2f} | {seconds['decord']:.2f} | {row['ours_to_decord']} × |"
            )
    head = '| what is read | CPU s | read again | decord | ours to decord |\n|---|---|---|---|---|\n'
    return head + '\n'.join(rows) + f"\n\nThe film: {bench['film']}."


def overlap_table() -> str:
    "How long a model waits for frames"
    bench = read_bench('overlap')
    names = dict(
        caption=f"`shotluck-caption`, {bench['films']} films of {bench.get('seconds', 20)} s",
        evaluate='`shotluck-evaluate`',
        evaluate_server='`shotluck-evaluate`, a server answers',
        finetune='`shotluck-finetune`, its tower',
        finetune_pixels='`shotluck-finetune`, decoding at every step',
    )
    rows = []
    for name, what in names.items():
        row = bench[name]
        waits = f"{row['waits']:.1%} ({row['rounds'][0]:.1%} to {row['rounds'][-1]:.1%})"
        rows.append(f"| {what} | {row['decode']} | {row['model']} | {row['together']} | {waits} | {row['begins']} |")
    head = (
        '| stage | decoding alone, s | model alone, s | together, s | model waits | before it begins, s |'
        '\n|---|---|---|---|---|---|\n'
    )
    cpu = f"{bench['caption_cpu']} CPU s without a model against {bench['scenedetect_cpu']} of PySceneDetect's own command"
    return head + '\n'.join(rows) + f"\n\nThe films take {cpu}: {bench['ratio']} ×."


def corpus_table() -> str:
    "What a large corpus would take"
    bench = read_bench('corpus')
    names = dict(
        days='days',
        machine_hours='machine hours',
        busy='busy',
        machines_lost='machines lost',
        hours_done_again='hours done again',
        cores_to_feed_a_gpu='cores that feed a GPU',
    )
    rows = []
    for what, row in bench['rows'].items():
        rows.append(f'| {what} | ' + ' | '.join(f'{row[name]:,}' for name in names) + ' |')
    head = f"| | {' | '.join(names.values())} |\n|---|{'---|' * len(names)}\n"
    row, given = bench['rows']['as given'], bench['given']
    about = (
        f"\n\n{given['hours']:,.0f} hours in {row['videos']:,} videos and {row['shots']:,} shots, on {given['machines']} machines"
        f" with one GPU and {given['cores']} cores each, in {row['parts']} parts: pages of {row['pages_gb']:,} GB beside"
        f" about {row['videos_gb']:,} GB of videos, {row['cost']:,} at {given['price']} an hour."
    )
    return head + '\n'.join(rows) + about


def families_table() -> str:
    "Any video model, against transformers' own loops"
    rows = []
    for family, row in read_bench('families')['families'].items():
        rows.append(
            f"| {family} | {row['tower_share']:.0%} | {row['training_ratio']} × | {row['training_ratio_decoded_before']} × |"
            f" {row['answers_ratio']} × | {row['answers_ratio_decoded_before']} × | {row['same_texts']} |"
        )
    head = (
        '| family | operations in its tower | training | frames decoded before | answers | frames decoded before | same texts |'
        '\n|---|---|---|---|---|---|---|\n'
    )
    return head + '\n'.join(rows)


def nano_before_table() -> str:
    "`nano` through a captioner, and before there was one"
    rows = []
    for name, row in read_bench('nano_before')['rows'].items():
        same = {True: 'yes', False: 'no', None: ''}[row.get('same_words')]
        rows.append(f"| `shotluck-{name}` | {row['before']} | {row['now']} | {row['ratio']} × | {same} |")
    head = '| stage | before, s | now, s | as fast | the same words |\n|---|---|---|---|---|\n'
    return head + '\n'.join(rows)


def describe_table() -> str:
    "Memory as `shotluck-describe` computes it, and as it was"
    rows = []
    for row in read_bench('describe')['rows']:
        if 'formula_mb' in row:
            rows.append(
                f"| {row['model']} | {row['case']} | {row['formula_mb']:,} | {row['measured_mb']:,} | {row['ratio']} |"
            )
    return '| model | case | computed, MB | measured, MB | ratio |\n|---|---|---|---|---|\n' + '\n'.join(rows)


def killed_table() -> str:
    "Stages killed, run twice at once, and on a full disk"
    rows = []
    for name, tries in read_bench('killed').items():
        kills = tries.get('killed', {})
        full = tries.get('full', {})
        wrong = sum(len(one.get('wrong', [])) for one in tries.values())
        rows.append(
            f"| {name} | {kills.get('kills', '')} | {tries.get('crowded', {}).get('times', '')} | {full.get('ended_with_a_line', '')} | {wrong} |"
        )
    head = (
        '| stage | kills | twice at once | full disks that ended in one line | wrong results |\n|---|---|---|---|---|\n'
    )
    return head + '\n'.join(rows)


def fuzz_table() -> str:
    "Readers fed with made files"
    rows = [f"| {row['format']} | {row['files']:,} | {row['seconds'] / 60:.0f} |" for row in read_bench('fuzz')['rows']]
    return '| reader of | files | minutes |\n|---|---|---|\n' + '\n'.join(rows)


def proofs() -> str:
    "What slow proofs found, a row each"
    b = {
        name: read_bench(name)
        for name in 'exact_frames bad_files odd_videos page hub killed_download evaluate_resume half_precision ray_engine whisper_folder heard pretrain_nano'.split()
    }
    half = b['half_precision']['rows']
    sent = b['killed_download']['sent_of_an_unbroken_run']
    nano = b['pretrain_nano']
    rows = [
        (
            'frames read exactly, in kinds of files',
            f"{b['exact_frames']['exact']} of {b['exact_frames']['kinds']}; decord {b['exact_frames']['decord_exact']}",
            'exact_frames',
        ),
        (
            'broken files and rows',
            f"{b['bad_files']['kinds']} kinds, {b['bad_files']['rows']} rows, each accounted for; after {b['bad_files']['kills']} kills the same bytes: {_yes(b['bad_files']['same_bytes'])}",
            'bad_files',
        ),
        (
            'odd videos through the command',
            f"{b['odd_videos']['passed']} of {b['odd_videos']['of']} as wanted",
            'odd_videos',
        ),
        (
            'the page in a browser',
            f"{b['page']['passed']} of {b['page']['of']} checks; an hour of 1,000 shots is {b['page']['hour_of_1000_shots_mb']} MB",
            'page',
        ),
        (
            'the hub, played by a local server',
            f"{sum(row['right'] for row in b['hub']['rows'])} of {len(b['hub']['rows'])} calls as wanted",
            'hub',
        ),
        (
            'downloads killed at random moments',
            f"{b['killed_download']['killed']} kills in {b['killed_download']['runs']} runs, the same bytes: {_yes(b['killed_download']['same_bytes'])}; sent {sent['mean']} × the bytes of an unbroken run, at most {sent['most']} ×",
            'killed_download',
        ),
        (
            'an evaluation killed, and in two processes',
            f"the same bytes: {_yes(all(b['evaluate_resume']['same_bytes'].values()))}",
            'evaluate_resume',
        ),
        (
            'answers that differ from those in float32, `nano` on a CPU',
            ', '.join(f"{name}: {row['differing_answers']} of {row['answers']}" for name, row in half.items()),
            'half_precision',
        ),
        (
            'a Ray cluster on one machine, a worker killed',
            f"{b['ray_engine']['videos']} videos, the same bytes: {_yes(b['ray_engine']['same_bytes_after_kill'])}",
            'ray_engine',
        ),
        (
            'faster-whisper from a folder, with random weights',
            f"{b['whisper_folder']['words']} words, their times inside the video: {_yes(b['whisper_folder']['times_inside_the_video'])}",
            'whisper_folder',
        ),
        (
            'Whisper tiny.en hears speech in five languages, music, noise, silence',
            f"words in: {', '.join(row['sound'] for row in b['heard']['rows'] if row['words'])}",
            'heard',
        ),
        (
            'the bundled model `nano`, made again',
            f"{nano['parameters']:,} parameters in {nano['minutes']:.0f} minutes; form right on {nano['accuracy']['form']:.1%} of new stills, {nano['unseen']['form']:.1%} of pairs never seen",
            'pretrain_nano',
        ),
    ]
    return '| what | found | `python bench/…` |\n|---|---|---|\n' + '\n'.join(
        f'| {what} | {found} | `{name}.py` |' for what, found, name in rows
    ).replace('`pretrain_nano.py`', '`../scripts/pretrain_nano.py`')


def _yes(is_so):
    return 'yes' if is_so else 'no'


def notebooks_table() -> str:
    "Every notebook and what it is for, by its own title cell"
    rows = []
    for path in sorted((root / 'nbs').glob('*.ipynb')):
        lines = ''.join(json.loads(path.read_text(encoding='utf-8'))['cells'][0]['source']).splitlines()
        about = next((line[2:] for line in lines if line.startswith('> ')), '')
        if path.stem != 'index':
            rows.append(f'| [`{path.stem}`](../nbs/{path.name}) | {about} |')
    rows.sort(key=lambda row: row[3].isdigit())
    return '| notebook | what it explains |\n|---|---|\n' + '\n'.join(rows)


TABLES = dict(
    demo_table=demo_table,
    demo_line=demo_line,
    round_trip_facts=round_trip_facts,
    round_trip_converted=round_trip_converted,
    round_trip_trained=round_trip_trained,
    round_trip_unseen=round_trip_unseen,
    finetune_table=finetune_table,
    loss_table=loss_table,
    measured=measured,
    shots_table=shots_table,
    endpoint_table=endpoint_table,
    seek_table=seek_table,
    overlap_table=overlap_table,
    corpus_table=corpus_table,
    families_table=families_table,
    nano_before_table=nano_before_table,
    describe_table=describe_table,
    killed_table=killed_table,
    fuzz_table=fuzz_table,
    proofs=proofs,
    notebooks_table=notebooks_table,
)
_PLACE = re.compile(r'<!-- filled: (\w+) -->.*?<!-- /filled -->', re.DOTALL)


def filled(
    text: str,  # Markdown
) -> str:
    "The text with every place filled anew; `KeyError` for a table that there is not"
    return _PLACE.sub(lambda place: f'<!-- filled: {place[1]} -->\n\n{TABLES[place[1]]()}\n\n<!-- /filled -->', text)
