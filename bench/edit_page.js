// Correct a storyboard's page in a real browser, save it, and read what was saved:
//   npm i playwright-core; node bench/edit_page.js film.html [chromium's path]
// The page must have at least 8 shots. Prints what it saw; ends with 1 if something is not as it should be.
const assert = require('assert'), fs = require('fs'), os = require('os'), path = require('path');
const { pathToFileURL } = require('url');
const { chromium } = require('playwright-core');

async function main(file, executablePath = '/usr/bin/chromium') {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(pathToFileURL(path.resolve(file)).href);
  const was = JSON.parse(await page.textContent('#board')), n = was.shots.length;

  await page.click('#edit');
  await page.fill('#shot-3 .caption', 'Written by a person.');
  await page.click('#shot-4 .caption');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('Typed');
  await page.keyboard.press('Enter');  // ends the text
  await page.click('#shot-6 .caption');
  await page.keyboard.type('thrown away');
  await page.keyboard.press('Escape');
  await page.click('#shot-2 [data-do=later]', { modifiers: ['Shift'] });
  await page.click('#shot-5 [data-do=split]');
  await page.click('#shot-8 [data-do=merge]');
  await page.check('#shot-1 .approve');
  await page.fill('.summary', 'A summary by a person.');
  const said = was.sentences.findIndex(({ text, start }) => text && start < was.shots[0].t1);  // of the first shot, if it has any
  if (said >= 0) await page.fill(`[data-said="${said}"]`, 'Said by a person.');
  await page.fill('#shot-1 .speech:not([data-said])', 'One more sentence.');
  await page.locator('#shot-1 .speech:not([data-said])').blur();
  const marked = await page.locator('.mine').count();
  for (const [width, height] of [[1400, 1000], [400, 900]]) {
    await page.setViewportSize({ width, height });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, 'nothing is cut off');
  }
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')]);
  const saved = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'edit')), 'saved.json');
  await download.saveAs(saved);
  const now = JSON.parse(fs.readFileSync(saved));

  assert.equal(download.suggestedFilename(), path.basename(file).replace(/\.html$/, '.json'));
  assert.equal(now.shots.length, n);  // one split, one merged
  assert.equal(now.summary, 'A summary by a person.');
  if (said >= 0) assert.deepEqual(now.sentences[said], { ...was.sentences[said], text: 'Said by a person.' });
  const { start, end, text, machine } = now.sentences.at(-1);
  assert.deepEqual([start, end, text, machine], [now.shots[0].t0, now.shots[0].t1, 'One more sentence.', '']);
  assert.equal(now.sentences.length, was.sentences.length + 1);
  assert.equal(now.shots[2].caption, 'Written by a person.');
  assert.equal(now.shots[3].caption, 'Typed');
  assert.equal(now.shots[1].end, Math.min(was.shots[1].end + 10, was.shots[2].end - 1));
  assert.equal(now.shots[2].start, now.shots[1].end);
  assert.equal(now.shots[4].end, now.shots[5].start);
  assert.equal(now.shots[5].end, was.shots[4].end);
  assert.deepEqual(now.shots[5].machine, {});  // a shot that a person made
  assert.equal(now.shots[6].caption, was.shots[5].caption);
  assert.deepEqual([now.shots[7].start, now.shots[7].end], [was.shots[6].start, was.shots[7].end]);
  assert.equal(now.shots[0].approved, true);
  assert.deepEqual(now.shots[0].machine, was.shots[0].machine);
  while (await page.isEnabled('#undo')) await page.click('#undo');
  assert.equal(await page.locator('[data-said]').count(), was.sentences.filter(({ text, kind }) => text || kind === 'unclear').length);
  assert.equal(await page.locator('.card').count(), n);
  assert.equal(await page.textContent('#shot-1 .caption'), was.shots[0].caption);
  await page.click('#edit');
  assert.equal(await page.locator('[contenteditable]').count(), 0);
  await page.keyboard.press('j');  // the page's own keys work again
  assert.deepEqual(errors, []);
  console.log(`${n} shots, ${marked} texts marked as a person's, saved and undone; no errors`);
  await browser.close();
}

main(...process.argv.slice(2)).catch((error) => { console.error(error.message); process.exit(1); });
