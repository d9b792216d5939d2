// The page as a whole.

function tiles() {
  const list = [];
  const rules = data.rules.length;
  const tuples = data.rules.reduce((n, r) => n + r.tuples, 0);
  if (data.replayed) list.push(['Events', data.events], ['Matches of a rule', data.matches]);
  list.push(['Rules', rules], ['Tuples known', tuples]);
  if (data.replayed) list.push(['Alerts', data.alerts.length + data.leftOut]);
  if (data.learned) list.push(['Tuples only learned', data.learned]);
  if (data.skipped) list.push(['Lines passed over', data.skipped]);
  byId('tiles').replaceChildren(...list.map(([name, n]) => el('div', {}, el('dt', {}, name), el('dd', {}, number(n)))));
}

function cell(tag, text, kind) {
  return el(tag, kind ? { class: kind } : {}, text);
}

const ruleLink = (i) => '#rule=' + encodeURIComponent(data.rules[i].id);

function ruleTable() {
  const order = data.rules.map((r, i) => i).sort((a, b) => data.rules[b].alerts - data.rules[a].alerts || data.rules[b].tuples - data.rules[a].tuples);
  byId('rule-table').replaceChildren(
    el('thead', {}, el('tr', {}, cell('th', 'Rule'), cell('th', 'Severity'), cell('th', 'Alerts', 'number'), cell('th', 'Tuples', 'number'), cell('th', 'Window', 'number'))),
    el('tbody', {}, ...order.map((i) => {
      const r = data.rules[i];
      return el('tr', { 'data-rule': i }, el('td', { class: 'wrap' }, el('a', { href: ruleLink(i) }, r.name)),
        el('td', { class: r.severity }, el('span', { class: 'badge' }, r.severity)),
        cell('td', data.replayed ? number(r.alerts) : '–', 'number'), cell('td', number(r.tuples), 'number'), cell('td', r.window || '–', 'number'));
    })));
}

let ruleChart = null;

// showRule shows the page of a rule.
function showRule(i) {
  const r = data.rules[i];
  if (ruleChart) forget(ruleChart);
  for (const row of document.querySelectorAll('#rule-table tr[data-rule]')) {
    if (row.dataset.rule === String(i)) row.setAttribute('aria-current', 'true');
    else row.removeAttribute('aria-current');
  }
  const box = el('div', { class: 'chart small', role: 'img', 'aria-label': 'Tuples of this rule that were first seen, over time' });
  const facts = el('dl', { class: 'facts' });
  const fact = (name, ...value) => facts.append(el('dt', {}, name), el('dd', {}, ...value));
  fact('Rule ID', el('code', {}, r.id));
  fact('Terms', ...r.fields.flatMap((f, k) => [k ? ', ' : '', el('code', {}, f)]));
  if (r.window) fact('Window', r.window);
  fact('Tuples known', number(r.tuples));
  if (data.replayed) fact('Alerts', number(r.alerts) + (r.held ? ' and ' + number(r.held) + ' tuples over the limit' : ''));
  const page = el('article', { class: 'card' }, el('h3', { tabindex: '-1', id: 'rule-name' }, r.name), el('p', {}, r.description || ''), facts);
  if (r.query) page.append(el('pre', {}, r.query));
  if (r.alerts) {
    page.append(el('p', { class: 'screen' }, el('button', {
      type: 'button', onclick: () => { byId('rule').value = String(i); shown.rule = String(i); choose(); location.hash = '#alerts'; },
    }, 'Show its alerts')));
  }
  page.append(el('h4', {}, 'Tuples first seen, by ' + span(data.step)), box);
  if (r.latest.length) {
    // A state is told of known tuples only now and then, and a replay may be
    // over before it is: their last sighting and count would mislead.
    const sightings = !data.replayed;
    page.append(el('h4', {}, r.latest.length < r.tuples ? 'The latest ' + number(r.latest.length) + ' tuples' : 'Its tuples'),
      el('div', { class: 'scroll' }, el('table', {},
        el('thead', {}, el('tr', {}, cell('th', 'First seen'), ...(sightings ? [cell('th', 'Last seen'), cell('th', 'Seen at least', 'number')] : []), ...r.fields.map((f) => cell('th', f)))),
        el('tbody', {}, ...r.latest.map((t) => el('tr', {}, cell('td', moment(t.first), 'number'),
          ...(sightings ? [cell('td', moment(t.last), 'number'), cell('td', number(t.count), 'number')] : []), ...t.terms.map((x) => el('td', { class: 'wrap' }, term(x, false)))))))));
  }
  byId('rule-page').replaceChildren(page);
  if (data.start) ruleChart = noveltyOf(box, r.novelty, data.start, data.end, data.step, 150, false);
}

// bar makes a bar of a part of the width.
function bar(part) {
  const b = el('span', { class: 'bar', 'aria-hidden': 'true' });
  b.style.width = 100 * part + '%';
  return b;
}

function memory() {
  byId('fields').replaceChildren(...data.fields.map((f) => {
    const most = f.values.length ? f.values[0].tuples : 1;
    return el('div', { class: 'card' }, el('h3', {}, 'By ', el('code', {}, f.name)),
      el('ol', { class: 'share' }, ...f.values.map((v) => el('li', {}, bar(v.tuples / most),
        el('span', { class: 'text' }, v.text === '' ? '""' : v.text), el('span', { class: 'n' }, count(v.tuples, 'tuple'))))),
      el('p', { class: 'quiet' }, f.others ? 'and ' + count(f.others, 'other value') : ''));
  }));
}

function filters() {
  const select = byId('rule');
  data.rules.forEach((r, i) => { if (r.alerts) select.append(el('option', { value: i }, r.name)); });
  const time = (input) => {
    const ms = Date.parse(input.value + 'Z');
    return Number.isNaN(ms) ? null : ms;
  };
  byId('from').addEventListener('change', () => setSpan(time(byId('from')), shown.to));
  byId('to').addEventListener('change', () => setSpan(shown.from, time(byId('to'))));
  byId('rule').addEventListener('change', (e) => { shown.rule = e.target.value; choose(); });
  byId('severity').addEventListener('change', (e) => { shown.severity = e.target.value; choose(); });
  let soon = 0;
  byId('text').addEventListener('input', (e) => {
    clearTimeout(soon);
    soon = setTimeout(() => { shown.text = e.target.value; choose(); }, 120);
  });
  byId('filter').addEventListener('reset', () => {
    shown.rule = shown.severity = shown.text = '';
    setTimeout(() => setSpan(null, null));
  });
  byId('filter').addEventListener('submit', (e) => e.preventDefault());
}

function route() {
  const id = location.hash.startsWith('#rule=') ? decodeURIComponent(location.hash.slice(6)) : null;
  if (id === null) return;
  const i = data.rules.findIndex((r) => r.id === id);
  if (i < 0) return;
  showRule(i);
  byId('rule-page').scrollIntoView();
  byId('rule-name').focus({ preventScroll: true });
}

function theme() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', () => drawAll());
  byId('theme').addEventListener('click', () => {
    const now = document.documentElement.dataset.theme || (dark.matches ? 'dark' : 'light');
    document.documentElement.dataset.theme = now === 'dark' ? 'light' : 'dark';
    drawAll();
  });
  // Paper is narrower than the screen, and how narrow is not known before.
  addEventListener('beforeprint', () => drawAll(600));
  addEventListener('afterprint', () => drawAll());
}

function start() {
  document.title = data.title;
  byId('title').textContent = data.title;
  const when = data.start ? moment(data.start) + ' to ' + moment(data.end) : 'nothing was seen';
  byId('subtitle').textContent = data.source + ': ' + when + '. Made ' + moment(data.made) + '.';
  theme();
  tiles();
  if (data.start) {
    const known = data.activity.some((a) => a.m);
    byId('novelty-note').textContent = 'Tuples first seen, by ' + span(data.step) +
      (known ? ', and the share of matches whose tuple was known.' : '.');
    noveltyOf(byId('novelty'), data.activity, data.start, data.end, data.step, 240, known);
  } else {
    byId('novelty').replaceChildren(el('p', { class: 'note' }, 'No event matched a rule.'));
  }
  if (data.replayed && data.alerts.length) {
    filters();
    makeTimeline();
    choose();
  } else {
    byId('alerts').replaceChildren(el('h2', { id: 'alerts-title' }, 'Alerts'),
      el('p', { class: 'note' }, data.replayed ? 'There were none.' : 'A state holds what was seen, not what was raised: make the report from a replay to see alerts.'));
  }
  ruleTable();
  if (data.rules.length) showRule(data.rules.reduce((best, r, i) => (r.alerts > data.rules[best].alerts ? i : best), 0));
  memory();
  addEventListener('hashchange', route);
  route();
}

start();
