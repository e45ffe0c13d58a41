// Looks at every page with made-up data, as the unit tests wrote it to target/pages: axe in both colour schemes, no
// sideways scrolling on a phone, no errors, screenshots to target/screenshots/samples. Needs no server.
//   cargo test -p bellwether-server --lib pages && node tests/browser/samples.mjs [name…]
import { createServer } from 'node:http';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { axe, launch, open, overflows, root, shoot } from './browser.mjs';

const types = { css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' };
const vendor = { 'htmx.js': 'htmx.org/dist/htmx.esm.min.js', 'uplot.js': 'uplot/dist/uPlot.esm.js', 'uplot.css': 'uplot/dist/uPlot.min.css' };
const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://x').pathname;
  const asset = /^\/assets\/[^/]+\/(.+)$/.exec(path)?.[1];
  const file = asset?.startsWith('vendor/') ? `${root}web/node_modules/${vendor[asset.slice(7)]}` : asset ? `${root}web/assets/${asset}` : `${root}target/pages${path}`;
  response.setHeader('content-security-policy', "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'");
  if (path === '/api/v1/events') { response.setHeader('content-type', 'text/event-stream'); response.write(': hello\n\n'); return; }
  if (!existsSync(file)) { response.statusCode = 404; response.end(); return; }
  response.setHeader('content-type', types[file.split('.').pop()] ?? 'text/html; charset=utf-8');
  response.end(readFileSync(file));
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const base = `http://127.0.0.1:${server.address().port}`;
const chosen = process.argv.slice(2);
const names = readdirSync(`${root}target/pages`).map((f) => f.replace('.html', '')).filter((n) => !chosen.length || chosen.includes(n)).sort();
const browser = await launch();
const problems = [];
const context = await browser.newContext();
const page = await open(context, problems);
for (const name of names) {
  await page.goto(`${base}/${name}.html`);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: 1440, height: 900 });
    problems.push(...(await axe(page)).map((found) => `${name} ${colorScheme}: ${found}`));
  }
  await page.setViewportSize({ width: 390, height: 844 });
  problems.push(...(await axe(page)).map((found) => `${name} phone: ${found}`));
  if (await overflows(page)) problems.push(`${name}: scrolls sideways at 390 px`);
  await shoot(page, name, `${root}target/screenshots/samples`);
}
await browser.close();
server.closeAllConnections();
server.close();
for (const problem of problems) console.log(problem);
console.log(`${names.length} pages, ${problems.length} problems`);
process.exitCode = problems.length ? 1 : 0;
