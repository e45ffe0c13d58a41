// A bellwetherd of a test's own: on simulated hosts, with a folder of its own and a port nobody else has.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './browser.mjs';

const program = process.env.BELLWETHERD ?? `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/debug/bellwetherd`;
const admin = { login: 'ada', password: 'a very long passphrase' };

/** Runs to its end with `input` on standard input. */
function run(args, input) {
  return new Promise((done, failed) => {
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text) => { said += text; });
    child.on('error', failed);
    child.on('exit', (code) => (code === 0 ? done() : failed(new Error(`${program} ${args.join(' ')}: ${said}`))));
    child.stdin.end(input);
  });
}

/**
 * Makes the administrator, starts the server and waits until it serves. `stop` ends it and removes its folder; `log`
 * is what it said so far.
 * @param {string} [settings] lines of configuration
 */
export async function serve(settings = '') {
  const folder = mkdtempSync(join(tmpdir(), 'bellwether-browser-'));
  const config = join(folder, 'bellwetherd.toml');
  writeFileSync(config, `listen = "127.0.0.1:0"\ndata_dir = "${folder}/data"\nallow_simulated_hosts = true\nsample_period_seconds = 1\n${settings}\n`);
  await run(['--config', config, 'admin', 'create', admin.login, '--full-name', 'Ada Lovelace'], `${admin.password}\n`);
  const child = spawn(program, ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const gone = new Promise((done) => { child.on('exit', done); });
  let log = '';
  const base = await new Promise((done, failed) => {
    child.stderr.on('data', (text) => {
      log += text;
      const found = /serves (http:\/\/[\d.:]+)/.exec(log);
      if (found) done(found[1]);
    });
    child.on('error', failed);
    child.on('exit', () => failed(new Error(`bellwetherd ended: ${log}`)));
  });
  return {
    base, admin, folder,
    log: () => log,
    async stop() {
      child.kill('SIGTERM');
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A disk image of zeros in `folder`: enough for simulated hosts. */
export function image(folder) {
  const file = join(folder, 'tiny.img');
  writeFileSync(file, Buffer.alloc(1 << 20));
  return file;
}

/** Asks REST as whoever the token is of; answers the JSON, or throws what the server said. */
export function rest(base, token) {
  return async (method, path, body) => {
    const bytes = body instanceof Buffer;
    const response = await fetch(`${base}/api/v1/${path}`, {
      method,
      headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), 'content-type': bytes ? 'application/octet-stream' : 'application/json' },
      body: body === undefined || bytes ? body : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return text ? JSON.parse(text) : null;
  };
}

/** Signs in and answers a function that asks REST. */
export async function signedIn(base, { login, password }) {
  const session = await rest(base)('POST', 'session', { login, password, token: { name: 'test', days: 1 } });
  return rest(base, session.token.secret);
}

/** Asks again until `good` of the answer, for a minute at most. */
export async function awaited(what, ask, good) {
  for (const end = Date.now() + 60_000; ;) {
    const answer = await ask();
    if (good(answer)) return answer;
    if (Date.now() > end) throw new Error(`waited for ${what}; there is ${JSON.stringify(answer).slice(0, 400)}`);
    await new Promise((done) => { setTimeout(done, 100); });
  }
}

/** Hosts of a simulated fleet (`query` as in its address) with a storage, a network and an image, by REST. */
export async function furnish(ask, names, query) {
  for (const name of names) await ask('POST', 'hosts', { name, uri: `sim://fleet/${name}?${query}` });
  const { items: hosts } = await awaited('ready hosts', () => ask('GET', 'hosts'), ({ items }) => items.every((host) => host.seen.health === 'ready'));
  const pools = await awaited('pools', () => ask('GET', 'storages/discovered'), ({ items }) => items.filter((found) => found.pool.name === 'shared').length === names.length);
  await ask('POST', 'storages', { name: 'shared', kind: 'shared', members: pools.items.filter((found) => found.pool.name === 'shared').map((found) => ({ host: found.host.id, pool: 'shared' })) });
  await ask('POST', 'networks', {
    name: 'guests', cidr: '10.78.0.0/16', gateway: '10.78.0.1', dns: [], range_from: '10.78.0.20', range_until: '10.78.7.250',
    members: hosts.map((host) => ({ host: host.id, carrier: { kind: 'bridge', name: 'br0' } })),
  });
  const made = await ask('POST', 'images/upload?name=debian-12&os=Debian%2012&min_disk_gib=1&min_memory_mib=128', Buffer.alloc(1 << 20));
  return { hosts, image: made };
}

/** A request, as `ask` wants it made. */
export function wanted(image, name, more = {}) {
  const day = (days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  return { name, vcpus: 2, memory_mib: 2048, disk_gib: 10, image: image.id, from: day(0), until: day(29), purpose: `To run ${name}.`, ...more };
}

/** A running machine of `ask`'s person, approved by `admin`. */
export async function machine(ask, admin, image, name, more) {
  const request = await ask('POST', 'requests', wanted(image, name, more));
  await admin('POST', `requests/${request.id}/approve`, {});
  const made = await awaited(`${name} to be made`, () => ask('GET', `requests/${request.id}`), ({ state }) => state === 'fulfilled');
  return made.vm;
}
