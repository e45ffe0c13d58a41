// The whole story through the pages of a running server: first steps, register, request, approve, the machine runs, its
// graphs, live migration, its end. Once with scripts (axe on every page, no errors, screenshots), once by keyboard
// alone (JavaScript on, no pointer), once without JavaScript. Each way makes a person and a machine of its own.
//   node tests/browser/story.mjs SITE.json [scripts,keyboard,plain]     in this order; the first makes what is missing
// SITE.json says what exists:
//   { "base": "http://127.0.0.1:8080", "admin": { "login": "ada", "password": "…" }, "patience_s": 60,
//     "hosts": [{ "uri": "sim://demo/host01", "name": "host01" }, …],      added where missing
//     "storage": { "name": "shared", "pool": "shared", "kind": "shared" },  made where there is none
//     "network": { "name": "guests", "carrier": "br0", "cidr": "10.78.0.0/24", "from": "10.78.0.20", "until": "10.78.0.200" },
//     "image": { "file": "/path/image.qcow2", "name": "tiny", "os": "Tiny Linux", "disk_gib": 1, "memory_mib": 128 },
//     "watch_moves": true }        a move takes long enough here to be seen on its way
import { readFileSync } from 'node:fs';
import { axe, launch, open, overflows, root, shoot } from './browser.mjs';

const site = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const ways = (process.argv[3] ?? 'scripts,keyboard,plain').split(',');
for (const way of ways) if (!['scripts', 'keyboard', 'plain'].includes(way)) throw new Error(`'${way}' is no way of working`);
const patience = (site.patience_s ?? 60) * 1000;
const problems = [];
const tag = Date.now().toString(36).slice(-5);

/** Looks at the page as a test: axe, sideways scrolling, screenshots. */
async function look(page, name) {
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  problems.push(...(await axe(page)).map((found) => `${name}: ${found}`));
  await shoot(page, name, `${root}target/screenshots`);
  await page.setViewportSize({ width: 390, height: 844 });
  if (await overflows(page)) problems.push(`${name}: scrolls sideways at 390 px`);
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: null });
}

/** How a person works the page: by pointer, or by keys alone. */
function hands(page, keyboard) {
  const reach = async (locator) => {
    if (!keyboard) return;
    await locator.waitFor();
    const target = await locator.elementHandle();
    // Tab by tab, as a person would; a page where it can't be reached is broken.
    for (let tabs = 0; tabs < 400; tabs += 1) {
      if (await target.evaluate((e) => e === document.activeElement)) return;
      await page.keyboard.press('Tab');
    }
    throw new Error(`${page.url()}: can't be reached by Tab: ${locator}`);
  };
  return {
    async press(locator) {
      if (!keyboard) return locator.click();
      await reach(locator);
      return page.keyboard.press('Enter');
    },
    async type(locator, text) {
      if (!keyboard) return locator.fill(text);
      await reach(locator);
      await page.keyboard.press('ControlOrMeta+a');
      return page.keyboard.type(text);
    },
    async tick(locator) {
      if (!keyboard) return locator.check();
      await reach(locator);
      return page.keyboard.press('Space');
    },
    async choose(locator, value) {
      if (!keyboard) return locator.selectOption(value);
      await reach(locator);
      const option = locator.locator(`option[value="${value}"]`);
      return page.keyboard.type((await option.textContent() ?? '').trim());
    },
  };
}

const button = (page, name) => page.getByRole('button', { name }).filter({ visible: true }).first();
const link = (page, name) => page.getByRole('link', { name, exact: true }).filter({ visible: true }).first();

async function signIn(page, { press, type }, who, seeing) {
  await page.goto(`${site.base}/sign-in`);
  if (seeing) await look(page, 'sign-in');
  await type(page.getByLabel('Login'), who.login);
  await type(page.getByLabel('Password'), who.password);
  await press(button(page, 'Sign in'));
  await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'));
}

/** Reads the page again until it says `pattern`; live pages are left to renew themselves where `live`. */
async function until(page, locator, pattern, live) {
  const end = Date.now() + patience;
  for (;;) {
    const text = await locator.first().textContent({ timeout: 5000 }).catch(() => '');
    if (pattern.test(text ?? '')) return;
    if (Date.now() > end) throw new Error(`${page.url()}: waited for ${pattern}, there is: ${(text ?? '').replace(/\s+/g, ' ').slice(0, 400)}`);
    if (live) await page.waitForTimeout(500);
    else { await page.waitForTimeout(700); await page.reload(); }
  }
}

/** Reads the page again until each of these is there. */
async function appears(page, locators) {
  const end = Date.now() + patience;
  for (;;) {
    const counts = await Promise.all(locators.map((locator) => locator.count()));
    if (counts.every((count) => count > 0)) return;
    if (Date.now() > end) throw new Error(`${page.url()}: waited for ${locators.join(', ')}`);
    await page.waitForTimeout(700);
    await page.reload();
  }
}

/** Brings up what the story stands on, through the pages, where it is not there. */
async function firstSteps(page, { press, type, tick, choose }, seeing) {
  await page.goto(`${site.base}/start`);
  if (seeing) await look(page, 'start');
  for (const host of site.hosts ?? []) {
    await page.goto(`${site.base}/hosts`);
    if (await link(page, host.name).count()) continue;
    await page.goto(`${site.base}/hosts/new`);
    await type(page.getByLabel('How we reach it'), host.uri);
    await type(page.getByLabel('Name', { exact: true }), host.name);
    await press(button(page, 'Connect and add'));
    await page.getByRole('heading', { name: `${host.name} is added` }).waitFor({ timeout: patience });
    if (seeing) await look(page, 'host-added');
  }
  await page.goto(`${site.base}/storages`);
  if (site.storage && !(await link(page, site.storage.name).count())) {
    // A host just added is sampled first.
    await appears(page, site.hosts.map((host) => page.getByLabel(`${site.storage.pool} on ${host.name}`, { exact: true })));
    for (const host of site.hosts) await tick(page.getByLabel(`${site.storage.pool} on ${host.name}`, { exact: true }));
    await type(page.getByLabel('Name', { exact: true }), site.storage.name);
    await choose(page.getByLabel('Kind'), site.storage.kind);
    await press(button(page, 'Confirm the storage'));
    await page.getByRole('heading', { name: site.storage.name, exact: true }).waitFor({ timeout: patience });
  }
  await page.goto(`${site.base}/networks`);
  if (site.network && !(await link(page, site.network.name).count())) {
    for (const host of site.hosts) {
      const found = page.getByLabel(`${site.network.carrier} on ${host.name}`, { exact: true });
      if (await found.count()) { await tick(found); continue; }
      const other = page.getByLabel(`Bridge on ${host.name}`);
      if (!(await other.isVisible())) await press(page.getByText('A bridge that is not listed', { exact: true }));
      await type(other, site.network.carrier);
    }
    for (const [label, value] of [['Name', site.network.name], ['Network', site.network.cidr], ['First address to give', site.network.from], ['Last address to give', site.network.until]]) {
      await type(page.getByLabel(label, { exact: true }), value);
    }
    await press(button(page, 'Confirm the network'));
    await page.getByRole('heading', { name: site.network.name, exact: true }).waitFor({ timeout: patience });
  }
  await page.goto(`${site.base}/images`);
  if (site.image && !(await page.getByText(site.image.name, { exact: true }).count())) {
    await press(link(page, 'Upload a file'));
    await type(page.getByLabel('Operating system'), site.image.os);
    await type(page.getByLabel('Name', { exact: true }), site.image.name);
    await type(page.getByLabel('Smallest disk'), String(site.image.disk_gib));
    await type(page.getByLabel('Smallest memory'), String(site.image.memory_mib));
    // The window in which a file is chosen is the system's own.
    await page.getByLabel('File').setInputFiles(site.image.file);
    await press(button(page, 'Upload'));
    await page.getByText(`${site.image.name} is ready.`).waitFor({ timeout: patience });
  }
}

/** From registering to the end of the machine, one way of working. */
async function story(browser, way) {
  const keyboard = way === 'keyboard';
  const scripts = way !== 'plain';
  const seeing = way === 'scripts';
  const person = { login: `p${tag}${way}`, password: `long enough ${tag}` };
  const name = `${way} <${tag}>`;
  const own = await browser.newContext({ javaScriptEnabled: scripts });
  const other = await browser.newContext({ javaScriptEnabled: scripts });
  const [user, admin] = [await open(own, problems), await open(other, problems, ['/nothing-here'])];
  const [u, a] = [hands(user, keyboard), hands(admin, keyboard)];
  const seen = async (page, label) => { if (seeing) await look(page, label); };

  await signIn(admin, a, site.admin, seeing);
  await firstSteps(admin, a, seeing);

  await user.goto(`${site.base}/register`);
  await seen(user, 'register');
  await u.type(user.getByLabel('Login'), person.login);
  await u.type(user.getByLabel('Your name'), 'Grace "Amazing" Hopper');
  await u.type(user.getByLabel('Mail address'), `${person.login}@example.org`);
  await u.type(user.getByLabel('Password'), person.password);
  await u.press(button(user, 'Register'));
  await user.getByRole('heading', { name: 'My machines' }).waitFor();
  await seen(user, 'machines-empty');

  // A request with something wrong comes back with everything typed, then it is put right.
  await u.press(link(user, 'Request a machine'));
  await user.getByRole('heading', { name: 'Request a machine' }).waitFor();
  await seen(user, 'request-new');
  await u.type(user.getByLabel('Name', { exact: true }), name);
  await u.type(user.getByLabel('What is it for?'), 'To see "all of it" work & <b>stay</b> text');
  await u.type(user.getByLabel('vCPU', { exact: true }), '1');
  await u.type(user.getByLabel('Memory', { exact: true }), '0.25');
  await u.type(user.getByLabel('Disk', { exact: true }), '99999999');
  if (!scripts) await user.getByLabel('Own size').check({ force: true });
  await u.press(button(user, 'Send the request'));
  await user.locator('#disk_gib-wrong').waitFor();
  if ((await user.getByLabel('Name', { exact: true }).inputValue()) !== name) problems.push(`${way}: what was typed is lost`);
  await seen(user, 'request-wrong');
  await u.type(user.getByLabel('Disk', { exact: true }), String(site.image?.disk_gib ?? 10));
  await u.press(button(user, 'Send the request'));
  await user.getByText('Your request is sent.').waitFor();
  await seen(user, 'request-pending');
  const request = user.url();

  await admin.goto(`${site.base}/inbox`);
  await seen(admin, 'inbox');
  await a.press(link(admin, name));
  await admin.getByRole('heading', { name }).waitFor();
  await seen(admin, 'approve');
  if (keyboard) await admin.keyboard.press('a');
  else await button(admin, /^Approve on/).click();
  await admin.getByText(/is approved and being made/).waitFor();

  if (!scripts) await user.goto(request);
  await until(user, user.locator('#head'), /fulfilled/, scripts);
  await seen(user, 'request-fulfilled');
  await u.press(link(user, 'To the machine'));
  await until(user, user.locator('#head'), /running/, scripts);
  const vm = new URL(user.url()).pathname;
  await u.press(button(user, 'Show the first password'));
  await user.locator('.secret').waitFor();
  await user.goto(site.base + vm);
  if (await button(user, 'Show the first password').count()) problems.push(`${way}: the first password is offered twice`);
  await until(user, user.locator('[data-graph="cpu"] tbody'), /%/, false);
  if (seeing) {
    // With scripts every graph is drawn by uPlot once there are two points, over the stretch of time that was chosen.
    for (const range of ['day', 'week', 'hour']) {
      // The page before this one may ask once more while it is being left: what counts is asked from the page of this range.
      const asked = user.waitForRequest((r) => r.url().includes('/metrics?') && r.frame().url().endsWith(`range=${range}`));
      await user.goto(`${site.base}${vm}?range=${range}`);
      const from = Date.parse(new URL((await asked).url()).searchParams.get('from'));
      const hours = (Date.now() - from) / 3_600_000;
      const wanted = { hour: 1, day: 24, week: 168 }[range];
      if (Math.abs(hours - wanted) > 0.2) problems.push(`${way}: the graphs of the ${range} ask for ${hours.toFixed(1)} hours`);
    }
    for (const graph of ['cpu', 'memory', 'disk', 'net']) await user.locator(`[data-graph="${graph}"] .uplot canvas`).waitFor({ timeout: patience });
    const box = await user.locator('[data-graph="cpu"] .u-over').boundingBox();
    await user.mouse.move(box.x + box.width - 2, box.y + box.height / 2);
    await user.locator('[data-graph="cpu"] [data-readout]').filter({ hasText: /%/ }).waitFor();
    // Drawing over a stretch looks closer on all graphs, without leaving the page; going back looks as before.
    const asked = user.waitForRequest((r) => r.url().includes('/metrics?') && r.url().includes('until='));
    await user.mouse.move(box.x + box.width * 0.5, box.y + box.height / 2);
    await user.mouse.down();
    await user.mouse.move(box.x + box.width * 0.75, box.y + box.height / 2, { steps: 4 });
    await user.mouse.up();
    const closer = new URL((await asked).url()).searchParams;
    const minutes = (Date.parse(closer.get('until')) - Date.parse(closer.get('from'))) / 60_000;
    if (Math.abs(minutes - 15) > 1) problems.push(`${way}: a quarter of the hour drawn over shows ${minutes.toFixed(1)} minutes`);
    if (!/from=\d+&until=\d+/.test(user.url())) problems.push(`${way}: the address does not say what is looked at: ${user.url()}`);
    await user.goBack();
    await user.locator('.tabs a[aria-current]', { hasText: 'Hour' }).waitFor();
    // So do links, for who uses no pointer.
    await link(user, 'Earlier').click();
    await user.locator('#graphs .ways .note', { hasText: '–' }).waitFor();
    await user.goBack();
  }
  await seen(user, 'vm');
  await user.goto(`${site.base}/machines`);
  await seen(user, 'machines');

  // Another person learns nothing of it, and a user nothing of the administrator's pages.
  for (const [path, status] of [['/fleet', 403], ['/inbox', 403], ['/people', 403], ['/vms/00000000-0000-4000-8000-000000000000', 404]]) {
    const answer = await user.request.get(site.base + path, { headers: { accept: 'text/html' } });
    if (answer.status() !== status) problems.push(`${way}: ${path} answers a user ${answer.status()}, not ${status}`);
  }

  await admin.goto(site.base + vm);
  await a.press(link(admin, 'Migrate'));
  await admin.getByRole('heading', { name: /^Migrate/ }).waitFor();
  await seen(admin, 'migrate');
  await a.press(button(admin, 'Migrate'));
  await admin.waitForURL(/\/migrations\//);
  if (site.watch_moves) await until(admin, admin.locator('#move progress'), /[1-9]\d* %/, scripts);
  if (seeing) await look(admin, 'migration-running');
  await until(admin, admin.locator('#move'), /completed/, scripts);
  await seen(admin, 'migration-completed');

  if (seeing) {
    for (const path of ['fleet', 'fleet/heat', 'alerts', 'vms', 'hosts', 'storages', 'networks', 'images', 'migrations', 'migrations/accuracy', 'plans', 'jobs', 'people', 'policy', 'policy/moves', 'audit', 'requests', 'account', 'search?q=a']) {
      await admin.goto(`${site.base}/${path}`);
      await look(admin, path.split('?')[0].replace('/', '-'));
    }
    for (const one of ['host', 'storage', 'network', 'image']) {
      await admin.goto(`${site.base}/${one}s`);
      await admin.locator('tbody a').first().click();
      await admin.waitForURL(new RegExp(`/${one}s/`));
      await look(admin, one);
    }
    for (const path of ['hosts/new', 'images/new', 'images/upload']) {
      await admin.goto(`${site.base}/${path}`);
      await look(admin, path.replace('/', '-'));
    }
    await admin.goto(`${site.base}/nothing-here`);
    await look(admin, 'not-found');
  }

  await user.goto(site.base + vm);
  await u.press(user.getByText('Delete this machine'));
  await u.type(user.getByRole('region', { name: 'Delete' }).getByLabel('Type its name'), 'something else');
  await u.press(button(user, /^Delete .* and its disk/));
  await user.locator('#name-wrong').waitFor();
  await u.type(user.getByRole('region', { name: 'Delete' }).getByLabel('Type its name'), name);
  await u.press(button(user, /^Delete .* and its disk/));
  await user.waitForURL(/\/jobs\//);
  await until(user, user.locator('#job'), /\bdone\b/, scripts);
  await seen(user, 'job');
  await own.close();
  await other.close();
}

const browser = await launch();
for (const way of ways) {
  const began = Date.now();
  try { await story(browser, way); console.log(`${way}: told in ${((Date.now() - began) / 1000).toFixed(1)} s`); }
  catch (error) { problems.push(`${way}: ${error.message}`); }
}
await browser.close();
for (const problem of problems) console.log(problem);
console.log(`${problems.length} problems`);
process.exitCode = problems.length ? 1 : 0;
