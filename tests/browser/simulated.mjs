// Tells the story (story.mjs) through the pages of a server on simulated hosts, which it starts and ends itself.
//   cargo build -p bellwether-server && node tests/browser/simulated.mjs [scripts,keyboard,plain]     scripts only if not given
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './browser.mjs';
import { image, serve } from './server.mjs';

const server = await serve();
const site = {
  base: server.base,
  admin: server.admin,
  patience_s: 60,
  // Of guests that vary one in ten does not report its memory, and the story looks at its graph.
  hosts: ['host01', 'host02'].map((name) => ({ uri: `sim://story/${name}?hosts=2&varied=0`, name })),
  storage: { name: 'shared', pool: 'shared', kind: 'shared' },
  network: { name: 'guests', carrier: 'br0', cidr: '10.78.0.0/24', from: '10.78.0.20', until: '10.78.0.200' },
  image: { file: image(server.folder), name: 'tiny', os: 'Tiny Linux', disk_gib: 1, memory_mib: 128 },
};
const file = join(server.folder, 'site.json');
writeFileSync(file, JSON.stringify(site));
const story = spawn(process.execPath, [`${root}tests/browser/story.mjs`, file, process.argv[2] ?? 'scripts'], { stdio: 'inherit' });
process.exitCode = await new Promise((done) => { story.on('exit', (code) => done(code ?? 1)); });
if (process.exitCode) console.log(server.log().split('\n').filter((line) => /WARN|ERROR/.test(line)).slice(-20).join('\n'));
await server.stop();
