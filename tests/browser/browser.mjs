// What every browser test needs: Chromium, a page that tells of its errors, axe, screenshots.
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const widths = [390, 768, 1440];
export const schemes = /** @type {const} */ (['light', 'dark']);

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/**
 * A page whose console errors, exceptions and failed requests are collected in `errors`. A form that comes back with
 * what is wrong answers 409 or 422 on purpose; `expected` are further paths that are asked for although they fail.
 */
export async function open(context, errors, expected = []) {
  const page = await context.newPage();
  page.on('console', (message) => {
    // What the browser says of a failed request is told by the answer itself, below.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) errors.push(`${page.url()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => errors.push(`${page.url()}: ${error.message}`));
  page.on('response', (response) => {
    const request = response.request();
    const comesBack = request.method() === 'POST' && request.isNavigationRequest() && [409, 422].includes(response.status());
    if (response.status() < 400 || comesBack || expected.includes(new URL(response.url()).pathname)) return;
    errors.push(`${page.url()}: ${request.method()} ${response.url()} answered ${response.status()}`);
  });
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? '';
    // Leaving a page ends what it still waits for.
    if (why !== 'net::ERR_ABORTED') errors.push(`${page.url()}: ${request.method()} ${request.url()} failed: ${why}`);
  });
  return page;
}

/** What axe finds on the page, in words; empty is good. */
export async function axe(page) {
  // The page's own policy forbids inline scripts; evaluate is the debugger's and is not bound by it.
  await page.evaluate(axeSource);
  const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return result.violations.flatMap((v) => v.nodes.slice(0, 3).map((n) => `${v.id}: ${n.target.join(' ')}: ${(n.any[0] ?? n.all[0] ?? n.none[0])?.message ?? v.help}`));
}

/** A screenshot of the whole page at every width in both colour schemes. */
export async function shoot(page, name, folder) {
  mkdirSync(folder, { recursive: true });
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const width of widths) {
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(60);
      await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png`, fullPage: true });
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
}

/** The page scrolls sideways at this width. */
export async function overflows(page) {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth + 1);
}
