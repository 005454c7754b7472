"""The storyboard page in a real browser: python bench/page.py [folder for pictures and pages]   (needs `pip install selenium`, chromium and chromedriver)

Layout at 400 and 1400 pixels, search, keyboard, playing shots, print, text that looks like markup, our VTT in the browser's own player, a page in a notebook's frame, a console without errors."""

import base64
import shutil
import sys
import tempfile
import time
from pathlib import Path

from machine import machine, root
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys

from shotluck.caption import KeyFrames
from shotluck.download import film_dir
from shotluck.files import write_json, write_text
from shotluck.shots import annotated_shots
from shotluck.storyboard import CaptionedShot, Storyboard
from shotluck.text import read_json
from shotluck.video import iter_pictures, probe

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()).resolve()
out.mkdir(parents=True, exist_ok=True)
done = []


def check(name, ok, got=''):
    done.append(dict(check=name, ok=bool(ok)))
    print('ok  ' if ok else 'FAIL', name, '' if ok else got, flush=True)


def storyboard(video: str, **kw):
    "The page of a bundled film, with the sample's own captions in the place of a model's"
    ann = next(a for a in read_json(Path(film_dir()) / 'shot2story.json') if a['video'] == video)
    path, shots = Path(film_dir()) / video, annotated_shots(ann['video_names'])
    info, keys = probe(path), KeyFrames(shots)
    for k, _, picture in iter_pictures(path, [], 8, keys.of):
        keys(k, picture)
    edge = [*info.times.tolist(), info.duration]
    told = [
        CaptionedShot(i + 1, *s, edge[s.start], edge[s.end], a, c, keys.best[i][2], keys.best[i][1])
        for i, (s, a, c) in enumerate(zip(shots, ann['ASR'], ann['captions']))
    ]
    return Storyboard(
        path,
        told,
        ann['whole_caption'],
        info,
        dict(
            captions="the sample's own, machine-written from stills",
            film='© Blender Foundation, CC BY 3.0',
            made_with='shotluck',
        ),
        **kw,
    )


def browser(width, height=900, dark=False, phone=False):
    o = webdriver.ChromeOptions()
    o.binary_location = shutil.which('chromium') or shutil.which('google-chrome')
    for a in (
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--hide-scrollbars',
        '--no-first-run',
        '--disable-background-networking',
        '--autoplay-policy=no-user-gesture-required',
        f'--user-data-dir={tempfile.mkdtemp()}',
    ):
        o.add_argument(a)
    o.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    d = webdriver.Chrome(options=o, service=Service(shutil.which('chromedriver')))
    d.execute_cdp_cmd(
        'Emulation.setDeviceMetricsOverride', dict(width=width, height=height, deviceScaleFactor=1, mobile=phone)
    )
    d.execute_cdp_cmd(
        'Emulation.setEmulatedMedia',
        dict(features=[dict(name='prefers-color-scheme', value='dark' if dark else 'light')]),
    )
    return d


sintel = 'sintel_trailer_360p.mp4'
shutil.copy(Path(film_dir()) / sintel, out / sintel)
sb = storyboard(sintel)
# what is said in the trailer: the sample has no speech
sb.shots[3].speech = 'What brings you to the land of the gatekeepers?'
sb.shots[4].speech = "I'm searching for someone."
write_text(out / 'film.html', sb.to_html(sintel))
evil = storyboard(sintel, note='<b>note</b>')
evil.shots[0].caption, evil.shots[1].speech, evil.summary = (
    '<script>alert(1)</script> " onmouseover="alert(2)',
    '</blockquote><img src=x onerror=alert(3)>',
    '{{ 7*7 }} <script>alert(4)</script>',
)
evil.shots[5].caption = 'İstanbul CAFÉ ' + 'Donaudampfschifffahrtsgesellschaft' * 4
write_text(out / 'evil.html', evil.to_html('gone.mp4'))
hour = storyboard(
    sintel,
    parts=[
        dict(start=0, end=9, t0=0.0, t1=400.0, summary='A beginning.'),
        dict(start=9, end=20, t0=400.0, t1=3600.0, summary='An end.'),
    ],
)
hour.shots = [
    CaptionedShot(i + 1, 86 * i, 86 * i + 86, 3.6 * i, 3.6 * i + 3.6, s.speech, s.caption, s.thumb, s.key)
    for i in range(1000)
    for s in [hour.shots[i % 20]]
]
hour.info = type('Info', (), dict(vars(hour.info), duration=3600.0))
write_text(out / 'hour.html', hour.to_html(sintel))
write_text(out / 'notebook.html', f'<!DOCTYPE html><title>x</title><link rel="icon" href="data:,">{sb._repr_html_()}')
size = (out / 'hour.html').stat().st_size
check(f'an hour of 1,000 shots: {size / 1e6:.2f} MB, under 5', size < 5e6)


def overflow(d):
    return d.execute_script('return document.documentElement.scrollWidth-innerWidth')


def errors(d):
    return [e['message'] for e in d.get_log('browser') if e['level'] in ('SEVERE', 'WARNING')]


for width, dark in ((400, False), (400, True), (1400, False), (1400, True)):
    d = browser(width, 900, dark, width < 500)
    for name in ('film', 'evil', 'hour'):
        d.get(f'file://{out}/{name}.html')
        time.sleep(1)
        check(f'{name} at {width}, {"dark" if dark else "light"}: nothing sticks out', overflow(d) <= 0, overflow(d))
        d.save_screenshot(str(out / f'{name}-{width}-{"dark" if dark else "light"}.png'))
    d.get(f'file://{out}/film.html')
    time.sleep(0.5)
    per_row = d.execute_script(
        "return getComputedStyle(document.querySelector('.cards')).gridTemplateColumns.split(' ').length"
    )
    check(f'cards in a row at {width}: {per_row}', per_row == (1 if width == 400 else 4), per_row)
    lum = d.execute_script(
        "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a,b)=>a+b)/3"
    )
    check(f'{"dark" if dark else "light"} paper at {width}', lum < 60 if dark else lum > 200, lum)
    check(f'console at {width}', not errors(d), errors(d))
    d.quit()

d = browser(1400)
js = d.execute_script


def press(*k):
    return (ActionChains(d).send_keys(*k).perform(), time.sleep(0.2))


def current():
    return js("return document.querySelector('.card[aria-current]')?.id")


def shown():
    return js("return [...document.querySelectorAll('.card')].filter(c=>!c.hidden).length")


def player():
    return js(
        "const v=document.querySelector('video');return [v.currentTime,v.paused,document.querySelector('dialog').open]"
    )


d.get(f'file://{out}/film.html')
time.sleep(1)
press('j')
press('j')
press('k')
check('j and k move', current() == 'shot-1', current())
press('/')
press('dragon')
n = sum('dragon' in (s.caption + s.speech).lower() for s in sb.shots)
check('search finds captions', 0 < n == shown(), (n, shown()))
press(Keys.ESCAPE)
press('gatekeepers LAND')
check('search finds speech, any order and case', shown() == 1, shown())
press(Keys.ESCAPE)
check('Escape clears', shown() == 20, shown())
press(Keys.ESCAPE)
js("document.querySelector('#shot-6 button').click()")
time.sleep(0.4)
t = player()
s = sb.shots[5]
check('a click plays the shot', t[2] and s.t0 <= t[0] < s.t1 + 0.1, t)
time.sleep(s.t1 - s.t0 + 0.6)
t = player()
check('it stops within its last frame', t[1] and s.t1 - 2 / 24 <= t[0] < s.t1, (t, s.t1))
press(Keys.ESCAPE)
check('Escape closes', not player()[2])
press('k')
press(Keys.ENTER)
time.sleep(0.4)
t = player()
check('Enter plays', t[2] and abs(t[0] - sb.shots[4].t0) < 1, t)
press(Keys.ESCAPE)
check(
    'every picture and segment has a name',
    js(
        "return [...document.querySelectorAll('main img')].every(i=>i.alt) && [...document.querySelectorAll('.film a')].every(a=>a.getAttribute('aria-label'))"
    ),
)
check('console', not errors(d), errors(d))
pdf = base64.b64decode(d.execute_cdp_cmd('Page.printToPDF', dict(paperWidth=8.27, paperHeight=11.69))['data'])
(out / 'film.pdf').write_bytes(pdf)
check(
    'prints',
    pdf.startswith(b'%PDF') and 1 <= pdf.count(b'/Type /Page\n') + pdf.count(b'/Type /Page/') <= 6 or b'/Count' in pdf,
)
d.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(media='print'))
hid = js("return ['.tools','dialog'].every(q=>getComputedStyle(document.querySelector(q)).display=='none')")
check('print hides search and player', hid)
d.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(media=''))

d.get(f'file://{out}/evil.html')
time.sleep(1)
check(
    'markup in captions shows as text',
    js("return document.querySelector('#shot-1 .text').textContent") == evil.shots[0].caption
    and js('return document.scripts.length') == 1,
)
try:
    _ = d.switch_to.alert
    check('no alert', False)
except Exception:
    check('no alert', True)
errors(d)
js("document.querySelector('#shot-1 button').click()")
time.sleep(0.8)
check(
    'a video that is gone: the page says so and stays',
    'cannot be opened' in js("return document.querySelector('output').textContent") and not player()[2],
)
errors(d)

d.get(f'file://{out}/notebook.html')
time.sleep(1.5)
d.switch_to.frame(0)
check("in a notebook's frame", js("return document.querySelectorAll('.card').length") == 20)
d.switch_to.default_content()
check("console in a notebook's frame", not errors(d), errors(d))

vtt = 'data:text/vtt;base64,' + base64.b64encode(evil.to_vtt().encode()).decode()
write_text(
    out / 'player.html',
    f'<!DOCTYPE html><title>x</title><link rel="icon" href="data:,"><video src="{sintel}" controls muted><track default src="{vtt}"></video>',
)
d.get(f'file://{out}/player.html')
time.sleep(1)
cues = js(
    "return [...document.querySelector('video').textTracks[0].cues].map(c=>[c.startTime,c.endTime,c.getCueAsHTML().textContent.trimEnd()])"
)
check(
    "the browser's own player has every cue and its text",
    [c[2] for c in cues] == [s.caption for s in evil.shots]
    and all(abs(c[0] - s.t0) < 1e-3 and abs(c[1] - s.t1) < 1e-3 for c, s in zip(cues, evil.shots)),
    cues[:2],
)
js("const v=document.querySelector('video');v.currentTime=arguments[0]", evil.shots[4].t0 + 0.2)
time.sleep(0.8)
active = js("return [...document.querySelector('video').textTracks[0].activeCues].map(c=>c.text)")
check('and shows the one that is due', len(active) == 1 and active[0].startswith(evil.shots[4].caption[:20]), active)
check('console of the player', not errors(d), errors(d))
version = d.capabilities['browserVersion']
d.quit()
write_json(
    root / 'bench' / 'page.json',
    dict(
        machine(),
        browser=f'Chromium {version}',
        hour_of_1000_shots_mb=round(size / 1e6, 2),
        passed=sum(c['ok'] for c in done),
        of=len(done),
        checks=done,
    ),
)
print(f"{sum(c['ok'] for c in done)} of {len(done)}; pictures in {out}")
sys.exit(any(not c['ok'] for c in done))
