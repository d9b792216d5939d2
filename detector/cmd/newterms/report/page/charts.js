// Charts. A chart is made anew when its width or the colours change.

const charts = [];

// chart keeps a chart in an element; make(width) returns a new one.
function chart(box, make) {
  const c = { box, make, plot: null, width: 0 };
  charts.push(c);
  new ResizeObserver(() => draw(c, false)).observe(box);
  draw(c, true);
  return c;
}

function draw(c, always, most) {
  const width = Math.min(Math.floor(c.box.clientWidth), most || Infinity);
  if (!width || (!always && width === c.width)) return;
  c.width = width;
  if (c.plot) c.plot.destroy();
  c.plot = c.make(width);
}

// drawAll draws all charts anew, at most so wide.
function drawAll(most) {
  for (const c of charts) draw(c, true, most);
}

// forget lets go of a chart whose element leaves the page.
function forget(c) {
  const i = charts.indexOf(c);
  if (i >= 0) charts.splice(i, 1);
  if (c && c.plot) c.plot.destroy();
}

// buckets spreads counts over all of the time, so that gaps are zeros and not
// slopes. It returns times in seconds, as uPlot takes them, and a column for
// each key.
function buckets(list, keys, start, end, step) {
  const first = Math.floor(start / step) * step;
  const n = Math.min(Math.floor((end - first) / step) + 1, 5000);
  const times = new Array(n);
  for (let i = 0; i < n; i++) times[i] = (first + i * step) / 1000;
  const columns = keys.map(() => new Array(n).fill(0));
  for (const b of list) {
    const i = Math.floor((b.t - first) / step);
    if (i >= 0 && i < n) keys.forEach((key, k) => { columns[k][i] += b[key]; });
  }
  return [times, ...columns];
}

const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC');

// timeLabels labels a time axis: the day where it changes, then as much of the time
// as the distance of the ticks asks for.
function timeLabels(u, ticks, axisIndex, space, distance) {
  let day = '';
  return ticks.map((s) => {
    const text = moment(s * 1000);
    const [date, time] = text.split(' ');
    const clock = distance >= 86400 ? '' : distance >= 60 ? time.slice(0, 5) : time;
    const label = date === day ? clock : (clock ? clock + '\n' : '') + date;
    day = date;
    return label;
  });
}

const timeAxis = () => axis({ values: timeLabels, space: 90 });

function axis(extra) {
  const line = { stroke: theColour('line'), width: 1 };
  return Object.assign({ stroke: theColour('quiet'), grid: line, ticks: line, font: '12px system-ui, sans-serif' }, extra);
}

const bars = (colour, scale) => ({
  scale: scale || 'y', stroke: theColour(colour), fill: theColour(colour) + 'aa', width: 0,
  paths: uPlot.paths.bars({ size: [0.85, 60, 1], align: 1 }), points: { show: false },
});

// whole keeps the ticks of a scale of counts to whole numbers.
const whole = (u, ticks) => ticks.map((v) => (Number.isInteger(v) ? number(v) : ''));

const fromZero = { range: (u, low, high) => [0, Math.max(high || 0, 1) * 1.05] };

function noveltyOf(box, list, start, end, step, height, withShare) {
  const keys = withShare ? ['n', 'm'] : ['n'];
  const columns = buckets(list, keys, start, end, step);
  if (withShare) {
    // Of the matches in a bucket, how many found their tuple known.
    columns[2] = columns[2].map((m, i) => (m ? 100 * (1 - Math.min(columns[1][i], m) / m) : null));
  }
  return chart(box, (width) => new uPlot({
    width, height, tzDate: utc,
    scales: { x: { range: (u, low, high) => [low, high + step / 1000] }, y: fromZero, share: { range: [0, 105] } },
    cursor: { drag: { x: false, y: false } },
    axes: [timeAxis(), axis({ values: whole, size: 50 })].concat(withShare ? [axis({
      scale: 'share', side: 1, size: 55, grid: { show: false }, values: (u, ticks) => ticks.map((v) => v + '%'),
    })] : []),
    series: [
      { label: 'Time', value: (u, s) => (s == null ? '–' : moment(s * 1000)) },
      Object.assign(bars('new'), { label: 'New tuples', value: (u, v) => (v == null ? '–' : number(v)) }),
    ].concat(withShare ? [{
      label: 'Known', scale: 'share', stroke: theColour('accent'), width: 2, spanGaps: true, points: { show: columns[0].length < 60, size: 5 },
      value: (u, v) => (v == null ? '–' : v.toFixed(1) + '%'),
    }] : []),
  }, columns, box));
}
