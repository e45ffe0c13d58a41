// Draws the graphs of a page with uPlot: the same lines the server drew, with a crosshair that says the values, all
// graphs of the page at the same moment. Renews them from the metrics endpoint when the page's own graphs were.
import uPlot from '../vendor/uplot.js';

/** @typedef {{ figure: HTMLElement, plot: any, signals: string[], labels: string[] }} Drawn */
/** @type {Map<string, Drawn>} */
const drawn = new Map();

const css = (/** @type {string} */ name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/** Resolves light-dark() to the colour in force. @param {string} name */
function colour(name) {
  const probe = document.body.appendChild(document.createElement('span'));
  probe.hidden = true;
  probe.style.color = `var(${name})`;
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** @param {number} value */
function short(value) {
  const digits = Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 0.995 ? 1 : 2;
  const text = value.toFixed(digits);
  return text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text;
}

/** A value in words, as the server says it. @param {string} unit @param {number|null|undefined} value */
function say(unit, value) {
  if (value == null) return 'unknown';
  if (unit === 'share') return `${value > 0 && value < 0.0095 ? short(value * 100) : Math.round(value * 100)} %`;
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (value >= 1023.5 && at < names.length - 1) { value /= 1024; at += 1; }
  return `${short(value)} ${names[at]}${unit === 'rate' ? '/s' : ''}`;
}

/** Times as the server writes them, in the site's time zone. @param {string} zone @param {Intl.DateTimeFormatOptions} form */
const written = (zone, form) => {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...form });
  return (/** @type {number} */ seconds) => format.format(seconds * 1000).replace(',', '');
};
/** @type {Intl.DateTimeFormatOptions} */ const CLOCK = { hour: '2-digit', minute: '2-digit' };
/** @type {Intl.DateTimeFormatOptions} */ const DAY = { weekday: 'short', day: 'numeric', month: 'short' };

/** @param {any} metrics @param {string[]} signals @param {number} scale */
function columns(metrics, signals, scale) {
  /** @type {Map<number, (number|null)[]>} */
  const rows = new Map();
  signals.forEach((signal, n) => {
    const series = metrics.series.find((/** @type {any} */ s) => s.signal === signal);
    series?.at_unix_seconds.forEach((/** @type {number} */ at, /** @type {number} */ i) => {
      if (!rows.has(at)) rows.set(at, signals.map(() => null));
      const row = rows.get(at);
      if (row) row[n] = series.average[i] * scale;
    });
  });
  const times = [...rows.keys()].sort((a, b) => a - b);
  // A hole in time stays a hole: a point without values in it.
  const step = metrics.step_seconds || 10;
  /** @type {number[]} */ const x = [];
  const y = signals.map(() => /** @type {(number|null)[]} */ ([]));
  times.forEach((at, i) => {
    if (i && at - times[i - 1] > step * 2.5) { x.push(times[i - 1] + step); y.forEach((column) => column.push(null)); }
    x.push(at);
    y.forEach((column, n) => column.push(rows.get(at)?.[n] ?? null));
  });
  return [x, ...y];
}

/** @param {string} address */
async function ask(address) {
  const response = await fetch(address, { headers: { accept: 'application/json' } });
  return response.ok ? response.json() : null;
}

/** @param {HTMLElement} figure @param {Map<string, Promise<any>>} answers by address: graphs of one page ask for the same */
async function refresh(figure, answers) {
  const id = figure.dataset.graph ?? '';
  const source = figure.dataset.source;
  if (!source) return;
  // By the server's clock, from where the graph it drew begins until its now.
  const from = new Date(Number(figure.dataset.from) * 1000).toISOString();
  const query = new URLSearchParams({ from, step_seconds: figure.dataset.step ?? '10' });
  const address = `${source}?${query}`;
  if (!answers.has(address)) answers.set(address, ask(address));
  const metrics = await answers.get(address);
  if (!metrics) return;
  const pairs = (figure.dataset.signals ?? '').split(',').map((pair) => pair.split(':'));
  const signals = pairs.map(([signal]) => signal ?? '');
  const labels = pairs.map(([, label]) => label ?? '');
  const data = columns(metrics, signals, Number(figure.dataset.scale ?? 1));
  if (data[0].length < 2) return; // what the server drew says why there is nothing
  const range = [Date.parse(metrics.from) / 1000, Date.parse(metrics.until) / 1000];
  const known = drawn.get(id);
  if (known && known.figure === figure && figure.isConnected) {
    known.plot.range = range;
    known.plot.setData(data);
    describe(figure);
  } else {
    const plot = draw(figure, labels, data, range);
    drawn.set(id, { figure, plot, signals, labels });
  }
}

/** @param {HTMLElement} figure @param {string[]} labels @param {any[]} data @param {number[]} range */
function draw(figure, labels, data, range) {
  const canvas = /** @type {HTMLElement} */ (figure.querySelector('[data-canvas]'));
  const readout = figure.querySelector('[data-readout]');
  const unit = figure.dataset.unit ?? '';
  const ceiling = Number(figure.dataset.ceiling ?? 0);
  const [line, ink] = [colour('--line'), colour('--ink-3')];
  const font = `11px ${css('--sans')}`;
  const zone = figure.dataset.zone ?? 'UTC';
  const [clock, day] = [written(zone, CLOCK), written(zone, DAY)];
  const [second, dayClock] = [written(zone, { ...CLOCK, second: '2-digit' }), written(zone, { ...DAY, ...CLOCK })];
  const plain = canvas.querySelector('svg');
  const height = plain ? plain.getBoundingClientRect().height : 176;
  const plot = new uPlot({
    width: canvas.clientWidth,
    height: Math.max(150, Math.round(height)),
    padding: [8, 8, 0, 0],
    legend: { show: false },
    tzDate: (/** @type {number} */ seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    cursor: { sync: { key: 'page' }, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: { time: true, range: () => plot?.range ?? range },
      y: { range: (/** @type {any} */ _, /** @type {number} */ _low, /** @type {number} */ high) => [0, Math.max(ceiling, high > ceiling ? high * 1.1 : 0) || 1] },
    },
    axes: [
      { stroke: ink, font, grid: { show: false }, ticks: { stroke: line, size: 4 }, space: 70, values: (/** @type {any} */ _, /** @type {number[]} */ at, /** @type {number} */ _axis, /** @type {number} */ _space, /** @type {number} */ step) => at.map((seconds) => (step >= 86400 || clock(seconds) === '00:00' ? day(seconds) : clock(seconds))) },
      { stroke: ink, font, size: 62, grid: { stroke: line, width: 1 }, ticks: { show: false }, values: (/** @type {any} */ _, /** @type {number[]} */ values) => values.map((v) => say(unit, v)), splits: (/** @type {any} */ u) => { const top = u.scales.y.max; return [0, top / 2, top]; } },
    ],
    series: [{}, ...labels.map((label, n) => ({ label, stroke: colour(`--series-${n + 1}`), width: 1.6, points: { show: (/** @type {any} */ u) => u.data[0].length < 12, size: 4 }, spanGaps: false }))],
    hooks: {
      setCursor: [(/** @type {any} */ u) => {
        const at = u.cursor.idx;
        if (!readout) return;
        if (at == null || u.cursor.left < 0) { readout.textContent = ''; return; }
        const long = range[1] - range[0] > 2 * 86400;
        readout.textContent = `${(long ? dayClock : second)(u.data[0][at])}: ${labels.map((label, n) => `${labels.length > 1 ? `${label} ` : ''}${say(unit, u.data[n + 1][at])}`).join(', ')}`;
      }],
      draw: [(/** @type {any} */ u) => marks(u, figure, ink, font)],
    },
  }, data, canvas);
  plot.range = range;
  if (plain) plain.remove();
  canvas.querySelector('.no-data')?.remove();
  describe(figure);
  new ResizeObserver(() => plot.setSize({ width: canvas.clientWidth, height: plot.height })).observe(canvas);
  return plot;
}

/** What was drawn is a picture; the server's sentence about it goes with it, as it is now. @param {HTMLElement} figure */
function describe(figure) {
  const picture = figure.querySelector('[data-canvas] canvas');
  picture?.setAttribute('role', 'img');
  picture?.setAttribute('aria-label', figure.dataset.summary ?? '');
}

/** Vertical lines where something happened. @param {any} u @param {HTMLElement} figure @param {string} ink @param {string} font */
function marks(u, figure, ink, font) {
  /** @type {[number, string][]} */
  const list = JSON.parse(figure.dataset.marks || '[]');
  const ctx = u.ctx;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = ink;
  ctx.setLineDash([4, 4]);
  // The axes leave theirs behind.
  ctx.textAlign = 'left';
  ctx.font = font.replace('11px', `${11 * devicePixelRatio}px`);
  for (const [at, label] of list) {
    const x = Math.round(u.valToPos(at, 'x', true));
    if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, u.bbox.top);
    ctx.lineTo(x, u.bbox.top + u.bbox.height);
    ctx.stroke();
    const width = ctx.measureText(label).width;
    const right = x + 5 + width < u.bbox.left + u.bbox.width;
    ctx.fillText(label, right ? x + 5 : x - 5 - width, u.bbox.top + 12 * devicePixelRatio);
  }
  ctx.restore();
}

const figures = () => [...document.querySelectorAll('[data-graph][data-source]')].filter((e) => e instanceof HTMLElement);
function refreshAll() {
  const answers = new Map();
  for (const figure of figures()) refresh(figure, answers).catch(() => { /* what was drawn stays */ });
}
document.addEventListener('renewed', (event) => {
  if (event instanceof CustomEvent && event.detail.includes('graphs')) refreshAll();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const { plot } of drawn.values()) plot.destroy();
  drawn.clear();
  refreshAll();
});
refreshAll();
