// What makes a page nicer to use and is not needed to use it: keys, copying, forms that follow a choice.

/** @param {string} selector @param {ParentNode} [root] @returns {HTMLElement[]} */
const all = (selector, root = document) => [...root.querySelectorAll(selector)].filter((e) => e instanceof HTMLElement);

/** Shows what only works with scripts; called again after parts of the page were renewed. */
export function enhance() {
  if (navigator.clipboard) for (const button of all('[data-copy]')) button.hidden = false;
}

document.addEventListener('click', async (event) => {
  const button = event.target instanceof Element ? event.target.closest('[data-copy]') : null;
  if (!(button instanceof HTMLElement)) return;
  await navigator.clipboard.writeText(button.dataset.copy ?? '');
  const before = button.firstChild?.textContent ?? '';
  if (button.firstChild) button.firstChild.textContent = 'Copied';
  setTimeout(() => { if (button.firstChild) button.firstChild.textContent = before; }, 1500);
});

// Keys: / finds, ? lists the keys, j and k walk the rows of a list, a button names its own in data-key.
const typing = (/** @type {EventTarget|null} */ target) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector('dialog[open]')) return;
  if (event.key === '/') {
    const find = all('[data-find]').find((e) => e.offsetParent);
    if (find) { event.preventDefault(); find.focus(); }
  } else if (event.key === '?') {
    event.preventDefault();
    showKeys();
  } else if (event.key === 'j' || event.key === 'k') {
    const links = all('table[data-keyboard] tbody tr').flatMap((row) => all('a[href]', row).slice(0, 1));
    if (!links.length) return;
    const row = document.activeElement?.closest('tr');
    const at = links.findIndex((link) => link.closest('tr') === row);
    const next = event.key === 'j' ? Math.min(at + 1, links.length - 1) : Math.max(at - 1, 0);
    event.preventDefault();
    links[next].focus();
  } else {
    const button = all('[data-key]').find((e) => e.dataset.key === event.key);
    if (!button) return;
    event.preventDefault();
    button.focus();
    button.click();
    if (button.tagName === 'SUMMARY') button.parentElement?.querySelector('textarea')?.focus();
  }
});

function showKeys() {
  const dialog = document.createElement('dialog');
  const heading = document.createElement('h2');
  heading.id = 'keys-heading';
  heading.textContent = 'Keys';
  const list = document.createElement('dl');
  list.className = 'facts';
  const keys = [['/', 'find'], ['j k', 'next and previous row'], ['?', 'this list']];
  for (const button of all('[data-key]')) keys.push([button.dataset.key ?? '', (button.firstChild?.textContent ?? '').trim()]);
  for (const [key, what] of keys) {
    const term = list.appendChild(document.createElement('dt'));
    term.appendChild(document.createElement('kbd')).textContent = key;
    list.appendChild(document.createElement('dd')).textContent = what;
  }
  const form = document.createElement('form');
  form.method = 'dialog';
  form.className = 'form-end';
  const close = form.appendChild(document.createElement('button'));
  close.className = 'button';
  close.textContent = 'Close';
  dialog.setAttribute('aria-labelledby', heading.id);
  dialog.append(heading, list, form);
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// A list's filter applies when its choice changes.
document.addEventListener('change', (event) => {
  const field = event.target;
  if (field instanceof HTMLSelectElement && field.form?.hasAttribute('data-filter')) field.form.requestSubmit();
});

// The request form: a named size fills the values, a value typed makes it an own size; the same for the period.
const form = document.querySelector('[data-request-form]');
if (form instanceof HTMLFormElement) {
  const input = (/** @type {string} */ name) => /** @type {HTMLInputElement|null} */ (form.elements.namedItem(name));
  const choose = (/** @type {string} */ group, /** @type {string} */ value) => {
    const choice = form.querySelector(`input[name="${group}"][value="${value}"]`);
    if (choice instanceof HTMLInputElement) choice.checked = true;
  };
  form.addEventListener('input', (event) => {
    const field = event.target;
    if (!(field instanceof HTMLInputElement)) return;
    if (field.name === 'size' && field.dataset.vcpus) {
      for (const [name, value] of [['vcpus', field.dataset.vcpus], ['memory_gib', field.dataset.memory], ['disk_gib', field.dataset.disk]]) {
        const target = input(name ?? '');
        if (target) target.value = value ?? '';
      }
    } else if (field.name === 'period' && field.dataset.until) {
      const until = input('until');
      if (until) until.value = field.dataset.until;
    } else if (['vcpus', 'memory_gib', 'disk_gib'].includes(field.name)) {
      choose('size', 'own');
    } else if (['from', 'until'].includes(field.name)) {
      choose('period', 'dates');
    }
  });
}

// What is wrong is said first to those who can't see it.
const problem = document.getElementById('problem');
if (problem) problem.focus();

enhance();
