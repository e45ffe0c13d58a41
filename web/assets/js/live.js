// Keeps the parts of a page marked data-live as they are on the server: when something of interest happened the page is
// read again and those parts are morphed in place. Focus, scroll position, opened details and what is being typed stay.
// Where the server does not answer it is asked less and less often, and the page says since when it is not live.
import htmx from '../vendor/htmx.js';
import { enhance } from './page.js';
import { follow } from './stream.js';

/** @type {{ morph: (old: Element, fragment: DocumentFragment, inner: boolean) => void } | undefined} */
let api;
htmx.registerExtension('bellwether', {
  init(/** @type {any} */ internal) { api = internal; },
  // A person opened it; the server does not know.
  htmx_before_morph_attr: (/** @type {Element} */ element, /** @type {{ attrName: string }} */ detail) =>
    !(detail.attrName === 'open' && element instanceof HTMLDetailsElement) &&
    !(element.hasAttribute('data-copy') && detail.attrName === 'hidden'),
});

/** Milliseconds between two renewals of a part that names none. */
const CALM = 400;
const LONGEST_WAIT = 60_000;
/** A gap this short is a restart or a blink of the network, and nobody's business. */
const BLINK = 5_000;

/** When each part was last renewed, by its id. @type {Map<string, number>} */
const renewed = new Map();
/** Parts that want to be renewed, by id. @type {Set<string>} */
const wanted = new Set();
let timer = 0;
let busy = false;
/** Whether what is being read was asked for before somebody chose something else. */
let again = false;

const parts = () => [...document.querySelectorAll('[data-live][id]')].filter((e) => e instanceof HTMLElement);
/** When the part may be renewed next. @param {string} id */
const due = (id) => {
  const calm = document.getElementById(id)?.dataset.calm;
  return (renewed.get(id) ?? -Infinity) + (calm ? Number(calm) * 1000 : CALM);
};

/** Asks for the parts that listen to `topic`, or to `topic` of this `id`. @param {string} topic @param {string} [id] */
function want(topic, id) {
  for (const part of parts()) {
    const listens = (part.dataset.live ?? '').split(' ');
    if (topic === 'reset' || listens.includes(topic) || (id && listens.includes(`${topic}:${id}`))) wanted.add(part.id);
  }
  schedule();
}

// Somebody chose something else to look at: at once.
document.addEventListener('renew', (event) => {
  if (!(event instanceof CustomEvent)) return;
  renewed.delete(event.detail);
  wanted.add(event.detail);
  clearTimeout(timer);
  timer = 0;
  if (busy) again = true;
  else renew();
});

function schedule() {
  if (timer || busy || over || !wanted.size || document.hidden) return;
  const next = Math.max(Math.min(...[...wanted].map(due)), notBefore);
  timer = setTimeout(renew, Math.max(0, next - performance.now()) + 60);
}

async function renew() {
  timer = 0;
  if (document.hidden) return;
  const now = performance.now() + 100;
  const ids = [...wanted].filter((id) => due(id) <= now);
  busy = true;
  try {
    const response = await fetch(location.href, { headers: { accept: 'text/html' }, cache: 'no-store' });
    if (response.redirected && new URL(response.url).pathname === '/sign-in') return finish('You are signed out. Reload the page to sign in again.');
    if (response.status === 403 || response.status === 404) return finish('What this page shows is no longer there for you. What you see is what it was last.');
    if (!response.ok) return failed(Number(response.headers.get('retry-after')) || 0);
    morph(ids, new DOMParser().parseFromString(await response.text(), 'text/html'));
    failures = notBefore = 0;
    tell();
  } catch {
    failed(0);
  } finally {
    busy = false;
    if (again) { again = false; renew(); }
    schedule();
  }
}

/** @param {string[]} ids @param {Document} page */
function morph(ids, page) {
  for (const id of ids) {
    wanted.delete(id);
    renewed.set(id, performance.now());
    const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
    if (!old || !fresh || !api || holdsInput(old)) continue;
    const fragment = document.createDocumentFragment();
    fragment.append(document.adoptNode(fresh));
    api.morph(old, fragment, false);
  }
  enhance();
  document.dispatchEvent(new CustomEvent('renewed', { detail: ids }));
}

/** Somebody types there. @param {Element} part */
function holdsInput(part) {
  const active = document.activeElement;
  return active instanceof HTMLElement && part.contains(active) && /^(INPUT|TEXTAREA|SELECT)$/.test(active.tagName);
}

// Whether the page is live, and what it says where it is not.
let failures = 0;
let notBefore = 0;
let streaming = false;
let over = false;
/** When it ceased to be live; 0 while it is. */
let since = 0;
const note = document.getElementById('not-live');
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/** @param {number} retryAfter seconds */
function failed(retryAfter) {
  failures += 1;
  notBefore = performance.now() + Math.max(retryAfter * 1000, Math.min(2_500 * 2 ** failures, LONGEST_WAIT));
  tell();
}

function tell() {
  if (over) return;
  if (streaming && !failures) since = 0;
  else if (!since) { since = Date.now(); setTimeout(tell, BLINK); }
  const lasting = since > 0 && Date.now() - since >= BLINK;
  say(lasting ? `Not live since ${clock.format(since)}: the server does not answer. What you see is from then.` : '');
}

/** @param {string} text */
function say(text) {
  if (!note || note.textContent === text) return;
  note.textContent = text;
  note.hidden = !text;
}

/** Nothing comes any more, however often one asks. @param {string} why */
function finish(why) {
  over = true;
  end?.();
  say(why);
}

/** @type {(() => void) | undefined} */
let end;
if (document.querySelector('.frame')) {
  let before = false;
  end = follow({
    opened() {
      streaming = true;
      // What happened while nobody listened is not told again: everything is read anew.
      if (before) want('reset');
      before = true;
      tell();
    },
    heard: want,
    lost() { streaming = false; tell(); },
  });
  document.addEventListener('visibilitychange', schedule);
  // What changes too fast for events (the progress of a job) says how often it wants to be looked at.
  setInterval(() => {
    for (const part of parts()) {
      const every = Number(part.dataset.poll ?? 0) * 1000;
      if (every && performance.now() - (renewed.get(part.id) ?? 0) >= every) wanted.add(part.id);
    }
    schedule();
  }, 500);
}
