// Every kind of page in a real browser, at 400 and 1400 pixels, light and dark: nothing sticks out, axe finds no
// violation, the console is empty, the page prints, and a shot and a sentence play:
//   npm i playwright-core axe-core; node bench/pages.js FOLDER-FOR-PICTURES page.html …
// Writes a picture of each, a PDF, and pages.json. Ends with 1 if something is not as it should be.
const fs = require('fs'), path = require('path');
const { pathToFileURL } = require('url');
const { chromium } = require('playwright-core');

const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const sizes = [[400, 900], [1400, 1000]], schemes = ['light', 'dark'];

async function look(browser, file, [width, height], colorScheme, picture) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme, bypassCSP: true });
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(`error: ${error}`));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && wrong.push(`console: ${message.text()}`));
  await page.goto(pathToFileURL(path.resolve(file)).href);
  // cards that are not on the screen are not laid out: here all of them must be
  await page.addStyleTag({ content: '* { content-visibility: visible !important; }' });
  await page.waitForTimeout(500);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) wrong.push(`${over} pixels stick out`);
  // a text that is wider than its box, where no scrolling leads to it
  wrong.push(...await page.evaluate(() => [...document.querySelectorAll('main *, header *, footer *')]
    .filter((e) => e.children.length === 0 && e.textContent.trim() && e.getClientRects().length)
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.strip, .wide, svg'))
    .slice(0, 3).map((e) => `cut off: ${e.textContent.trim().slice(0, 40)}`)));
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  wrong.push(...violations.map((v) => `axe ${v.id}: ${v.help} (${v.nodes.length}, such as ${v.nodes[0].html.slice(0, 160)})`));
  await page.screenshot({ path: picture, fullPage: true });
  const play = page.locator('button.frame:enabled');
  if (width === 1400 && colorScheme === 'light' && await play.count()) {  // the player says what the shot shows
    await play.first().click();
    await page.waitForSelector('dialog[open]', { timeout: 30000 }).catch(() => wrong.push('the player does not open'));
    const [said, caption] = [await page.textContent('dialog p'), await page.textContent('.card .caption')];
    if (!said.includes(caption)) wrong.push(`the player says ${said}`);
    await page.keyboard.press('Escape');
    wrong.push(...await sentence(page));
  }
  if (width === 1400 && colorScheme === 'dark') {  // a dark page prints on white
    const pdf = picture.replace(/-\d+-\w+\.png$/, '.pdf');
    await page.emulateMedia({ media: 'print', colorScheme });
    const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
    if (Math.min(...paper.slice(0, 3)) < 230) wrong.push(`prints on ${paper}`);
    await page.pdf({ path: pdf, format: 'A4', margin: { top: '15mm', bottom: '15mm', left: '14mm', right: '14mm' }, printBackground: false });
  }
  await page.close();
  return wrong;
}

// The last sentence of the page: search marks it, Enter leads to it, and a click plays the video from where it begins
async function sentence(page) {
  const last = page.locator('.card:last-of-type [data-said]').last();
  if (!await last.count()) return [];
  const wrong = [], wanted = await last.evaluate((place) => JSON.parse(document.querySelector('#board').textContent).sentences[place.dataset.said].start);
  await page.fill('input[type=search]', await last.textContent().then((text) => text.trim()));
  await page.keyboard.press('Enter');
  await page.waitForTimeout(500);
  if (!await last.evaluate((place) => place.matches('.hit'))) wrong.push('search does not mark the sentence that was searched for');
  if (!await last.evaluate((place) => place.getBoundingClientRect().bottom < innerHeight + 1)) wrong.push('Enter does not lead to the sentence that was searched for');
  await last.click();
  await page.waitForTimeout(500);
  const [at, isOpen] = await page.evaluate(() => [document.querySelector('video').currentTime, document.querySelector('dialog').open]);
  if (!isOpen || at < wanted || at > wanted + 2) wrong.push(`a click on a sentence that begins at ${wanted} s plays from ${at}`);
  await page.keyboard.press('Escape');
  return wrong;
}

async function main(folder, ...files) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
  fs.mkdirSync(folder, { recursive: true });
  const rows = [];
  for (const file of files)
    for (const size of sizes)
      for (const scheme of schemes) {
        const name = path.basename(file, '.html') === 'index' ? path.basename(path.dirname(path.resolve(file))) : path.basename(file, '.html');
        const wrong = await look(browser, file, size, scheme, path.join(folder, `${name}-${size[0]}-${scheme}.png`));
        rows.push({ page: name, width: size[0], scheme, wrong });
        console.log(wrong.length ? 'FAIL' : 'ok  ', name, size[0], scheme, ...wrong.map((line) => `\n       ${line}`));
      }
  const version = browser.version(), bad = rows.filter((row) => row.wrong.length).length;
  await browser.close();
  fs.writeFileSync(path.join(folder, 'pages.json'), JSON.stringify({ browser: `Chromium ${version}`, rows }, null, 1) + '\n');
  console.log(`${rows.length - bad} of ${rows.length} views are as they should be; pictures in ${folder}`);
  process.exit(bad ? 1 : 0);
}

main(...process.argv.slice(2)).catch((error) => { console.error(error.message); process.exit(1); });
