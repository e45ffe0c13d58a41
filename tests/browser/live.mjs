// Whether a page that is open stays true: what changes shows by itself; a server in trouble is left in peace and the page
// says since when it is not live; a page that is hidden holds no connection; what a person points at is not disturbed.
//   cargo build -p bellwether-server && node tests/browser/live.mjs
import { launch, open } from './browser.mjs';
import { awaited, furnish, machine, serve, signedIn, wanted } from './server.mjs';

const server = await serve();
const problems = [];
const check = (what, so) => { if (!so) problems.push(what); };
const browser = await launch();
try {
  const admin = await signedIn(server.base, server.admin);
  const { image, hosts } = await furnish(admin, ['host01', 'host02'], 'hosts=2');
  const vm = await machine(admin, admin, image, 'web');

  /** A page of the administrator, signed in, that shows `path` and is live. */
  const visit = async (path, errors, clock) => {
    const context = await browser.newContext();
    const page = await open(context, errors);
    if (clock) await page.clock.install();
    await page.goto(`${server.base}/sign-in`);
    await page.getByLabel('Login').fill(server.admin.login);
    await page.getByLabel('Password').fill(server.admin.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'));
    // It listens once its stream is open.
    const streaming = page.waitForResponse((answer) => answer.url().endsWith('/api/v1/events') && page.url() === server.base + path);
    await page.goto(server.base + path);
    await streaming;
    return page;
  };
  const note = (page) => page.locator('#not-live');

  {
    // A request that comes in is counted on every page of an administrator, wherever they are.
    const page = await visit('/hosts', problems);
    check('a count is shown before anything waits', (await page.locator('#nav .count').count()) === 0);
    await admin('POST', 'requests', wanted(image, 'asked while you look'));
    await page.locator('#nav .count', { hasText: '1' }).waitFor();
    await page.context().close();
  }
  {
    // The server is in trouble for two minutes: few questions, and the page says so; then it is well again.
    const page = await visit('/hosts', [], true);
    let asked = 0;
    let inside = 0;
    const trouble = async (route) => {
      if (route.request().isNavigationRequest()) return route.continue();
      asked += 1; inside += 1;
      await route.fulfill({ status: 503, body: 'no' });
      inside -= 1;
    };
    await page.route(`${server.base}/hosts`, trouble);
    await awaited('the first renewal', async () => { await page.clock.runFor(1000); return asked; }, (count) => count > 0);
    for (let seconds = 0; seconds < 120; seconds += 2) {
      await page.clock.runFor(2000);
      do await page.evaluate(() => new Promise((done) => { done(0); })); while (inside);
    }
    check(`a server in trouble is asked ${asked} times in two minutes`, asked >= 3 && asked <= 8);
    check('a page that is not live does not say so', /^Not live since \d\d:\d\d/.test(await note(page).innerText()));
    await page.unroute(`${server.base}/hosts`, trouble);
    await awaited('it to be live again', async () => { await page.clock.runFor(10_000); return note(page).isHidden(); }, Boolean);
    await page.context().close();
  }
  {
    // What the page shows is gone: that is said once, and nothing is asked any more.
    const page = await visit(`/hosts/${hosts[0].id}`, [], true);
    let asked = 0;
    await page.route(`${server.base}/hosts/${hosts[0].id}`, (route) => { asked += 1; return route.fulfill({ status: 404, body: 'no' }); });
    await awaited('the first renewal', async () => { await page.clock.runFor(1000); return asked; }, (count) => count > 0);
    await note(page).filter({ hasText: 'no longer there' }).waitFor();
    await page.clock.runFor(120_000);
    check(`a page that is gone is asked for ${asked} times`, asked === 1);
    await page.context().close();
  }
  {
    // Hidden, a page holds no stream; seen again it opens one and reads everything anew.
    const page = await visit('/vms', problems);
    let opened = 0;
    const ours = (request) => request.url().endsWith('/api/v1/events');
    page.on('request', (request) => { if (ours(request)) opened += 1; });
    const see = (hidden) => page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    const ended = page.waitForEvent('requestfailed', ours);
    await see(true);
    await ended;
    const renewal = page.waitForRequest((request) => request.url() === `${server.base}/vms`);
    await see(false);
    await renewal;
    check(`${opened} streams were opened for one page that came back`, opened === 1);
    await page.context().close();
  }
  {
    // What a person points at in a graph stays while the page renews itself around it.
    const page = await visit(`/vms/${vm.id}`, problems);
    await page.locator('[data-graph="cpu"] .uplot canvas').waitFor({ timeout: 60_000 });
    const box = await page.locator('[data-graph="cpu"] .u-over').boundingBox();
    await page.mouse.move(box.x + box.width - 2, box.y + box.height / 2);
    const readout = page.locator('[data-graph="cpu"] [data-readout]');
    await readout.filter({ hasText: /%/ }).waitFor();
    await page.evaluate(() => {
      const log = /** @type {any} */ (globalThis).emptied = [];
      new MutationObserver(() => { for (const e of document.querySelectorAll('[data-graph="cpu"] [data-readout]')) if (!e.textContent) log.push(1); })
        .observe(document.querySelector('#graphs'), { childList: true, subtree: true, characterData: true });
      /** @type {any} */ (globalThis).renewals = 0;
      document.addEventListener('renewed', (event) => { if (/** @type {any} */ (event).detail.includes('graphs')) /** @type {any} */ (globalThis).renewals += 1; });
    });
    await page.waitForFunction(() => /** @type {any} */ (globalThis).renewals >= 2);
    check('what is read off a graph goes away when the page is renewed', (await page.evaluate(() => /** @type {any} */ (globalThis).emptied.length)) === 0 && /%/.test(await readout.innerText()));
    // Drawn anew in other colours it still says in words what it shows.
    const canvas = '[data-graph="cpu"] [data-canvas] canvas';
    await page.locator(canvas).evaluate((drawn) => { drawn.dataset.before = 'yes'; });
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.waitForFunction((which) => {
      const drawn = document.querySelector(which);
      return drawn instanceof HTMLElement && !drawn.dataset.before && /%/.test(drawn.getAttribute('aria-label') ?? '');
    }, canvas);
    await page.context().close();
  }
} catch (error) {
  problems.push(error.stack);
}
await browser.close();
await server.stop();
for (const problem of problems) console.log(problem);
console.log(`${problems.length} problems`);
process.exitCode = problems.length ? 1 : 0;
