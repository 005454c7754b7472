"Prove the hub's calls against a loopback server with its layout, through HF_ENDPOINT: python bench/hub.py"

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / 'nbs' / 'fixtures'))
from loopback_hub import loopback_hub  # noqa: E402


def call(code, **env):
    "Run Python elsewhere with these variables; its last line, or the error's"
    env = (
        {k: v for k, v in os.environ.items() if not k.startswith('HF_')}
        | {k: str(v) for k, v in env.items()}
        | dict(HF_HUB_DISABLE_TELEMETRY='1', HF_HUB_DISABLE_PROGRESS_BARS='1')
    )
    p = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True)
    return p.returncode, (p.stdout if p.returncode == 0 else p.stderr).strip().splitlines()[-1]


load = "from shotluck.model import load_model; m,t = load_model({name!r}, device='cpu'{more}); print(sum(p.double().sum().item() for p in m.parameters()))"


def main():
    tmp, fix = Path(tempfile.mkdtemp()), root / 'nbs' / 'fixtures' / 'tinyllava'
    tiny = {f: next((fix / f / 'bczhou').glob('*B')) for f in ('llama_gqa', 'stablelm', 'phi')}
    rows, start = [], time.time()
    with loopback_hub() as (hub, url):
        for home in tiny.values():
            hub.add(f'bczhou/{home.name}', home)
            sha = hub.add(f'bczhou/{home.name}-SigLIP', home.parent / (home.name + '-SigLIP'))
        hub.add('me/gated', tiny['phi'], gated=True)
        on = dict(
            HF_ENDPOINT=url, HF_HOME=tmp / 'cache', PYTHONPATH=os.environ.get('PYTHONPATH', root), HF_HUB_DISABLE_XET=1
        )

        def row(what, name, ok, wanted='', more='', **env):
            code, said = call(load.format(name=name, more=more), **on | env)
            rows.append(
                dict(
                    what=what,
                    name=name,
                    exit=code,
                    said=said.replace(str(tmp), '').replace(url, 'URL'),
                    right=(code == 0) == ok and wanted in said,
                )
            )

        local = {f: call(load.format(name=str(h), more=''), **on)[1] for f, h in tiny.items()}
        for f, preset in zip(tiny, ('1.5b', '2.0b', '3.1b')):
            row('preset, its tower from a repository of its own', preset, True, local[f])
        row('again, offline', '3.1b', True, local['phi'], HF_HUB_OFFLINE=1)
        row('again, the server gone', '3.1b', True, local['phi'], HF_ENDPOINT='http://127.0.0.1:9')
        row(
            'pinned, tower too',
            f'bczhou/TinyLLaVA-3.1B@{hub.repos["bczhou/TinyLLaVA-3.1B"].sha("main")}',
            True,
            local['phi'],
            f", tower='bczhou/TinyLLaVA-3.1B-SigLIP@{sha}'",
        )
        row('missing', 'me/nothing', False, 'no such repository')
        row('gated', 'me/gated', False, 'is gated')
        row('no such revision', 'bczhou/TinyLLaVA-3.1B@v9', False, 'no such revision')
        row('offline, not in the cache', 'me/other', False, 'HF_HUB_OFFLINE', HF_HUB_OFFLINE=1)
        row('unreachable, not in the cache', 'me/other', False, 'cannot be reached', HF_ENDPOINT='http://127.0.0.1:9')
        save = f"from shotluck.model import load_model; from shotluck.hub_card import push_to_hub; m,t = load_model('1.5b', device='cpu'); m.save_pretrained({str(tmp / 'out')!r}); t.save_pretrained({str(tmp / 'out')!r}); print(push_to_hub({str(tmp / 'out')!r}, 'me/mine', 'shot2story'))"
        code, sha = call(save, **on, HF_TOKEN='hf_loopback')
        rows.append(
            dict(
                what='saved and pushed',
                name='me/mine',
                exit=code,
                said='a sha' if code == 0 else sha,
                right=code == 0 and b'license: cc-by-nc-sa-4.0' in hub.repos['me/mine'].commits[sha]['README.md'],
            )
        )
        row('what was pushed', 'me/mine', True, local['llama_gqa'])
    for r in rows:
        print('ok ' if r['right'] else 'BAD', r['what'], '|', r['name'], '|', r['said'])
    (root / 'bench' / 'hub.json').write_text(
        json.dumps(dict(machine(), seconds=round(time.time() - start), rows=rows), indent=1, ensure_ascii=False) + '\n'
    )
    sys.exit(not all(r['right'] for r in rows))


main()
