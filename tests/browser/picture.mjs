// Takes the README's picture of the fleet page, docs/fleet.png, from a server on simulated hosts; run by hand when the
// page changes: cargo build -p bellwether-server && node tests/browser/picture.mjs
import { launch, open, root } from './browser.mjs';
import { awaited, furnish, machine, serve, signedIn, wanted } from './server.mjs';

const server = await serve('time_zone = "UTC"');
const browser = await launch();
try {
  const admin = await signedIn(server.base, server.admin);
  const names = Array.from({ length: 10 }, (_, n) => `host${String(n + 1).padStart(2, '0')}`);
  const { image } = await furnish(admin, names, 'hosts=10&cores=16&memory=65536&vms=8&seed=11');
  const machines = [
    ['gitlab', 4, 16], ['wiki', 1, 4], ['mail', 2, 16], ['genome-17', 4, 32], ['genome-18', 4, 32], ['teaching-a', 1, 8], ['teaching-b', 1, 8], ['teaching-c', 1, 8],
    ['teaching-d', 1, 8], ['build-1', 2, 16], ['build-2', 2, 16], ['build-3', 2, 16], ['postgres', 2, 24], ['grafana', 1, 4], ['thesis-ilse', 1, 12], ['thesis-omar', 1, 12],
    ['thesis-wen', 1, 12], ['render', 4, 24], ['licences', 1, 2], ['dns', 1, 2], ['backup', 1, 8], ['chat', 1, 6], ['jupyter', 2, 24], ['moodle', 2, 16], ['runner-1', 1, 8], ['runner-2', 1, 8],
  ];
  for (const [name, vcpus, gib] of machines) await machine(admin, admin, image, name, { vcpus, memory_mib: gib * 1024 });
  await admin('POST', 'requests', wanted(image, 'climate-model', { vcpus: 8, memory_mib: 32768 }));
  await awaited('every load', () => admin('GET', 'fleet'), ({ hosts }) => hosts.every((host) => host.vms.every((vm) => vm.power !== 'running' || vm.used_vcpus !== null)));
  const errors = [];
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'light', reducedMotion: 'reduce' });
  const page = await open(context, errors);
  await page.goto(`${server.base}/sign-in`);
  await page.getByLabel('Login').fill(server.admin.login);
  await page.getByLabel('Password').fill(server.admin.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'));
  await page.goto(`${server.base}/fleet`);
  await page.waitForTimeout(500);
  await page.screenshot({ path: `${root}docs/fleet.png` });
  if (errors.length) throw new Error(errors.join('\n'));
} finally {
  await browser.close();
  await server.stop();
}
