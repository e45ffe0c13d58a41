// Checks the dashboards in deploy/grafana against the types Grafana publishes: each becomes a module that says what it is,
// and TypeScript judges. Dashboards with a mistake in them, which it must find, are judged along.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const folder = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'grafana-types');
const sources = { prometheus: 'OnPrometheus', graphite: 'OnGraphite' };

/** What may go wrong, done to a dashboard; `panel` is its first one of a type. */
const mistakes = {
  'a unit that is no text': (dashboard, panel) => (panel('timeseries').fieldConfig.defaults.unit = 5),
  'a way to draw there is not': (dashboard, panel) => (panel('timeseries').fieldConfig.defaults.custom.drawStyle = 'lines'),
  'a word of a series there is not': (dashboard, panel) => (panel('timeseries').fieldConfig.defaults.custom.lineWeight = 1),
  'a missing option': (dashboard, panel) => delete panel('timeseries').options.legend,
  'an option of another panel': (dashboard, panel) => (panel('stat').options.displayMode = 'basic'),
  'a colour mode there is not': (dashboard, panel) => (panel('stat').fieldConfig.defaults.color.mode = 'rainbow'),
  'a panel there is not': (dashboard, panel) => (panel('stat').type = 'number'),
  'a panel without a place': (dashboard, panel) => delete panel('stat').gridPos,
  'a query without a name': (dashboard, panel) => delete panel('stat').targets[0].refId,
  'a query in another language': (dashboard, panel) => (panel('stat').targets[0] = { refId: 'A', sql: 'x' }),
  'a variable of a kind there is not': (dashboard) => (dashboard.templating.list[0].type = 'choice'),
  'a sort order there is not': (dashboard) => (dashboard.templating.list[0].sort = 9),
  'a cursor there is not': (dashboard) => (dashboard.graphTooltip = 3),
  'a field of dashboards there is not': (dashboard) => (dashboard.rows = []),
};

/** Writes a module that says a dashboard is one; where it is has to be told relative to it. */
function write(name, dashboard, type) {
  const types = relative(folder, join(here, 'dashboard.ts'));
  writeFileSync(
    join(folder, name),
    `import type { ${type} } from ${JSON.stringify(types)};\nexport default ${JSON.stringify(dashboard, null, 1)} satisfies ${type};\n`,
  );
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const right = [];
const wrong = new Map();
for (const [source, type] of Object.entries(sources)) {
  const from = join(root, 'deploy/grafana/dashboards', source);
  for (const file of readdirSync(from)) {
    const text = readFileSync(join(from, file), 'utf8');
    const name = `${source}-${file.replace('.json', '')}.ts`;
    write(name, JSON.parse(text), type);
    right.push(name);
    if (file !== 'fleet.json') continue;
    Object.entries(mistakes).forEach(([mistake, make], number) => {
      const dashboard = JSON.parse(text);
      make(dashboard, (type) => dashboard.panels.find((panel) => panel.type === type));
      const name = `wrong-${source}-${number}.ts`;
      write(name, dashboard, type);
      wrong.set(name, `${mistake} (${source})`);
    });
  }
}
const options = JSON.parse(readFileSync(join(root, 'web/jsconfig.json'), 'utf8')).compilerOptions;
const project = join(folder, 'tsconfig.json');
writeFileSync(project, JSON.stringify({ compilerOptions: { ...options, allowImportingTsExtensions: true }, include: ['*.ts'] }));
const tsc = join(root, 'web/node_modules/typescript/bin/tsc');
const judged = spawnSync(process.execPath, [tsc, '--project', project, '--pretty', 'false'], { encoding: 'utf8', cwd: folder });
const said = judged.stdout + judged.stderr;
if (judged.error || !/error TS/.test(said)) throw new Error(`TypeScript did not judge: ${judged.error ?? said}`);

// A message begins with its file; the lines after it are indented.
const about = (name) => new RegExp(`^(?:\\S*/)?${name.replace('.', '\\.')}[(:].*(?:\\n .*)*`, 'gm');
const failures = right.flatMap((name) => said.match(about(name)) ?? []);
for (const [name, mistake] of wrong) {
  if (!about(name).test(said)) failures.push(`${mistake} was not found`);
}
// Types that do not resolve would let everything pass.
failures.push(...said.split('\n').filter((line) => /error TS/.test(line) && !/(prometheus|graphite)-[\w-]+\.ts/.test(line)));
if (failures.length || right.length === 0) {
  console.error(failures.join('\n') || 'there are no dashboards');
  process.exit(1);
}
console.log(`${right.length} dashboards are as Grafana's types want them; ${wrong.size} mistakes were found`);
