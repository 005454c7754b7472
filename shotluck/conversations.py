#| export
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from shotluck.clips import clip_name
from shotluck.shots import annotated_shots
from shotluck.storyboard_annotations import Unapproved
from shotluck.tables import Fault

#| export
TASKS = ('caption', 'narration', 'summary', 'qa')
ASK = dict(
    caption='Please describe this video. Do not include details that you are not sure of.',
    narration='Please describe what is said and heard in this video. Do not include details that you are not sure of.',
    summary='Please describe this video, shot by shot, in order. Do not include details that you are not sure of.',
)
SAID = 'This is what the speech in the video is saying: {}'
# for a summary of summaries: `asr` then holds the summary of each part
TOLD = 'This is what happens in this part of the video: {}'


def one_line(
    text: str,  # Any text
) -> str:
    "Text with each run of white space replaced by one space, and none at its ends"
    # most texts need no change; finding that out takes half the time of changing them
    if text.isprintable() and '  ' not in text and text[:1] != ' ' != text[-1:]:
        return text
    return ' '.join(text.split())

#| export
def one_line_text(
    text,  # What data holds in place of a text: str, None, a number
) -> str:
    "Text from data on one line, without anything that the model would take for a picture"
    return one_line(str(text).replace('<image>', '<image >')) if text else ''

#| export
# The one prompt that the published checkpoints know: one run of frames, then the speech of all shots and a full stop,
# even where nobody speaks
def _reference_prompt(record, speech):
    said = ''
    if speech:
        said = ' '.join(filter(None, map(one_line_text, record['asr'])))
    ask = record['question'] if record['task'] == 'qa' else ASK['caption']
    return '<image>' * len(record['shots']) + f'\n{ask} {SAID.format(said)}.'

#| export
def _pictures(record, markers):  # What represents each shot: `<image>`, or its caption in the pictures' place
    captions = record.get('told')
    pictures = [one_line_text(text) for text in captions] if captions else ['<image>'] * len(record['shots'])
    if not markers:
        return pictures
    return [
        f'Shot {i}, {start:.1f} s to {end:.1f} s:\n{picture}'
        for i, (picture, (start, end)) in enumerate(zip(pictures, record['seconds']), 1)
    ]

#| export
def _speech_lines(record):  # What is said in each shot as the prompt words it; '' where nobody speaks
    wording = TOLD if record.get('parts') else SAID
    said = [one_line_text(text) for text in record['asr']]
    return [wording.format(text) if text else '' for text in said]

#| export
def prompt(
    record: dict,  # A record, or a dict with the keys that are listed below
    speech: bool = True,  # Tell what is said?
    markers: bool = False,  # Number the shots and give their times?
) -> str:  # With one `<image>` for each shot, unless captions stand in its place
    """The only place that words a prompt

    Keys of `record`: task, shots, asr; seconds if there are markers; question for a qa. `parts`: True if `asr` holds
    summaries of parts. `told`: captions, given in the frames' place. `ask`: words in the place of our own. `form`: what
    is asked of the form of the answer. `wording`: 'reference' for the prompt of the published checkpoints.
    """
    if record.get('wording') == 'reference':
        return _reference_prompt(record, speech)
    n_shots = len(record['shots'])
    pictures = _pictures(record, markers)
    said = _speech_lines(record) if speech else [''] * n_shots
    ask = record.get('ask') or (record['question'] if record['task'] == 'qa' else ASK[record['task']])
    form = f"\n{record['form']}" if record.get('form') else ''
    if n_shots == 1:
        return f'{pictures[0]}\n{ask} {said[0]}'.strip() + form
    shots = [f'{picture}\n{text}'.strip() if text else picture for picture, text in zip(pictures, said)]
    return '\n'.join(shots) + f'\n{ask}{form}'

#| export
def list_or_empty(
    x,  # What data holds in place of a list
) -> list:
    "The list itself, an empty one in place of anything else"
    return x if isinstance(x, list) else []

#| export
def question_and_answer(
    ann: dict,  # One annotation, as read
) -> tuple | None:  # (question, answer), as they are; None if it asks nothing
    "Question and answer of an annotation, under any of the names that datasets give them"
    for question, answer in (('question', 'answer'), ('Question', 'Answer'), ('q', 'a'), ('Q', 'A')):
        if question in ann:
            return ann[question], ann.get(answer)
    return None

#| export
def expected_units(
    ann,  # One annotation, as read
) -> list:  # [(task, number of the shot or '', text), …]
    "The input rows that an annotation holds, whatever state it is in"
    if not isinstance(ann, dict):
        return [('', '', '')]
    if qa := question_and_answer(ann):
        return [('qa', 1, qa[1])]
    units = [('caption', i, text) for i, text in enumerate(list_or_empty(ann.get('captions')), 1)]
    narrations = enumerate(list_or_empty(ann.get('audio_captions')), 1)
    units += [('narration', i, text) for i, text in narrations if text]
    if ann.get('whole_caption') is not None:
        units.append(('summary', '', ann['whole_caption']))
    return units or [('', '', '')]

#| export
def _shots_fault(
    ann,
):  # What is wrong with the shots of an annotation and the lists that go with them; '' if nothing is
    shots = 'times' if 'times' in ann else 'video_names'
    for key in (shots, 'captions'):
        if key not in ann:
            return f'field {key!r} is missing'
        if not isinstance(ann[key], list):
            return f'field {key!r} is no list'
    n_shots = len(ann[shots])
    if not n_shots:
        return 'it has no shot'
    for key in ('captions', 'ASR', 'audio_captions'):
        if key in ann and (not isinstance(ann[key], list) or len(ann[key]) != n_shots):
            return f'{key!r} and {shots} differ in length'
    return ''

#| export
def annotation_fault(
    ann,  # One annotation, as read
) -> str:  # '' if it can be used
    "What is wrong with an annotation as a whole"
    if isinstance(ann, Fault):
        return str(ann)
    if not isinstance(ann, dict):
        return f'an annotation is an object, this is {type(ann).__name__}'
    if not isinstance(ann.get('video'), str):
        return "field 'video' is missing or no str"
    if qa := question_and_answer(ann):
        return '' if isinstance(qa[0], str) and qa[0].strip() else 'it asks nothing'
    if fault := _shots_fault(ann):
        return fault
    if odd := [type(text).__name__ for text in ann.get('ASR', []) if not isinstance(text, (str, type(None)))]:
        return f"'ASR' holds {odd[0]}, text was expected"
    return ''

#| export
def _gap(start, last_end):  # How a shot lies to the one before it; '' if it begins where that one ends
    if start > last_end:
        return f'{start - last_end} frames after the last shot'
    if start < last_end:
        return f'{last_end - start} frames shared with the last shot'
    return ''

#| export
def shot_faults(
    shots: list,  # Annotated shots, None where the name could not be read
    frames: int,  # Of the video
) -> list:  # (status, reason) for each; a reason beside `ok` is a note
    "Judge annotated shots: one that holds no frame cannot be used, gaps and overlaps are noted"
    states = []
    last_end = 0
    for shot in shots:
        if shot is None:
            states.append(('bad_row', 'its name gives no frames'))
            continue
        start, end = shot
        if end <= start:
            states.append(('bad_row', f'shot [{start}, {end}) is empty or reversed'))
        elif start < 0 or end > frames:
            states.append(('bad_row', f'shot [{start}, {end}) does not lie in {frames} frames'))
        else:
            states.append(('ok', _gap(start, last_end)))
            last_end = end
    return states

#| export
def clip_of(
    video: str,  # Path of a video in its folder
) -> str:  # How the ids of its records begin
    "Name of a video without `.mp4`, with its folder and any other ending, so that two videos have two names"
    return str(PurePosixPath(Path(video).as_posix())).removesuffix('.mp4')

#| export
def _video_state(video, shots, times):  # (status, reason) of a whole video beside what its annotation says
    if video['status'] != 'ok':
        return video['status'], video['reason']
    if times:
        if len(times) != len(shots):
            return 'bad_row', 'shots.jsonl has other shots of this video: another annotation names it too'
    elif 'times' not in video:
        last = max((shot[1] for shot in shots if shot), default=0)
        if last > video['frames'] + 1:
            return 'length', f"the annotation ends at frame {last - 1}, the video has {video['frames']}"
    return 'ok', video['reason']

#| export
def _time_state(time, status, reason):  # State of a row that a table gave in seconds: its reason is worded in seconds
    if isinstance(time, str):
        return 'bad_row', time
    if status == 'ok':
        return status, reason
    end = 'the end' if time[1] is None else f'{time[1]:g} s'
    place = f'from {time[0]:g} s to {end}'
    return status, f'no frame begins {place}' if 'empty' in reason else f'{place} is longer than the video'

#| export
def _speech(ann, n_shots):  # What is said in each shot, '' where the annotation does not say
    said = ann.get('ASR')
    if isinstance(said, str):
        said = [said]
    if not isinstance(said, list) or len(said) != n_shots:
        return [''] * n_shots
    return [text if isinstance(text, str) else '' for text in said]

#| export
class _JudgedShots(NamedTuple):
    "The shots of one annotation; an entry of each list for each shot"

    shots: list  # [start, end]: frames; None if unreadable
    states: list  # (status, reason)
    seconds: list  # [start, end], None if unknown
    asr: list  # What is said

    def usable(self, number):  # (status, reason, places in the lists) of one shot, counted from 1, or for 0 of all
        if number:
            return *self.states[number - 1], [number - 1]
        places = [i for i, (status, _) in enumerate(self.states) if status == 'ok']
        if not places:
            return 'bad_row', 'none of its shots can be used', places
        lost = len(self.states) - len(places)
        return 'ok', f'{lost} shots left out' if lost else '', places

#| export
def _judge(ann, video, shots, times):  # `_JudgedShots`
    frames = video['frames']
    # an annotation that ends one frame beyond the video is forgiven
    shots = [shot and [shot[0], frames if shot[1] == frames + 1 else shot[1]] for shot in shots]
    states = shot_faults(shots, frames)
    if times:
        states = [_time_state(time, *state) for time, state in zip(times, states)]
    seconds = video['seconds'] if len(video['seconds']) == len(shots) else [None] * len(shots)
    return _JudgedShots(shots, states, seconds, _speech(ann, len(shots)))

#| export
def _text_state(text):  # (status, reason) of a caption or an answer
    if not isinstance(text, str):
        return 'bad_row', f'text expected, got {type(text).__name__}'
    if isinstance(text, Unapproved) and text.strip():
        return 'unapproved', 'a model wrote it, and no person has changed or approved it'
    if not text.strip() or text.lstrip()[:11].lower() == 'placeholder':
        return 'placeholder', 'no text was written for it'
    return 'ok', ''

#| export
def _origin(ann, number):  # Who wrote a caption of a corrected storyboard: person, approved or model; None elsewhere
    origins = ann.get('origins')
    if isinstance(origins, list) and isinstance(number, int) and 0 < number <= len(origins):
        return origins[number - 1]
    return None

#| export
def _record(ann, video, unit, judged, places):  # The record of one unit, over the shots at these places
    task, number, text = unit
    clip = clip_of(ann['video'])
    record = dict(
        id=f'{clip}/{task}/{number}' if number else f'{clip}/{task}',
        video=ann['video'],
        task=task,
        shots=[judged.shots[i] for i in places],
        fps=video['fps'],
        seconds=[judged.seconds[i] for i in places],
        asr=[judged.asr[i] for i in places],
    )
    if origin := ann.get('whole_origin') if task == 'summary' else _origin(ann, number):
        record['origin'] = origin
    if task == 'qa':
        record['question'] = one_line_text(question_and_answer(ann)[0])
    record['conversations'] = [{'from': 'human', 'value': prompt(record)}, {'from': 'gpt', 'value': one_line(text)}]
    return record

#| export
def _refused(ann, status, reason):  # All units of an annotation that cannot be used
    for task, number, _ in expected_units(ann):
        yield task, number, status, reason, None

#| export
def records_of(
    ann,  # One annotation, as read
    video: dict,  # The line of its video in shots.jsonl
):
    "Yield `(task, number, status, reason, record or None)` for each input row of an annotation"
    if fault := annotation_fault(ann):
        yield from _refused(ann, 'bad_row', fault)
        return
    qa = question_and_answer(ann)
    times = None if qa else ann.get('times')
    if qa or times:
        shots = video.get('shots', [])  # there are none of a video that has no line
    else:
        shots = [shot and list(shot) for shot in annotated_shots(ann['video_names'])]
    status, note = _video_state(video, shots, times)
    if status != 'ok':
        yield from _refused(ann, status, note)
        return
    judged = _judge(ann, video, shots, times)
    for unit in expected_units(ann):
        task, number, text = unit
        one = number if task != 'qa' else 0  # a question is about the whole video, and its number is no shot's
        status, reason, places = judged.usable(one)
        if status == 'ok':
            status, fault = _text_state(text)
            reason = fault or reason
        if status != 'ok':
            yield task, number, status, reason, None
            continue
        # the note says that a file was cut short: it is used all the same
        reason = '; '.join(filter(None, (note, reason)))
        yield task, number, status, reason, _record(ann, video, unit, judged, places)

#| export
def _clip_path(record, shot):  # Of the file that `shotluck-split --write` makes of a shot
    return f"clips/{clip_name(record['video'], shot)}"

#| export
_MARK = re.compile('<(video|image|audio|img)>')  # ms-swift opens what stands between <img> and </img>


def _without_marks(text):  # Text in which no trainer finds the place of a file
    return _MARK.sub(r'<\1 >', text)

#| export
def as_llava(
    record: dict,  # As `records_of` makes it
) -> dict:  # id, video, conversations
    "LLaVA's form: one video file, one `<image>`"
    is_clip = len(record['shots']) == 1 and record['task'] != 'qa'
    said = ' '.join(filter(None, map(one_line_text, record['asr'])))
    ask = prompt(dict(record, shots=record['shots'][:1], seconds=record['seconds'][:1], asr=[said]))
    return dict(
        id=record['id'],
        video=_clip_path(record, record['shots'][0]) if is_clip else f"raw/videos/{record['video']}",
        conversations=[{'from': 'human', 'value': ask}, record['conversations'][1]],
    )

#| export
def as_messages(
    record: dict,  # As `records_of` makes it
) -> dict:  # id, messages, videos
    "The chat form of ms-swift and LLaMA-Factory: a `<video>` for each clip file"
    question, answer = record['conversations']
    ask = '<video>'.join(map(_without_marks, question['value'].split('<image>')))
    return dict(
        id=record['id'],
        messages=[
            dict(role='user', content=ask),
            dict(role='assistant', content=_without_marks(answer['value'])),
        ],
        videos=[_clip_path(record, shot) for shot in record['shots']],
    )

#| export
def as_trl(
    record: dict,  # As `records_of` makes it
) -> dict:  # id, images, messages
    """The form of TRL: each message is a list of parts. `images` is empty, and must be there

    A file is under `path`, not `video`: a table gives all parts the same columns, and a template that asks whether a
    part has `video` would then take each text for one."""
    question, answer = record['conversations']
    parts = []
    for i, text in enumerate(question['value'].split('<image>')):
        if i:
            parts.append(dict(type='video', path=_clip_path(record, record['shots'][i - 1])))
        if text := _without_marks(text).strip('\n'):
            parts.append(dict(type='text', text=text))
    said = [dict(type='text', text=_without_marks(answer['value']))]
    messages = [dict(role='user', content=parts), dict(role='assistant', content=said)]
    return dict(id=record['id'], images=[], messages=messages)

#| export
FORMATS = dict(llava=as_llava, messages=as_messages, trl=as_trl)


def llamafactory_info(
    splits: list,  # Names of the splits that are there as messages
) -> dict:  # For dataset_info.json, beside `records`
    "What LLaMA-Factory is told of our files: `shotluck_train` is `records/train.messages.json`, and so on"
    tags = dict(role_tag='role', content_tag='content', user_tag='user', assistant_tag='assistant')
    return {
        f'shotluck_{split}': dict(
            file_name=f'records/{split}.messages.json',
            formatting='sharegpt',
            columns=dict(messages='messages', videos='videos'),
            tags=tags,
        )
        for split in splits
    }
