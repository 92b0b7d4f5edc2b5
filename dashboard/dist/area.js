// The three states over time, stacked: solid, hatched, dotted, on a canvas by uPlot; over them, where there is one, the sum of another day.

import { el, say } from "./dom.js";
import { age, clock, figure } from "./numbers.js";
import { STATES } from "./states.js";
import { colour } from "./theme.js";

const HEIGHT = 232;

/** A chart; `show(series)` sets it, `redraw()` after a change of theme. */
export function area() {
  const place = el("div", { class: "chart", role: "img" });
  const readout = el("p", { class: "readout" });
  let [plot, told] = [null, null];
  const sized = new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: HEIGHT }));
  sized.observe(place);

  function show(series) {
    told = series;
    place.setAttribute("aria-label", summary(series));
    if (plot) plot.setData(stacked(series));
    else draw();
    if (plot.cursor.idx === null || plot.cursor.idx === undefined) say(readout, hint(series));
  }

  function draw() {
    plot?.destroy();
    plot = new uPlot(options(place.clientWidth || 600, told.before, (at) => say(readout, at === null ? hint(told) : moment(told, at))), stacked(told), place);
  }

  return { node: el("div", {}, place, readout), show, redraw: () => plot && draw(), close: () => (sized.disconnect(), plot?.destroy()) };
}

// The sums from the top down: the tallest is drawn first, and the next covers its lower part.
function stacked({ time, processing, cpu, io, before }) {
  const sum = (...parts) => time.map((_, at) => (parts[0][at] === null ? null : parts.reduce((sum, part) => sum + part[at], 0)));
  return [time, sum(processing, cpu, io), sum(processing, cpu), sum(processing), ...(before ? [before] : [])];
}

function options(width, before, at) {
  const [soft, line] = [colour("soft"), colour("line")];
  const font = "11px system-ui, sans-serif";
  const layer = (key) => ({ stroke: colour(key), width: 1, fill: paint(key), points: { show: true, size: 5, fill: colour(key), filter: alone }, spanGaps: false });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [8, 22, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, Math.max(max * 1.05, 0.1)] } },
    axes: [
      { stroke: soft, font, grid: { show: false }, ticks: { stroke: line, size: 5 }, size: 28, gap: 4, space: 70, values: (_, times) => times.map(label(times)) },
      { stroke: soft, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: 46, values: (_, values) => values.map((value) => figure(value).replace(".0", "")) },
    ],
    series: [{}, layer("io"), layer("cpu"), layer("processing"), ...(before ? [{ stroke: colour("ink"), width: 1.5, dash: [5, 4], points: { show: false }, spanGaps: false }] : [])],
    hooks: { setCursor: [(plot) => at(plot.cursor.idx ?? null)] },
  };
}

// A point between two gaps has no line to be seen by.
function alone(plot, layer) {
  const values = plot.data[layer];
  const empty = (at) => values[at] === null || values[at] === undefined;
  return values.flatMap((_, at) => (!empty(at) && empty(at - 1) && empty(at + 1) ? [at] : []));
}

// Seconds where the steps between the marks are less than minutes.
function label(times) {
  const seconds = times.length > 1 && times[1] - times[0] < 60;
  return (time) => (seconds ? clock(time) : clock(time).slice(0, 5));
}

// What colours.css does with gradients, for the canvas, in its own pixels.
function paint(key) {
  if (key === "processing") return colour(key);
  const size = Math.round(6 * (devicePixelRatio || 1));
  const tile = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const pen = tile.getContext("2d");
  pen.fillStyle = colour(`${key}-ground`);
  pen.fillRect(0, 0, size, size);
  pen.fillStyle = pen.strokeStyle = colour(key);
  if (key === "cpu") {
    pen.lineWidth = size * 0.36;
    for (const shift of [-size, 0, size]) {
      pen.beginPath();
      pen.moveTo(shift - 1, size + 1);
      pen.lineTo(shift + size + 1, -1);
      pen.stroke();
    }
  } else {
    for (const [x, y] of [[0.25, 0.25], [0.75, 0.75]]) {
      pen.beginPath();
      pen.arc(x * size, y * size, size * 0.16, 0, 7);
      pen.fill();
    }
  }
  return pen.createPattern(tile, "repeat");
}

function hint(series) {
  return `One point is ${series.step < 120 ? `${series.step} s` : age(series.step)}. Point at one to read it.`;
}

function moment(series, at) {
  const before = series.before ? `; the day before ${figure(series.before[at])}, p50 ${figure(series.median[at])} ms` : "";
  if (series.processing[at] === null || series.processing[at] === undefined) return `${clock(series.time[at])}: no request${before}`;
  const states = STATES.map(({ key, title }) => `${title} ${figure(series[key][at])}`).join(", ");
  return `${clock(series.time[at])}: ${states} ms · p95 ${figure(series.p95[at])} ms · ${figure(series.rps[at])}/s${before}`;
}

function summary(series) {
  const last = series.processing.findLastIndex((value) => value !== null);
  return last < 0 ? "Mean time a request over time: no requests." : `Mean time a request over time, stacked by state. The last point, ${moment(series, last)}.`;
}
