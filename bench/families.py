"""Any video model, through us and through transformers' own loops: python bench/families.py [family …]; adds to bench/families.json

For each family a twin with random weights whose tower takes as much of the training's operations as in `1.5b` (about 40 %):
training: transformers' Trainer with the model's own processor as its collator against `shotluck-finetune`, samples a second in
later epochs (the language model whole, tower and projector frozen on both sides, the same records, batch and threads);
answers: `generate` one record after the other against `predict`, from raw videos, the same texts expected.
Stock is measured decoding in its loop, as its users run it, and with frames that were decoded before."""

import json
import os
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / 'nbs'))  # twins

from shotluck.torchvision_mend import TORCHVISION  # noqa: E402  before transformers

# isort: split
import numpy as np  # noqa: E402
import torch  # noqa: E402
from finetune import Clock, make_data, ours  # noqa: E402
from fixtures.twins import FAMILIES  # noqa: E402
from machine import machine  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from transformers import AutoModelForImageTextToText, GenerationConfig, PrinterCallback, Trainer, TrainingArguments  # noqa: E402

from shotluck.batches import RecordData  # noqa: E402
from shotluck.configs import EvaluateCfg, FinetuneCfg  # noqa: E402
from shotluck.device import quiet_loading  # noqa: E402
from shotluck.files import write_json, write_jsonl  # noqa: E402
from shotluck.looks import LookBank, decode_pictures, shot_times  # noqa: E402
from shotluck.model import load_captioner  # noqa: E402
from shotluck.predict import predict  # noqa: E402
from shotluck.text import read_json  # noqa: E402
from shotluck.tower import part_names  # noqa: E402
from shotluck.visual_prompts import SWITCHED_OFF, _video_metadata  # noqa: E402

result = root / 'bench' / 'families.json'
BATCH = 4
EPOCHS = 3
RECORDS = 32
ANSWERS = 16  # records that are answered
LONGEST = 24  # tokens of an answer
THREADS = 1
SHARE = 0.4  # of the training's operations are the tower's


def enlarge(config, depth, text_layers):
    "The same architecture, wider: eight heads in the language model, a tower of `depth` layers"
    text = config.get_text_config()
    layers = getattr(text, 'layer_types', None)
    text.hidden_size, text.intermediate_size = 128, 352
    text.num_attention_heads, text.num_key_value_heads = 8, 4
    text.num_hidden_layers = text_layers
    if layers:
        text.layer_types = list(layers) * (text_layers // len(layers))
    vision = config.vision_config
    vision.hidden_size, vision.intermediate_size = 128, 512
    for name in ('num_attention_heads', 'num_heads', 'num_key_value_heads'):
        if hasattr(vision, name):
            setattr(vision, name, 8)
    setattr(vision, 'depth' if hasattr(vision, 'depth') else 'num_hidden_layers', depth)
    if hasattr(vision, 'out_hidden_size'):
        vision.out_hidden_size = 128
    if hasattr(config, 'projector_hidden_size'):
        config.projector_hidden_size = 128
    return config


def make_model(family, folder, depth, text_layers=4):
    "A checkpoint of the family with `depth` layers in its tower"
    with quiet_loading():
        torch.manual_seed(0)
        small, processor = FAMILIES[family]()
        model = type(small)(enlarge(small.config, depth, text_layers))
        for weight in model.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.05)
        model.generation_config.eos_token_id = model.config.get_text_config().eos_token_id
        model.eval().save_pretrained(folder)
        processor.save_pretrained(folder)
    return folder


def shares(folder, data):
    "(operations of the tower, of the language model forth and back) for one record"
    captioner = load_captioner(str(folder), device='cpu')
    cfg = FinetuneCfg(model=str(folder), data=str(data), drop_speech=0, quiet=True, device='cpu')
    records = [json.loads(line) for line in open(data / 'records/train.jsonl')]
    sample = RecordData(records[:1], captioner, cfg)[0]
    bank = LookBank(captioner, cfg.video_dir)
    with FlopCounterMode(display=False) as tower:
        bank.fill_shots({sample.units[0][0]: [sample.units[0][1]]}, workers=-1, quiet=True)
    captioner.model.requires_grad_(True)
    with FlopCounterMode(display=False) as language:
        captioner.loss(captioner.learnt_batch([sample], bank.kept, {})).backward()
    return tower.get_total_flops(), language.get_total_flops()


def proportioned(family, tmp, data):
    "A checkpoint whose tower takes its share; and that share"
    tower = {}
    for depth in (3, 6):
        tower[depth], language = shares(make_model(family, tmp / f'{family}-{depth}', depth), data)
    layer = (tower[6] - tower[3]) / 3
    wanted = language * SHARE / (1 - SHARE)
    depth = int(np.clip(round(3 + (wanted - tower[3]) / layer), 1, 60))
    for text_layers in (4, 8, 16):  # more where even the smallest tower is too large beside four
        folder = make_model(family, tmp / f'{family}-of-{text_layers}', depth, text_layers)
        own, language = shares(folder, data)
        share = own / (own + language)
        if share < SHARE + 0.05:
            break
    return folder, dict(tower_layers=depth, text_layers=text_layers, tower_share=round(share, 3))


class StockInputs:
    "Records as transformers' own processor makes them: what a user writes as a collator"

    def __init__(self, captioner, cfg, decoded):
        self.processor = captioner.processor
        self.kind = captioner.prompts.kind
        self.form = captioner.prompts.form
        self.videos = cfg.video_dir
        self.width = captioner.width
        self.decoded = decoded  # frames are kept, else decoded each time
        self.kept = {}
        part = getattr(self.processor, f'{self.kind}_processor')
        self.settings = {name: False for name in SWITCHED_OFF if hasattr(part, name)}

    def frames(self, unit):
        if unit in self.kept:
            return self.kept[unit]
        video, shot = unit
        numbers = tuple(sorted(set(shot.frames)))
        pictures, times = decode_pictures(self.videos, self.width, (video, numbers))
        found = pictures[[numbers.index(k) for k in shot.frames]], shot_times(shot, times)
        if self.decoded:
            self.kept[unit] = found
        return found

    def text(self, sample, answer):
        parts = sample.plan.parts
        content = [dict(type=self.kind)] * (1 if self.kind == 'video' else len(sample.units[0][1].frames))
        content += [dict(type='text', text=part) for part in parts if isinstance(part, str)]
        messages = [dict(role='user', content=content)]
        asked = self.processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return asked + (self.form.before_answer + sample.plan.answer + self.form.after_answer if answer else '')

    def __call__(self, samples, answer=True):
        shots = [self.frames(sample.units[0]) for sample in samples]
        settings = dict(self.settings)
        if self.kind == 'video':
            metadata = [_video_metadata(times, len(frames)) for frames, times in shots]
            settings.update(videos=[f for f, _ in shots], video_metadata=metadata, do_sample_frames=False)
        else:
            settings.update(images=[list(frames) for frames, _ in shots])
        batch = self.processor(
            text=[self.text(sample, answer) for sample in samples],
            return_tensors='pt',
            padding=True,
            padding_side='right',
            **settings,
        )
        if not answer:
            return batch
        labels = torch.full_like(batch['input_ids'], -100)
        for row, sample in enumerate(samples):
            learnt = self.form.before_answer + sample.plan.answer + self.form.after_answer
            n_learnt = len(self.processor.tokenizer(learnt, add_special_tokens=False)['input_ids'])
            end = int(batch['attention_mask'][row].sum())
            labels[row, end - n_learnt : end] = batch['input_ids'][row, end - n_learnt : end]
        return dict(batch, labels=labels)


def stock_model(folder):
    with quiet_loading():
        model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    parts = part_names(model)
    for name, weight in model.named_parameters():
        weight.requires_grad_(parts.part_of(name) == 'language')
    return model


def stock_training(folder, cfg, samples, inputs, epochs):
    "Samples a second of the last epoch, and the first step's loss"
    clock = Clock()
    args = TrainingArguments(
        tempfile.mkdtemp(),
        num_train_epochs=epochs,
        per_device_train_batch_size=BATCH,
        learning_rate=cfg.lr,
        logging_steps=1,
        save_strategy='no',
        report_to='none',
        disable_tqdm=True,
        log_level='error',
        remove_unused_columns=False,
        use_cpu=True,
        dataloader_pin_memory=False,
        train_sampling_strategy='sequential',
    )
    trainer = Trainer(stock_model(folder), args, train_dataset=samples, data_collator=inputs, callbacks=[clock])
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    steps = len(samples) // BATCH
    losses = [row['loss'] for row in trainer.state.log_history if 'loss' in row]
    return len(samples) / (clock.t[-1] - clock.t[-1 - steps]), losses[0]


def stock_answers(model, captioner, samples, inputs):
    "`generate` one after the other"
    settings = GenerationConfig(
        max_new_tokens=LONGEST,
        do_sample=False,
        eos_token_id=captioner.ends,
        pad_token_id=captioner.pad,
        suppress_tokens=captioner.suppressed,
    )
    texts = {}
    with torch.no_grad():
        for sample in samples:
            batch = inputs([sample], answer=False)
            out = model.generate(**batch, generation_config=settings)[0, batch['input_ids'].shape[1] :].tolist()
            end = next((i for i, token in enumerate(out) if token in captioner.ends), None)
            texts[sample.plan.id] = captioner.tokenizer.decode(out[:end], skip_special_tokens=True)
    return texts


def training_rows(folder, cfg, samples, captioner, n):
    rates = {}
    for name, decoded in {'stock': False, 'stock, decoded before': True}.items():
        inputs = StockInputs(captioner, cfg(), decoded)
        if decoded:
            inputs(samples)
        rates[name], first = stock_training(folder, cfg(), samples, inputs, 2)
    clock, losses = ours(cfg(out=str(folder) + '-out', cache='memory'))
    steps = (len(clock) - 1) // EPOCHS
    rates['ours'] = n * (EPOCHS - 1) / (clock[-1] - clock[steps])
    rates['ours, first epoch'] = n / (clock[steps] - clock[0])
    return rates


def answer_rows(folder, cfg, samples, captioner, records):
    "Answers a second, best of three passes in turn, and how many texts are the same"
    model = stock_model(folder).eval()
    how = EvaluateCfg(batch=16, max_tokens=LONGEST, quiet=True)  # its workers decode meanwhile, as they always do
    best, texts = {}, {}
    held = StockInputs(captioner, cfg(), True)
    held(samples, answer=False)
    sides = {
        'stock': lambda: stock_answers(model, captioner, samples, StockInputs(captioner, cfg(), False)),
        'stock, decoded before': lambda: stock_answers(model, captioner, samples, held),
        'ours': lambda: predict(captioner, records, cfg().video_dir, how),
    }
    for _ in range(3):
        for name, side in sides.items():
            start = time.perf_counter()
            texts[name] = side()
            best[name] = max(best.get(name, 0), len(samples) / (time.perf_counter() - start))
    same = sum(texts['stock'][i].strip() == texts['ours'][i].strip() for i in texts['ours'])
    return best, same


def measure(family, tmp, data, records):
    folder, row = proportioned(family, tmp, data)
    cfg = partial(
        FinetuneCfg,
        model=str(folder),
        data=str(data),
        batch=BATCH,
        epochs=EPOCHS,
        lr=1e-4,
        drop_speech=0,
        workers=-1,
        device='cpu',
        quiet=True,
    )
    captioner = load_captioner(str(folder), device='cpu')
    data_set = RecordData(records, captioner, cfg())
    samples = [data_set[i] for i in range(len(data_set))]
    training = training_rows(folder, cfg, samples, captioner, len(records))
    answers, same = answer_rows(folder, cfg, samples[:ANSWERS], captioner, records[:ANSWERS])
    look = captioner.look(*StockInputs(captioner, cfg(), False).frames(samples[0].units[0]))
    row['tokens'] = len(captioner.encode(samples[0].plan, [look]).input_ids)
    row['samples_per_s'] = {name: round(rate, 2) for name, rate in training.items()}
    row['answers_per_s'] = {name: round(rate, 2) for name, rate in answers.items()}
    for kind, rates in (('training', training), ('answers', answers)):
        row[f'{kind}_ratio'] = round(rates['ours'] / rates['stock'], 2)
        row[f'{kind}_ratio_decoded_before'] = round(rates['ours'] / rates['stock, decoded before'], 2)
    row['same_texts'] = f'{same} of {ANSWERS}'
    return row


def main():
    if TORCHVISION not in ('ok', 'mended'):
        raise SystemExit("twins need torchvision: pip install 'shotluck[vlm]'")
    warnings.filterwarnings('ignore')
    torch.set_num_threads(THREADS)
    tmp = Path(tempfile.mkdtemp())
    records = make_data(tmp / 'data', RECORDS, RECORDS // 4, seconds=10, words=30, shots=4)[:RECORDS]
    write_jsonl(tmp / 'data/records/train.jsonl', records)
    results = read_json(result, missing={})
    rows = results.get('families', {})
    for family in sys.argv[1:] or FAMILIES:
        rows[family] = dict(measure(family, tmp, tmp / 'data', records), load=round(os.getloadavg()[0], 1))
        print(family, json.dumps(rows[family]), flush=True)
        write_json(result, dict(**machine(), threads=THREADS, records=RECORDS, batch=BATCH, families=rows))


if __name__ == '__main__':
    main()
