// The stream of events of this page: one for as long as the page is looked at, closed while it is hidden (browsers give a
// site few connections), opened again when it is seen. When it breaks it is opened again, later and later.

const topics = ['vm', 'request', 'job', 'host', 'migration', 'image', 'user', 'storage', 'network', 'policy', 'sampled', 'reset'];
const LONGEST_WAIT_S = 60;

/** @typedef {{ opened: () => void, heard: (topic: string, id: string) => void, lost: () => void }} Listener */

/** Follows what happens; what is returned ends it for good. @param {Listener} listener */
export function follow(listener) {
  /** @type {EventSource|null} */
  let stream = null;
  let timer = 0;
  let tries = 0;
  let ended = false;

  const close = () => {
    clearTimeout(timer);
    stream?.close();
    stream = null;
  };
  const open = () => {
    if (ended || stream || document.hidden) return;
    clearTimeout(timer);
    stream = new EventSource('/api/v1/events');
    stream.addEventListener('open', () => { tries = 0; listener.opened(); });
    stream.addEventListener('error', () => {
      close();
      listener.lost();
      // Not all pages at the same moment after a restart.
      timer = setTimeout(open, Math.min(2 ** tries, LONGEST_WAIT_S) * 1000 * (0.5 + Math.random() / 2));
      tries += 1;
    });
    for (const topic of topics) {
      stream.addEventListener(topic, (event) => {
        let id = '';
        try { id = JSON.parse(event.data).id ?? ''; } catch { /* a hint without words is a hint still */ }
        listener.heard(topic, id);
      });
    }
  };
  document.addEventListener('visibilitychange', () => { if (document.hidden) close(); else open(); });
  addEventListener('pagehide', close);
  addEventListener('pageshow', (event) => { if (event.persisted) open(); });
  open();
  return () => { ended = true; close(); };
}
