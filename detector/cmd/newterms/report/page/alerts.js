// The list of alerts, a page at a time, and the timeline over it.

const perPage = 100;
const shown = { from: null, to: null, rule: '', severity: '', text: '', page: 0, list: data.alerts };

// What is looked through for a text, made once for each alert.
let haystacks = null;

function haystack(i) {
  if (!haystacks) haystacks = new Array(data.alerts.length);
  if (haystacks[i] === undefined) {
    const a = data.alerts[i];
    haystacks[i] = (a.terms.join('\n') + '\n' + a.why + '\n' + data.rules[a.r].name).toLowerCase();
  }
  return haystacks[i];
}

function choose() {
  const text = shown.text.toLowerCase();
  shown.list = data.alerts.filter((a, i) =>
    (shown.from === null || a.t >= shown.from) && (shown.to === null || a.t <= shown.to) &&
    (shown.rule === '' || a.r === Number(shown.rule)) &&
    (shown.severity === '' || data.rules[a.r].severity === shown.severity) &&
    (text === '' || haystack(i).includes(text)));
  shown.page = 0;
  showAlerts();
}

function showAlerts() {
  const all = shown.list.length;
  const pages = Math.max(1, Math.ceil(all / perPage));
  shown.page = Math.min(Math.max(shown.page, 0), pages - 1);
  const from = shown.page * perPage;
  const part = shown.list.slice(from, from + perPage);
  byId('list').replaceChildren(...part.map(alertRow));
  let words = all === data.alerts.length ? count(all, 'alert') : count(all, 'alert') + ' of ' + number(data.alerts.length);
  if (pages > 1) words += ', ' + number(from + 1) + ' to ' + number(from + part.length) + ' shown';
  if (data.leftOut) words += '; ' + number(data.leftOut) + ' more were too many to list';
  byId('count').textContent = words + '.';
  const go = (by) => () => { shown.page += by; showAlerts(); byId('alerts-title').focus(); };
  const button = (label, by, off) => {
    const b = el('button', { type: 'button', onclick: go(by) }, label);
    b.disabled = off;
    return b;
  };
  byId('pages').replaceChildren(...(pages > 1 ? [
    button('Earlier', -1, shown.page === 0), el('span', {}, 'Page ' + (shown.page + 1) + ' of ' + pages),
    button('Later', 1, shown.page === pages - 1)] : []));
}

function term(text, novel) {
  return el('span', { class: novel ? 'term novel' : 'term', title: novel ? 'new by itself' : null }, text === '' ? '""' : text);
}

function alertRow(a) {
  const rule = data.rules[a.r];
  const d = el('details', { class: 'alert ' + rule.severity },
    el('summary', {},
      el('span', { class: 'when' }, moment(a.t)), el('span', { class: 'badge' }, rule.severity), el('span', { class: 'name' }, rule.name),
      el('span', { class: 'terms' }, ...(a.kind ? [a.why] : a.terms.map((t, i) => term(t, a.novel[i]))))));
  d.addEventListener('toggle', () => { if (d.open && d.children.length === 1) d.append(alertBody(a, rule)); });
  return d;
}

function alertBody(a, rule) {
  const facts = el('dl');
  const fact = (name, ...value) => facts.append(el('dt', {}, name), el('dd', {}, ...value));
  if (!a.kind) rule.fields.forEach((f, i) => fact(f, term(a.terms[i] === undefined ? '' : a.terms[i], a.novel[i]), a.novel[i] ? ' new by itself' : ''));
  if (a.file) fact('Event', el('code', {}, a.file + (a.line ? ':' + a.line : '')));
  fact('Rule', el('a', { href: ruleLink(a.r) }, rule.name));
  if (a.uuid) fact('Alert', el('code', {}, a.uuid));
  return el('div', { class: 'body' }, el('p', {}, a.why), facts);
}

// The timeline: alerts by bucket, and a span that can be dragged or moved.

let timeline = null;

function setSpan(from, to) {
  shown.from = from;
  shown.to = to;
  const field = (ms) => (ms === null ? '' : new Date(ms).toISOString().slice(0, 19));
  byId('from').value = field(from);
  byId('to').value = field(to);
  const box = byId('timeline');
  box.setAttribute('aria-valuetext', from === null && to === null ? 'All of the time' : moment(from || data.start) + ' to ' + moment(to || data.end));
  const length = Math.max(data.end - data.start, 1);
  box.setAttribute('aria-valuenow', String(from === null ? 0 : Math.round(100 * (from - data.start) / length)));
  markSpan();
  choose();
}

// markSpan draws the span over the chart.
function markSpan() {
  const u = timeline && timeline.plot;
  if (!u) return;
  if (shown.from === null && shown.to === null) {
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    return;
  }
  const left = u.valToPos((shown.from === null ? data.start : shown.from) / 1000, 'x');
  const right = u.valToPos((shown.to === null ? data.end : shown.to) / 1000, 'x');
  u.setSelect({ left, top: 0, width: Math.max(right - left, 2), height: u.over.clientHeight }, false);
}

function makeTimeline() {
  const counts = new Map();
  for (const a of data.alerts) {
    const t = Math.floor(a.t / data.step) * data.step;
    const severity = data.rules[a.r].severity;
    if (!counts.has(t)) counts.set(t, { t, low: 0, medium: 0, high: 0, critical: 0 });
    counts.get(t)[severity]++;
  }
  const kinds = ['critical', 'high', 'medium', 'low'].filter((s) => data.rules.some((r) => r.severity === s && r.alerts));
  const columns = buckets([...counts.values()], kinds, data.start, data.end, data.step);
  // Stacked: each column is drawn with those after it below, the tallest first.
  const own = columns.slice(1).map((c) => c.slice());
  for (let k = columns.length - 2; k >= 1; k--) for (let i = 0; i < columns[k].length; i++) columns[k][i] += columns[k + 1][i];
  timeline = chart(byId('timeline'), (width) => new uPlot({
    width, height: 200, tzDate: utc,
    scales: { x: { range: (u, low, high) => [low, high + data.step / 1000] }, y: fromZero },
    axes: [timeAxis(), axis({ values: whole, size: 50 })],
    cursor: { drag: { x: true, y: false, setScale: false } },
    series: [{ label: 'Time', value: (u, s) => (s == null ? '–' : moment(s * 1000)) }].concat(kinds.map((kind, k) =>
      Object.assign(bars(kind), { label: kind, fill: theColour(kind), value: (u, v, s, i) => (i == null ? '–' : number(own[k][i])) }))),
    hooks: {
      ready: [() => setTimeout(markSpan)],
      setSelect: [(u) => {
        if (u.select.width < 3) { setSpan(null, null); return; }
        const at = (x) => Math.round(u.posToVal(x, 'x') * 1000);
        setSpan(at(u.select.left), at(u.select.left + u.select.width));
      }],
    },
  }, columns, byId('timeline')));
  byId('timeline').addEventListener('keydown', moveSpan);
}

// moveSpan is the timeline's keyboard.
function moveSpan(event) {
  const all = data.end - data.start;
  let from = shown.from === null ? data.start : shown.from;
  let to = shown.to === null ? data.end : shown.to;
  const by = Math.max(data.step, Math.round(all / 50));
  switch (event.key) {
    case 'ArrowLeft': case 'ArrowDown':
      if (event.shiftKey) to = Math.max(from + data.step, to - by);
      else { const step = Math.min(by, from - data.start); from -= step; to -= step; }
      break;
    case 'ArrowRight': case 'ArrowUp':
      if (event.shiftKey) to = Math.min(data.end, to + by);
      else { const step = Math.min(by, data.end - to); from += step; to += step; }
      break;
    case 'Home': to -= from - data.start; from = data.start; break;
    case 'End': from += data.end - to; to = data.end; break;
    case 'Escape': event.preventDefault(); setSpan(null, null); return;
    default: return;
  }
  event.preventDefault();
  setSpan(from, to);
}
