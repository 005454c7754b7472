// A folder served to a real browser: drop a video, caption, search, play, correct, save; two tabs; what a screen reader needs.
//   npm i playwright-core axe-core; node bench/serve_page.js [folder for pictures] [chromium's path]
// Starts `shotluck serve` on a fresh folder with an excerpt of the sample. Prints what it saw; ends with 1 if something is not as it should be.
const assert = require('assert'), fs = require('fs'), os = require('os'), path = require('path');
const { spawn } = require('child_process');
const { chromium } = require('playwright-core');

const root = path.resolve(__dirname, '..'), film = path.join(root, 'shotluck', 'data', 'film');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const pictures = path.resolve(process.argv[2] ?? fs.mkdtempSync(path.join(os.tmpdir(), 'served-')));
fs.mkdirSync(pictures, { recursive: true });

function serve(folder) {
  const options = ['-c', 'import sys; from shotluck.cli import serve; sys.argv[0] = "shotluck-serve"; serve()', folder,
    '--model', 'nano', '--shots', 'every:10s', '--speech', 'none', '--format', 'html,json,srt', '--no_browser', '--device', 'cpu'];
  const server = spawn('python', options, { cwd: os.tmpdir(), env: { ...process.env, PYTHONPATH: [root, process.env.PYTHONPATH].filter(Boolean).join(':') } });
  let said = '';
  const address = new Promise((found, failed) => {
    const listen = (text) => { said += text; const at = said.match(/http:\S+/); if (at) found(at[0]); };
    server.stdout.on('data', listen);
    server.stderr.on('data', listen);
    server.on('exit', () => failed(new Error(`the server ended: ${said}`)));
  });
  const end = () => new Promise((done) => { const begun = Date.now(); server.on('exit', (code) => done({ code, said, seconds: (Date.now() - begun) / 1000 })); server.kill('SIGINT'); });
  process.on('exit', () => server.kill('SIGKILL'));
  return { address, end };
}

async function checked(page, name, looks) {  // nothing is cut off and nothing is wrong for a screen reader, at every size
  for (const [width, dark] of [[1400, false], [1400, true], [400, false], [400, true]]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
    await page.waitForTimeout(300);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${name} at ${width}: ${wide} pixels wide`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const faults = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => `${html.slice(0, 160)} (${any[0]?.message})`).join('; ')}`);
    assert.ok(!faults.length, `${name} at ${width}: ${faults.join('\n')}`);
    await page.screenshot({ path: path.join(pictures, `${name}-${width}-${dark ? 'dark' : 'light'}.png`), fullPage: looks !== 'screen' });
  }
  await page.setViewportSize({ width: 1400, height: 900 });
}

async function main(executablePath = process.argv[3] ?? '/usr/bin/chromium') {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'library-'));
  fs.copyFileSync(path.join(film, 'bbb_meadow.mp4'), path.join(folder, 'meadow.mp4'));
  const { address, end } = serve(folder), opened = await address, origin = new URL(opened).origin;
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] }), context = await browser.newContext();
  context.setDefaultTimeout(120000);
  const page = await context.newPage(), errors = [];
  const watch = (tab) => { tab.on('pageerror', (error) => errors.push(String(error)));
    tab.on('console', (message) => ['error', 'warning'].includes(message.type()) && !/409/.test(message.text()) && errors.push(message.text())); };
  watch(page);

  // without the token nothing is shown; with it the address loses it
  const stranger = await browser.newContext(), door = await stranger.newPage();
  assert.equal((await door.goto(`${origin}/`)).status(), 403);
  assert.equal((await door.goto(`${origin}/meadow.mp4`)).status(), 403);
  await page.goto(opened);
  assert.equal(page.url(), `${origin}/`);
  await checked(page, 'new');

  // a video is dropped, another path is pasted; both are captioned
  const names = ['squirrel <b> & "é".mp4'];
  const copy = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'drop-')), names[0]);
  fs.copyFileSync(path.join(film, 'bbb_squirrel.mp4'), copy);
  let letGo;
  const refused = new Promise((done) => { letGo = done; });
  await page.route('**/.shotluck/queue', async (route) => { if (/quoted/.test(route.request().postData())) await refused; await route.continue(); });
  await page.setInputFiles('#files', copy);
  await page.waitForSelector(`#queue b:text-is(${JSON.stringify(names[0]).replace(/\\"/g, '\\"')})`);
  await page.fill('#path', '/etc/passwd');
  await page.press('#path', 'Enter');
  await page.waitForFunction(() => /not in/.test(document.querySelector('#told').textContent));
  letGo();  // what goes well afterwards does not hide what was refused, until the next try
  await page.waitForSelector('#queue button:text-matches("Stop|Remove")');
  await page.waitForTimeout(500);
  assert.match(await page.textContent('#told'), /not in/);
  await page.unroute('**/.shotluck/queue');
  await page.fill('#path', path.join(folder, 'meadow.mp4'));
  await page.press('#path', 'Enter');
  await page.waitForFunction(() => !/not in/.test(document.querySelector('#told').textContent));
  await page.waitForSelector('#queue progress:not([hidden])');
  await checked(page, 'busy', 'screen');
  await page.waitForFunction(() => document.querySelectorAll('article').length === 2 && !document.querySelector('#queue li'), null, { timeout: 240000 });
  assert.deepEqual(fs.readdirSync(folder).filter((name) => name[0] !== '.').sort(), ['meadow.html', 'meadow.json', 'meadow.mp4', 'meadow.srt',
    ...['html', 'json', 'mp4', 'srt'].map((ending) => names[0].replace(/mp4$/, ending))].sort());

  // stopping: the model is asked for again, with other shots
  await page.fill('#shots', 'every:0.5s');
  await page.click('article:has-text("meadow") [data-again]');
  await page.click('#queue button:text-is("Stop")', { timeout: 60000 });
  await page.waitForSelector('#queue span:text("stopped")', { timeout: 60000 });
  await page.fill('#shots', 'every:10s');
  await checked(page, 'stopped');

  // search leads to the shot
  const word = (await page.evaluate(() => JSON.parse(document.querySelector('#data').textContent)[0].shots[1][2])).split(' ')[1];
  await page.fill('[type=search]', word);
  await page.waitForSelector('article li a');
  await checked(page, 'search');
  await page.click('article li a');  // to the shot, where the word is marked
  await page.waitForSelector('.card[aria-current] mark.found');
  assert.match(page.url(), /meadow\.html\?find=.*#shot-\d+$|squirrel.*\.html\?find=.*#shot-\d+$/);
  for (const text of await page.locator('mark.found').allTextContents()) assert.equal(text.toLowerCase(), word.toLowerCase());
  await checked(page, 'found', 'screen');
  await page.goto(`${origin}/`);

  // a storyboard: playing, correcting, saving
  await page.click('article h2 a:has-text("meadow")');
  await page.waitForSelector('.card');
  await checked(page, 'storyboard');
  await page.click('#shot-2 button.frame');
  await page.waitForFunction(() => document.querySelector('video').currentTime > 0.5 && document.querySelector('dialog').open);
  await page.keyboard.press('Escape');
  await page.click('#edit');
  await page.fill('#shot-1 .caption', 'Written in the first tab.');
  await page.click('#shot-2 h2');
  await page.waitForFunction(() => document.querySelector('output').textContent === 'Saved.');
  await checked(page, 'editing');
  const json = path.join(folder, 'meadow.json'), read = () => JSON.parse(fs.readFileSync(json));
  assert.equal(read().shots[0].caption, 'Written in the first tab.');
  for (let i = 0; i < 60 && !/first tab/.test(fs.readFileSync(path.join(folder, 'meadow.srt'), 'utf8')); i += 1) await page.waitForTimeout(500);
  assert.match(fs.readFileSync(path.join(folder, 'meadow.srt'), 'utf8'), /Written in the first tab/);
  await page.reload();
  assert.equal(await page.textContent('#shot-1 .caption'), 'Written in the first tab.');
  assert.equal(await page.locator('#shot-1 .caption.mine').count(), 1);

  // a second tab saves; the first is told, keeps its words, and may choose
  const second = await context.newPage();
  watch(second);
  await second.goto(`${origin}/meadow.html`);
  const save = async (tab, shot, text, told = /^Saved/) => { await tab.fill(`#shot-${shot} .caption`, text); await tab.click('#shot-3 h2');
    await tab.waitForFunction((wanted) => new RegExp(wanted).test(document.querySelector('output').textContent), told.source); };
  await page.click('#edit');
  await second.click('#edit');
  await save(second, 2, 'Written in the second tab.');
  await save(page, 1, 'Written later in the first.', /^Not saved/);
  await page.waitForSelector('.clash button');
  await checked(page, 'conflict', 'screen');
  assert.equal(read().shots[0].caption, 'Written in the first tab.');
  assert.equal(await page.textContent('#shot-1 .caption'), 'Written later in the first.');
  let saves = 0;
  page.on('request', (request) => { saves += request.method() === 'POST'; });
  await page.click('.clash button:text-is("Save both")');
  await page.waitForFunction(() => document.querySelector('output').textContent === 'Saved.');
  await page.waitForTimeout(1500);  // a second save would find what another tab saved meanwhile, and ask again
  assert.equal(saves, 1);
  assert.deepEqual(read().shots.slice(0, 2).map(({ caption }) => caption), ['Written later in the first.', 'Written in the second tab.']);
  await save(second, 1, 'Again in the second.', /^Not saved/);
  await second.click('.clash button:text-is("Show theirs")');
  assert.equal(await second.textContent('#shot-1 .caption'), 'Written later in the first.');
  await second.click('#undo');
  await second.waitForFunction(() => document.querySelector('output').textContent === 'Saved.');
  assert.equal(read().shots[0].caption, 'Again in the second.');
  await page.click('#shot-1 [data-do=later]');
  await page.waitForSelector('.clash button').catch(async () => assert.fail(`no choice is offered; the page says: ${await page.textContent('output')}`));
  assert.equal(await page.locator('.clash button').count(), 2);  // cuts were moved: they cannot be put together
  await page.click('.clash button:text-is("Save mine")');
  await page.waitForFunction(() => document.querySelector('output').textContent === 'Saved.');
  assert.equal(read().shots[0].caption, 'Written later in the first.');
  await page.goto(`${origin}/`);
  assert.match(await page.textContent('main'), /corrected/);
  await checked(page, 'index');

  // the server ends while a video is captioned
  await page.fill('#shots', 'every:0.5s');
  await page.click('article:has-text("squirrel") [data-again]');
  await page.waitForSelector('#queue button:text-is("Stop")');
  const { code, said, seconds } = await end();
  assert.equal(code, 0, said);
  assert.match(said, /1 not finished \(squirrel/);
  assert.ok(seconds < 20, `it took ${seconds} s to end`);
  assert.deepEqual(errors.filter((error) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|ERR_EMPTY|status of 400/.test(error)), []);  // 400: /etc/passwd was refused
  console.log(`dropped, captioned, stopped, found, played, corrected, saved; two tabs; ended after ${seconds.toFixed(1)} s; pictures in ${pictures}`);
  await browser.close();
}

main().catch((error) => { console.error(error.stack); process.exit(1); });
