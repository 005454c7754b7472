// What bench/round_trip.py does in the browser: node bench/round_trip.js plan.json
// The plan says `what`: look (a picture of a page), correct (write into pages what is true, as a person would, and save
// each over its JSON), or beside (a picture of two pages, one beside the other).
const assert = require('assert'), fs = require('fs');
const { pathToFileURL } = require('url');
const { chromium } = require('playwright-core');

async function open(browser, width, scale, file) {
  const page = await browser.newPage({ viewport: { width, height: 700 }, deviceScaleFactor: scale, colorScheme: 'light' });
  page.on('pageerror', (error) => { throw error; });
  await page.goto(pathToFileURL(file).href);
  await page.waitForTimeout(300);  // pictures are decoded
  return page;
}

async function shoot(page, options) {  // from the top, or the bar would stand where the page was scrolled to
  await page.evaluate(() => scrollTo(0, 0));
  return page.screenshot({ fullPage: true, ...options });
}

async function look(browser, { page: file, picture }) {
  await shoot(await open(browser, 1000, 1.4, file), { path: picture });
}

const leave = (page) => page.evaluate(() => document.activeElement.blur());  // what was typed is taken then

// Write what is true, or say that a caption is right as it is. `half`: what to do while the second caption is written.
async function write(page, captions, half) {
  const told = { shots: captions.length, written: 0, approved: 0 };
  for (const [i, truth] of captions.entries()) {
    const place = page.locator(`#shot-${i + 1} .caption`);
    if (!truth) continue;  // a shot that is none
    if (truth === await place.textContent()) {
      await page.check(`#shot-${i + 1} .approve`);
      told.approved += 1;
      continue;
    }
    await place.click();
    await page.keyboard.press('Control+A');
    const middle = truth.indexOf(' ', truth.length / 2);
    await page.keyboard.type(truth.slice(0, middle));
    if (told.written === 1 && half) await half();
    await page.keyboard.type(truth.slice(middle));
    await leave(page);
    told.written += 1;
  }
  return told;
}

async function correct(browser, { edits, picture, told: out }) {
  const sum = { shots: 0, written: 0, approved: 0, summaries: 0 };
  for (const [k, { page: file, json, captions, summary }] of edits.entries()) {
    const page = await open(browser, 1000, 1.4, file);
    await page.click('#edit');
    const told = await write(page, captions, k ? null : () => shoot(page, { path: picture }));
    sum.summaries += summary !== await page.textContent('.summary');
    await page.fill('.summary', summary);
    await leave(page);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')]);
    await download.saveAs(json);
    const saved = JSON.parse(fs.readFileSync(json));
    captions.forEach((truth, i) => truth && assert.equal(saved.shots[i].caption, truth));
    assert.equal(saved.summary, summary);
    for (const name of ['shots', 'written', 'approved']) sum[name] += told[name];
    await page.close();
  }
  fs.writeFileSync(out, JSON.stringify(sum));
}

async function beside(browser, { pages, titles, picture }) {
  const figures = [];
  for (const [k, file] of pages.entries()) {
    const page = await open(browser, 640, 2, file);
    const taken = (await shoot(page)).toString('base64');
    figures.push(`<figure><figcaption>${titles[k]}</figcaption><img src="data:image/png;base64,${taken}"></figure>`);
  }
  const page = await browser.newPage({ viewport: { width: 1400, height: 700 }, colorScheme: 'light' });
  await page.setContent(`<style>body { display: flex; gap: 20px; margin: 0; padding: 20px; background: #e4e0d8; }
    figure { flex: 1; margin: 0; } figcaption { padding: 0 0 12px; font: 600 30px system-ui, sans-serif; color: #22242a; }
    img { display: block; width: 100%; }</style>${figures.join('')}`);
  await page.waitForFunction(() => [...document.images].every((image) => image.complete));
  await shoot(page, { path: picture });
}

async function main(file) {
  const plan = JSON.parse(fs.readFileSync(file));
  const browser = await chromium.launch({ executablePath: plan.chromium, args: ['--no-sandbox'] });
  await { look, correct, beside }[plan.what](browser, plan);
  await browser.close();
}

main(...process.argv.slice(2)).catch((error) => { console.error(error.message); process.exit(1); });
