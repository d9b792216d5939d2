'use strict';
// Uses the page of TestUse (10,000 alerts, one a minute, of three rules in
// turn) and leaves what it finds wrong in the body's data-result.
(() => {
  addEventListener('error', (e) => { document.body.dataset.result = String(e.message) + ' at line ' + e.lineno; });
  const wrong = [];
  const want = (what, is, should) => { if (is !== should) wrong.push(what + ': ' + is + ', want ' + should); };
  const key = (name, shiftKey) => byId('timeline').dispatchEvent(new KeyboardEvent('keydown', { key: name, shiftKey: !!shiftKey, bubbles: true, cancelable: true }));
  const words = () => byId('count').textContent;
  const rows = () => document.querySelectorAll('#list details').length;

  want('at first', words(), '10,000 alerts, 1 to 100 shown.');
  want('rows', rows(), 100);

  // Pages, with the focus brought back to the head of the list.
  byId('pages').querySelectorAll('button')[1].click();
  want('second page', words(), '10,000 alerts, 101 to 200 shown.');
  want('focus', document.activeElement.id, 'alerts-title');
  want('earlier', byId('pages').querySelectorAll('button')[0].disabled, false);

  // The keyboard on the timeline.
  key('ArrowRight');
  want('nothing to move', shown.list.length, 10000);
  key('ArrowLeft', true);
  want('narrower', shown.list.length, 9801);
  key('End');
  want('moved to the end', shown.list[shown.list.length - 1].line, 10000);
  key('Escape');
  want('all again', shown.list.length, 10000);
  want('said', byId('timeline').getAttribute('aria-valuetext'), 'All of the time');

  // The mouse: a span of the chart.
  const u = timeline.plot;
  u.setSelect({ left: u.valToPos((data.start + 36e5) / 1000, 'x'), width: 100, top: 0, height: 10 }, true);
  want('brushed from', Math.abs(shown.from - data.start - 36e5) < 60e3, true);
  want('brushed', shown.list.length > 100 && shown.list.length < 2000, true);
  want('field', byId('from').value.slice(0, 10), new Date(data.start).toISOString().slice(0, 10));
  setSpan(null, null);

  // Filters, together.
  byId('rule').value = '1';
  byId('rule').dispatchEvent(new Event('change'));
  want('of a rule', words(), '3,333 alerts of 10,000, 1 to 100 shown.');
  byId('severity').value = 'low';
  byId('severity').dispatchEvent(new Event('change'));
  want('of another severity', words(), '0 alerts of 10,000.');
  byId('severity').value = '';
  byId('severity').dispatchEvent(new Event('change'));
  const began = performance.now();
  shown.text = 'USER9999';
  shown.rule = '';
  choose();
  want('a text', shown.list.map((a) => a.line).join(), '10000');
  for (const text of ['u', 'us', 'use', 'user1', 'nobody', '']) { shown.text = text; choose(); }
  const took = performance.now() - began;
  if (took > 2000) wrong.push('filtering takes ' + took + ' ms');

  // An alert opens and says why.
  const first = document.querySelector('#list details');
  first.open = true;
  first.dispatchEvent(new Event('toggle'));
  want('why', first.textContent.includes('"user0" has not been seen before'), true);
  want('where', first.textContent.includes('audit.log:1'), true);
  want('new by itself', first.querySelectorAll('.term.novel').length, 2);

  // Rules by link.
  location.hash = ruleLink(2);
  route();
  want('rule', byId('rule-name').textContent, 'Rule critical');
  want('focus on the rule', document.activeElement.id, 'rule-name');
  want('current', document.querySelectorAll('#rule-table [aria-current]').length, 1);
  for (let i = 0; i < 20; i++) showRule(i % 3);
  want('charts that are gone are let go', charts.length, 3);

  // Light and dark.
  const ground = () => getComputedStyle(document.body).backgroundColor;
  const before = ground();
  byId('theme').click();
  want('theme', ground() === before, false);

  // Nothing that an attacker wrote became more than text, nothing was loaded.
  want('pwned', window.pwned, undefined);
  want('images', document.images.length, 0);
  want('bold', document.querySelectorAll('b').length, 0);
  want('loaded', performance.getEntriesByType('resource').length, 0);
  want('wide', document.documentElement.scrollWidth <= innerWidth, true);
  const nameless = [...document.querySelectorAll('input, select, button')].filter((e) => !(e.labels && e.labels.length) && !e.textContent.trim() && !e.ariaLabel);
  want('controls without a name', nameless.length, 0);

  document.body.dataset.result = wrong.length ? wrong.join('; ') : 'fine';
})();
