'use strict';
// Looks at the report of TestReportInBrowser and leaves what it finds wrong in
// the body's data-result. want is what the test knows of the replay.
(async () => {
  addEventListener('error', (e) => { document.body.dataset.result = String(e.message) + ' at line ' + e.lineno; });
  const wrong = [];
  const same = (what, is, should) => { if (is !== should) wrong.push(what + ': ' + is + ', want ' + should); };
  const sum = (list) => list.reduce((a, b) => a + (b || 0), 0);

  // drawn tells whether a chart's canvas has anything on it in a colour of
  // the page's.
  const drawn = (plot, colour) => {
    const c = document.createElement('canvas').getContext('2d');
    c.fillStyle = theColour(colour);
    c.fillRect(0, 0, 1, 1);
    const [r, g, b] = c.getImageData(0, 0, 1, 1).data;
    const canvas = plot.root.querySelector('canvas');
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let n = 0;
    for (let i = 0; i < pixels.length; i += 4) {
      if (pixels[i + 3] > 100 && Math.abs(pixels[i] - r) + Math.abs(pixels[i + 1] - g) + Math.abs(pixels[i + 2] - b) < 30) n++;
    }
    return n;
  };

  same('charts', charts.length, 3);

  // Novelty over time, and the share of known.
  const novelty = charts[0].plot;
  same('new tuples in the chart', sum(novelty.data[1]), want.tuples);
  const shares = novelty.data[2].filter((v) => v !== null);
  same('shares of known in the chart', shares.length > 1 && shares.every((v) => v >= 0 && v <= 100), true);
  same('the share rises', shares[shares.length - 1] > shares[0], true);
  if (!drawn(novelty, 'new')) wrong.push('no bars of new tuples are drawn');
  if (!drawn(novelty, 'accent')) wrong.push('no line of the known is drawn');

  // The timeline is stacked: its tallest bars are all alerts.
  same('alerts in the timeline', sum(timeline.plot.data[1]), want.alerts);
  if (!drawn(timeline.plot, 'low')) wrong.push('no alerts are drawn');
  const half = (data.start + data.end) / 2;
  setSpan(half, null);
  same('alerts of a span', shown.list.length, data.alerts.filter((a) => a.t >= half).length);
  same('a span cuts some off', shown.list.length > 0 && shown.list.length < want.alerts, true);
  setSpan(null, null);
  same('all alerts', shown.list.length, want.alerts);

  // The page of each rule. uPlot draws once its caller is done.
  for (let i = 0; i < data.rules.length; i++) {
    const r = data.rules[i];
    showRule(i);
    await null;
    await null;
    if (!r.tuples) continue;
    same('new tuples of ' + r.id, sum(ruleChart.plot.data[1]), r.tuples);
    if (!drawn(ruleChart.plot, 'new')) wrong.push('no bars of ' + r.id + ' are drawn');
    same('tuples listed of ' + r.id, document.querySelectorAll('#rule-page .scroll tbody tr').length, Math.min(r.tuples, 50));
  }

  // The memory, by user and by user agent.
  for (const name of ['kubernetes.audit.user.username', 'user_agent.original']) {
    const card = [...document.querySelectorAll('#fields > div')].find((e) => e.querySelector('code').textContent === name);
    if (!card) { wrong.push('no memory by ' + name); continue; }
    const bars = [...card.querySelectorAll('.bar')];
    same('bars of ' + name, bars.length > 3 && bars.every((b) => b.getBoundingClientRect().width > 0), true);
  }

  // Every alert opens, and says why.
  for (const row of document.querySelectorAll('#list details')) {
    row.open = true;
    row.dispatchEvent(new Event('toggle'));
    if (!/ seen before|is known, but/.test(row.textContent)) wrong.push('an alert without a reason: ' + row.textContent);
  }
  same('loaded', performance.getEntriesByType('resource').length, 0);
  document.body.dataset.result = wrong.length ? wrong.join('; ') : 'fine';
})().catch((e) => { document.body.dataset.result = String(e); });
