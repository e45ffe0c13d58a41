// Draws the graphs of a page with uPlot: the same lines the server drew, with a crosshair that says the values, all
// graphs of the page at the same moment. Renews them from the metrics endpoint when the page's own graphs were.
import uPlot from '../vendor/uplot.js';

/** @typedef {{ figure: HTMLElement, plot: any, traces: string, raw: (number|null)[][] }} Drawn */
/** @type {Map<string, Drawn>} */
const drawn = new Map();
/** The stretch of time the server drew this page for. */
const opened = location.search;

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
  if (unit === 'cores') return `${short(value)} cores`;
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

/** What lies on what: from the bottom, each upon those before it; the whole, last, stays as it is. @param {(number|null)[][]} columns */
function piled(columns) {
  const [parts, whole] = [columns.slice(0, -1), columns[columns.length - 1] ?? []];
  const piles = parts.map((_, n) => whole.map((_, at) => {
    const below = parts.slice(0, n + 1).map((column) => column[at]);
    return below.every((value) => value == null) ? null : below.reduce((sum, value) => (sum ?? 0) + (value ?? 0), 0);
  }));
  // The highest first: those below are drawn over it.
  return [...piles.reverse(), whole];
}

/** @param {string} address */
async function ask(address) {
  const response = await fetch(address, { headers: { accept: 'application/json' } });
  return response.ok ? response.json() : null;
}

/** Where the points of what a figure shows now are got. @param {HTMLElement} figure */
function question(figure) {
  const { source, from, until, step } = figure.dataset;
  if (!source) return '';
  // By the server's clock, from where the graph it drew begins until where it ends, or its now.
  const moment = (/** @type {string} */ seconds) => new Date(Number(seconds) * 1000).toISOString();
  const query = new URLSearchParams({ from: moment(from ?? '0'), step_seconds: step ?? '10' });
  if (until) query.set('until', moment(until));
  return `${source}&${query}`;
}

/** @param {HTMLElement} figure @param {Map<string, Promise<any>>} answers by address: graphs of one page ask for the same */
async function refresh(figure, answers) {
  const id = figure.dataset.graph ?? '';
  const address = question(figure);
  if (!address) return;
  if (!answers.has(address)) answers.set(address, ask(address));
  const metrics = await answers.get(address);
  if (!metrics) return;
  const traces = figure.dataset.traces ?? '[]';
  /** @type {[string, string][]} */
  const pairs = JSON.parse(traces);
  const [times, ...raw] = columns(metrics, pairs.map(([key]) => key), Number(figure.dataset.scale ?? 1));
  // Somebody chose another stretch meanwhile: that answer is under way.
  if (address !== question(figure)) return;
  const known = drawn.get(id);
  if ((times?.length ?? 0) < 2) {
    // What the server drew, or says, is all there is; but of another stretch than it drew nothing may stay.
    if (known) { known.plot.destroy(); drawn.delete(id); }
    if (location.search !== opened) figure.querySelector('[data-canvas]')?.replaceChildren();
    return;
  }
  const data = [times, ...('stacked' in figure.dataset ? piled(raw) : raw)];
  const range = [Date.parse(metrics.from) / 1000, Date.parse(metrics.until) / 1000];
  if (known && known.figure === figure && figure.isConnected && known.traces === traces) {
    known.plot.range = range;
    known.raw.splice(0, known.raw.length, ...raw);
    known.plot.setData(data);
    describe(figure);
  } else {
    known?.plot.destroy();
    const plot = draw(figure, pairs.map(([, label]) => label), data, raw, range);
    drawn.set(id, { figure, plot, traces, raw });
  }
}

/** How each column is drawn. @param {HTMLElement} figure @param {string[]} labels */
function series(figure, labels) {
  const stacked = 'stacked' in figure.dataset;
  const points = { show: (/** @type {any} */ u) => u.data[0].length < 12, size: 4 };
  const line = (/** @type {string} */ label, /** @type {string} */ stroke) => ({ label, stroke, width: 1.6, points, spanGaps: false });
  const shade = (/** @type {number} */ n) => colour(`--series-${n + 1}`);
  if (!stacked) return [{}, ...labels.map((label, n) => line(label, shade(n)))];
  const parts = labels.slice(0, -1).map((label, n) => ({ label, stroke: shade(n), fill: shade(n), width: 0, points: { show: false }, spanGaps: false }));
  return [{}, ...parts.reverse(), line(labels[labels.length - 1] ?? '', colour('--ink'))];
}

/** @param {HTMLElement} figure @param {string[]} labels @param {any[]} data what is drawn @param {(number|null)[][]} raw what is said @param {number[]} range */
function draw(figure, labels, data, raw, range) {
  const canvas = /** @type {HTMLElement} */ (figure.querySelector('[data-canvas]'));
  const readout = figure.querySelector('[data-readout]');
  const unit = figure.dataset.unit ?? '';
  const ceiling = Number(figure.dataset.ceiling ?? 0);
  const [line, ink] = [colour('--line'), colour('--ink-3')];
  const font = `11px ${css('--sans')}`;
  const zone = figure.dataset.zone ?? 'UTC';
  const [clock, day] = [written(zone, CLOCK), written(zone, DAY)];
  const [second, dayClock] = [written(zone, { ...CLOCK, second: '2-digit' }), written(zone, { ...DAY, ...CLOCK })];
  const observer = new ResizeObserver(() => plot.setSize({ width: canvas.clientWidth, height: plot.height }));
  const lane = figure.classList.contains('labelled') ? LANE * ROW + 4 : 8;
  const times = (/** @type {any} */ _, /** @type {number[]} */ at, /** @type {number} */ _axis, /** @type {number} */ _space, /** @type {number} */ step) =>
    at.map((seconds) => (step >= 86400 || clock(seconds) === '00:00' ? day(seconds) : step < 60 ? second(seconds) : clock(seconds)));
  /** @type {any} */
  let plot;
  plot = new uPlot({
    width: canvas.clientWidth,
    height: Math.max(110, canvas.clientHeight),
    padding: [lane, 8, 0, 0],
    legend: { show: false },
    tzDate: (/** @type {number} */ seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    cursor: { sync: { key: 'page' }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
    scales: {
      x: { time: true, range: () => plot?.range ?? range },
      y: { range: (/** @type {any} */ _, /** @type {number} */ _low, /** @type {number} */ high) => [0, Math.max(ceiling, high > ceiling ? high * 1.1 : 0) || 1] },
    },
    axes: [
      { stroke: ink, font, grid: { show: false }, ticks: { stroke: line, size: 4 }, size: 30, space: 70, values: times },
      { stroke: ink, font, size: 68, grid: { stroke: line, width: 1 }, ticks: { show: false }, values: (/** @type {any} */ _, /** @type {number[]} */ values) => values.map((v) => say(unit, v)), splits: (/** @type {any} */ u) => { const top = u.scales.y.max; return [0, top / 2, top]; } },
    ],
    series: series(figure, labels),
    hooks: {
      setCursor: [(/** @type {any} */ u) => {
        const at = u.cursor.idx;
        if (!readout) return;
        if (at == null || u.cursor.left < 0) { readout.textContent = ''; return; }
        const [from, until] = plot?.range ?? range;
        const long = until - from > 2 * 86400;
        const values = labels.map((label, n) => `${labels.length > 1 ? `${label} ` : ''}${say(unit, raw[n]?.[at])}`);
        readout.textContent = `${(long ? dayClock : second)(u.data[0][at])}: ${values.join(', ')}`;
      }],
      setSelect: [(/** @type {any} */ u) => chosen(u)],
      draw: [(/** @type {any} */ u) => marks(u, figure, ink, font)],
      destroy: [() => observer.disconnect()],
    },
  }, data, canvas);
  plot.range = range;
  canvas.querySelector('svg')?.remove();
  describe(figure);
  observer.observe(canvas);
  return plot;
}

/** Somebody drew over a stretch of time: all graphs of the page show it, and its address says so. @param {any} u */
function chosen(u) {
  const { left, width } = u.select;
  if (width < 8) return;
  const [from, until] = [left, left + width].map((at) => Math.round(u.posToVal(at, 'x')));
  u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  if (from === undefined || until === undefined || until - from < 10) return;
  look(`?${new URLSearchParams({ from: String(from), until: String(until) })}`);
}

/** Shows another stretch of time without leaving the page. @param {string} query */
function look(query) {
  // Graphs that share a crosshair share what is drawn over: all of them say it.
  if (location.search === query) return;
  history.pushState(null, '', `${location.pathname}${query}`);
  document.dispatchEvent(new CustomEvent('renew', { detail: 'graphs' }));
}

/** What was drawn is a picture; the server's sentence about it goes with it, as it is now. @param {HTMLElement} figure */
function describe(figure) {
  const picture = figure.querySelector('[data-canvas] canvas');
  picture?.setAttribute('role', 'img');
  picture?.setAttribute('aria-label', figure.dataset.summary ?? '');
}

/** Rows of words above a plot, and the height of one. */
const LANE = 3;
const ROW = 13;

/** The words of marks above the plot, each in the first row that has room; moves, power and leases choose before the rest. @param {any} u @param {[number, string, number|null, string][]} list */
function words(u, list) {
  const { left, top, width } = u.bbox;
  const scale = devicePixelRatio;
  const ranks = ['migration', 'power', 'lease', 'decision', 'act'];
  /** @type {[number, number][][]} */
  const taken = Array.from({ length: LANE }, () => []);
  const labelled = list.filter(([, label]) => label).sort((a, b) => ranks.indexOf(a[3]) - ranks.indexOf(b[3]) || a[0] - b[0]);
  u.ctx.fillStyle = colour('--ink-2');
  for (const [at, label] of labelled) {
    const x = Math.max(Math.round(u.valToPos(at, 'x', true)), left);
    if (x > left + width) continue;
    const wide = u.ctx.measureText(label).width + 8 * scale;
    const start = x + wide > left + width ? x - wide : x;
    const row = taken.findIndex((spans) => spans.every(([l, r]) => start + wide <= l || r <= start));
    if (row < 0) continue;
    taken[row]?.push([start, start + wide]);
    u.ctx.fillText(label, start === x ? x : start + 6 * scale, top - (4 + row * ROW) * scale);
  }
}

/** Lines and bands where something happened, and what it was above the plot. @param {any} u @param {HTMLElement} figure @param {string} ink @param {string} font */
function marks(u, figure, ink, font) {
  /** @type {[number, string, number|null, string][]} */
  const list = JSON.parse(figure.dataset.marks || '[]');
  const ctx = u.ctx;
  const { left, top, width, height } = u.bbox;
  const scale = devicePixelRatio;
  ctx.save();
  // The axes leave theirs behind.
  ctx.textAlign = 'left';
  ctx.font = font.replace('11px', `${11 * scale}px`);
  for (const [at, label, until, kind] of list) {
    const x = Math.round(u.valToPos(at, 'x', true));
    const end = until == null ? x : Math.min(Math.round(u.valToPos(until, 'x', true)), left + width);
    if (end < left || x > left + width) continue;
    const from = Math.max(x, left);
    ctx.strokeStyle = ctx.fillStyle = kind === 'lease' ? colour('--accent') : kind === 'power' ? colour('--ink') : ink;
    if (end > from) {
      ctx.globalAlpha = 0.14;
      ctx.fillRect(from, top, end - from, height);
      ctx.globalAlpha = 1;
    }
    ctx.setLineDash(kind === 'migration' ? [4 * scale, 3 * scale] : kind === 'lease' ? [] : [scale, 2 * scale]);
    ctx.beginPath();
    ctx.moveTo(from, top);
    ctx.lineTo(from, top + height);
    ctx.stroke();
  }
  words(u, list);
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
addEventListener('popstate', () => {
  if (figures().length) document.dispatchEvent(new CustomEvent('renew', { detail: 'graphs' }));
});
// Links to other stretches of time do what zooming does: the page stays where it is.
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('#graphs .ways a, #graphs .tabs a') : null;
  const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
  if (!(link instanceof HTMLAnchorElement) || !plain || !figures().length) return;
  event.preventDefault();
  look(link.search);
});
refreshAll();
