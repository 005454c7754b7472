"""Speed and memory of fine-tuning against stock Trainer + stock Llava: python bench/finetune.py [speed] [memory] [first] [order]; adds to bench/finetune.json

speed: a small model proportioned like 1.5b at 8 frames x 81 tokens, 640x360 video, 3 epochs, same batches, workers and threads; memory: peak at a 32k vocabulary and 1,300 tokens a record;
first: seconds to the first step on 20,000 records; order: cost of an epoch's order a record, 1k to 100k records"""
import json, os, subprocess, sys, tempfile, time
from functools import partial
from pathlib import Path
import numpy as np, pandas as pd, torch
from transformers import LlavaForConditionalGeneration, Trainer, TrainerCallback, TrainingArguments
from shotluck.batches import Batcher, Order, RecordData
from shotluck.cache import Pixels
from shotluck.files import read_json, write_json, write_jsonl
from shotluck.finetune import FinetuneCfg, finetune, save_model
from shotluck.model import VideoLlava, load_model, make_config, preprocess
from shotluck.video import write_video

root = Path(__file__).resolve().parent.parent
result = root/'bench'/'finetune.json'
THREADS,WORKERS,BATCH,EPOCHS = 1, 1, 4, 3

def keep(name, row):
    rows = read_json(result) if result.exists() else {}
    commit = subprocess.run(['git','rev-parse','--short','HEAD'], cwd=root, capture_output=True, text=True).stdout.strip()
    rows[name] = dict(row, commit=commit, cores=os.cpu_count(), threads=THREADS, workers=WORKERS, torch=torch.__version__)
    write_json(result, rows)
    print(name, json.dumps(rows[name]), flush=True)

def make_model(folder, vocab=0, tower=5, width=128, layers=4):
    "Tower : language model = 40 : 60 of the training FLOPs, 81 tokens a frame"
    _,tok = load_model('nano', device='cpu')
    torch.manual_seed(0)
    config = make_config(dict(hidden_size=192, intermediate_size=768, num_hidden_layers=tower, num_attention_heads=4, image_size=126, patch_size=14),
                         dict(hidden_size=width, intermediate_size=int(2.75*width), num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=4, vocab_size=vocab or len(tok), max_position_embeddings=2048,
                              bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False), tok.convert_tokens_to_ids('<image>'))
    save_model(VideoLlava(config), tok, folder)
    return folder

def make_data(folder, n, videos, seconds=4, words=60):
    "`n` records over `videos` videos of 640x360"
    rng,fps = np.random.default_rng(0), 25
    (folder/'raw/videos').mkdir(parents=True, exist_ok=True)
    base = rng.integers(0, 255, (45,80,3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    for v in range(videos):
        if not (folder/f'raw/videos/{v}.mp4').exists(): write_video(folder/f'raw/videos/{v}.mp4', [np.roll(base, (3*k+v, 5*k), (0,1)) for k in range(seconds*fps)], fps=fps)
    colours = 'red green blue yellow'.split()
    recs = [dict(id=f'v{i}/caption/1', video=f'{i%videos}.mp4', task='caption', shots=[[0,seconds*fps]], seconds=[[0,seconds]], fps=fps, asr=[''],
                 conversations=[{'from':'human','value':'<image>'}, {'from':'gpt','value':' '.join(f'a {c} circle' for c in rng.choice(colours, rng.integers(words//4, words//3+1)))}]) for i in range(n)]
    write_jsonl(folder/'records/train.jsonl', recs)
    return recs

class Clock(TrainerCallback):
    def __init__(self): self.t = []
    def on_train_begin(self, *a, **k): self.t.append(time.perf_counter())
    def on_step_end(self, *a, **k): self.t.append(time.perf_counter())

class StockBatch:
    "Decode, normalise and pad: all that a stock model is given"
    def __init__(self, data, model): self.batcher,self.model = Batcher(data, Pixels(model, data.video_dir)), model
    def __call__(self, items):
        b = self.batcher(items)
        return dict({k:b[k] for k in ('input_ids','attention_mask','labels')}, pixel_values=preprocess(b['frames'], self.model))

def stock(cfg, steps=-1, lazy=False):
    "Stock Trainer + stock Llava on the same records in the same order; the Clock, losses and seconds before training"
    t,own,tok = time.perf_counter(), *load_model(cfg.model, device='cpu')
    model = LlavaForConditionalGeneration(own.config); model.load_state_dict(own.state_dict()); model.model.vision_tower.requires_grad_(False)
    rows = [json.loads(l) for l in open(Path(cfg.data)/'records/train.jsonl')]
    data = RecordData(rows, own, tok, cfg); data.video_dir = cfg.video_dir
    per,clock = -(-len(data)//cfg.batch), Clock()
    class Stock(Trainer):
        def _get_train_sampler(self, *a): return Order(data.lengths, cfg.batch, lambda: self.state.global_step//per, cfg.seed)
    args = TrainingArguments(tempfile.mkdtemp(), num_train_epochs=cfg.epochs, max_steps=steps, per_device_train_batch_size=cfg.batch, learning_rate=cfg.lr, lr_scheduler_type=cfg.schedule, warmup_steps=cfg.warmup, adam_beta2=.98,
                             logging_steps=1, save_strategy='no', report_to='none', disable_tqdm=True, remove_unused_columns=False, dataloader_num_workers=WORKERS, dataloader_persistent_workers=True, use_cpu=True, dataloader_pin_memory=False)
    tr = Stock(model, args, train_dataset=data, data_collator=StockBatch(data, own), processing_class=tok, callbacks=[clock])
    tr.train()
    return clock.t, [h['loss'] for h in tr.state.log_history if 'loss' in h], t

def ours(cfg):
    import shotluck.finetune as f, shotluck.trainer as tr
    clock,init = Clock(), tr.VideoTrainer.__init__
    def with_clock(self, *a, **k): init(self, *a, **k); self.add_callback(clock)
    tr.VideoTrainer.__init__ = with_clock
    try: out = finetune(cfg)
    finally: tr.VideoTrainer.__init__ = init
    return clock.t, pd.read_csv(out/'metrics.csv').loss.tolist()

def epochs(t, n): # samples/s of each epoch
    per = (len(t)-1)//EPOCHS
    return [round(n/(t[(e+1)*per]-t[e*per]), 2) for e in range(EPOCHS)]

def split(cfg, recs):
    "Seconds of a record: decoding, tower, language model with projector"
    model,tok = load_model(cfg.model, device='cpu')
    data = RecordData(recs[:16], model, tok, cfg)
    bank = Pixels(model, cfg.video_dir); batcher = Batcher(data, bank)
    t0 = time.perf_counter(); bs = [batcher([data[i] for i in range(k, k+BATCH)]) for k in range(0, 16, BATCH)]
    t1 = time.perf_counter()
    with torch.no_grad(): xs = [model.tower_features(bank.finish(b)['pixel_values']) for b in bs]
    t2 = time.perf_counter()
    for b,x in zip(bs, xs): model(input_ids=b['input_ids'], attention_mask=b['attention_mask'], labels=b['labels'], image_features=x).loss.backward()
    t3 = time.perf_counter()
    return dict(decode=round((t1-t0)/16, 4), tower=round((t2-t1)/16, 4), language=round((t3-t2)/16, 4))

def speed(tmp, n=32):
    recs,model = make_data(tmp/'data', n, n), make_model(tmp/'model')
    cfg = partial(FinetuneCfg, model=str(model), data=str(tmp/'data'), batch=BATCH, epochs=EPOCHS, lr=5e-4, drop_speech=0, workers=WORKERS, device='cpu', quiet=True)
    parts = split(cfg(), recs)
    share = {k:round(v/sum(parts.values()), 3) for k,v in parts.items()}
    t,ref,_ = stock(cfg())
    base = epochs(t, n); total = n*EPOCHS/(t[-1]-t[0])
    rows = dict(stock=dict(samples_per_s=round(total, 2), each_epoch=base, final_loss=ref[-1]))
    for name,kw in dict(ours=dict(cache='disk'), again=dict(cache='disk'), decoded_before=dict(cache='memory'), cache_off=dict(cache='off'), full_logits=dict(cache='disk', full_logits=True), any_length=dict(cache='disk', any_length=True),
                        no_workers=dict(cache='off', workers=-1)).items():
        t,losses = ours(cfg(out=str(tmp/name), cache_dir=str(tmp/('features' if name=='again' or name=='ours' else f'features-{name}')), **kw))
        each = epochs(t, n)
        rows[name] = dict(samples_per_s=round(n*EPOCHS/(t[-1]-t[0]), 2), each_epoch=each, run_ratio=round(n*EPOCHS/(t[-1]-t[0])/total, 2), later_ratio=round(np.mean(each[1:])/np.mean(base[1:]), 2), final_loss=losses[-1],
                          largest_difference=max(abs(a-b) for a,b in zip(ref, losses)) if name!='any_length' else None)
    keep('speed', dict(seconds_of_a_record=parts, share=share, records=n, epochs=EPOCHS, batch=BATCH, rows=rows))

def one_memory(tmp, side):
    import resource
    tmp = Path(tmp)
    cfg = FinetuneCfg(model=str(tmp/'model'), data=str(tmp/'data'), out=str(tmp/side), cache_dir=str(tmp/'features'), batch=BATCH, max_steps=2, frames=14, workers=-1, lr=1e-5, cache='disk', device='cpu', quiet=True)
    load_model(cfg.model, device='cpu'); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if side=='stock': stock(cfg, steps=2)
    else: ours(cfg)
    print(json.dumps(dict(before_gb=round(before/1e6, 3), peak_gb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1e6, 3))))

def memory(tmp):
    make_data(tmp/'data', 8, 4, words=70); make_model(tmp/'model', vocab=32000)
    rows = {}
    for side in ('stock','ours'):
        r = subprocess.run([sys.executable, __file__, 'one_memory', str(tmp), side], capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS=str(THREADS)))
        if r.returncode: raise SystemExit(r.stderr[-3000:])
        rows[side] = json.loads(r.stdout.splitlines()[-1])
    data = RecordData([json.loads(l) for l in open(tmp/'data/records/train.jsonl')], *load_model(tmp/'model', device='cpu'), FinetuneCfg(frames=14))
    keep('memory', dict(rows, ratio=round(rows['ours']['peak_gb']/rows['stock']['peak_gb'], 3), tokens=int(np.mean([len(data[i].input_ids) for i in range(8)])), batch=BATCH, vocabulary=32000))

def first(tmp, n=20_000):
    make_data(tmp/'data', n, 32); make_model(tmp/'model')
    cfg = partial(FinetuneCfg, model=str(tmp/'model'), data=str(tmp/'data'), batch=BATCH, lr=1e-5, workers=WORKERS, max_steps=1, device='cpu', quiet=True)
    t = time.perf_counter(); mine = ours(cfg(out=str(tmp/'first'), cache='disk', cache_dir=str(tmp/'first-features')))[0][1]-t
    t = time.perf_counter(); base = stock(cfg(), steps=1)[0][1]-t
    keep('first', dict(records=n, ours_seconds=round(mine, 2), stock_seconds=round(base, 2), ratio=round(mine/base, 2)))

def order(tmp):
    rows,rng = {}, np.random.default_rng(0)
    model,tok = load_model('nano', device='cpu')
    for n in (1000, 10_000, 100_000):
        lens = rng.integers(100, 1500, n).tolist()
        t = time.perf_counter(); list(Order(lens, 32, lambda: 0)); a = time.perf_counter()-t
        recs = [dict(id=f'v{i}/caption/1', video=f'{i}.mp4', task='caption', shots=[[0,100]], fps=25, asr=['hello there'], conversations=[{'from':'human','value':'<image>'},{'from':'gpt','value':'a red circle moves left'}]) for i in range(n)]
        t = time.perf_counter(); RecordData(recs, model, tok, FinetuneCfg()); b = time.perf_counter()-t
        rows[n] = dict(order_us=round(a/n*1e6, 2), data_us=round(b/n*1e6, 2))
    keep('order', dict(microseconds_a_record=rows))

if __name__=='__main__':
    torch.set_num_threads(THREADS)
    if sys.argv[1:2]==['one_memory']: one_memory(*sys.argv[2:])
    else:
        for what in sys.argv[1:] or ('speed','memory','first','order'): globals()[what](Path(tempfile.mkdtemp()))
