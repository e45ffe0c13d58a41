// Tells the story (story.mjs) through the pages of a server on real hosts: those of a lab, which it brings up and
// removes: by keyboard alone from the first step on, with scripts, without JavaScript. Needs root.
//   cargo build --workspace --bins && node tests/browser/lab.mjs
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './browser.mjs';
import { serve } from './server.mjs';

const program = `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/debug/bellwether-lab`;
const lab = (...words) => execFileSync(program, ['--name', `pages-${process.pid}`, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

process.exitCode = 1;
let server;
try {
  lab('up', '--hosts', '2');
  const { hosts, guests, pools } = JSON.parse(lab('status', '--json'));
  // So that a move takes long enough to be watched.
  for (const host of hosts) lab('rate', host.name, '32');
  server = await serve();
  const pool = pools.find(({ shared }) => shared).name;
  const site = {
    base: server.base,
    admin: server.admin,
    patience_s: 180,
    watch_moves: true,
    hosts: hosts.map(({ name, uris }) => ({ name, uri: uris.tcp })),
    storage: { name: pool, pool, kind: 'shared' },
    network: { name: 'guests', carrier: guests.bridge, cidr: guests.cidr, from: guests.first, until: guests.last },
    image: { file: lab('image').trim(), name: 'test image', os: 'Tiny Linux', disk_gib: 1, memory_mib: 128 },
  };
  const file = join(server.folder, 'site.json');
  writeFileSync(file, JSON.stringify(site));
  const story = spawn(process.execPath, [`${root}tests/browser/story.mjs`, file, 'keyboard,scripts,plain'], { stdio: 'inherit' });
  process.exitCode = await new Promise((done) => { story.on('exit', (code) => done(code ?? 1)); });
  if (process.exitCode) console.log(server.log().split('\n').filter((line) => /WARN|ERROR/.test(line)).slice(-20).join('\n'));
} finally {
  await server?.stop();
  lab('down');
}
