// How long requests took, on a logarithmic axis: how many (stacked by state), and below what each length was made of.
// The second strip is there because the slow ones are few: their stack alone would be too low to be read.

import { el, say, svg } from "./dom.js";
import { count, figure, percent } from "./numbers.js";
import { STATES } from "./states.js";

const [LEFT, RIGHT, TOP, PLOT, GAP, STRIP, AXIS] = [46, 8, 18, 150, 10, 34, 20];
const BARS = 44;

/** A chart and its table; `show(bins, totals)` sets both. */
export function histogram() {
  const picture = svg("svg", { class: "histogram", role: "img" });
  const readout = el("p", { class: "readout" }, "Point at a bar to read it.");
  const body = el("tbody");
  const heads = ["From ms", "To ms", "Requests", ...STATES.map(({ title }) => `${title} %`)];
  const rows = el(
    "details",
    {},
    el("summary", {}, "As a table"),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of latencies" }, el("table", { class: "rows" }, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col", class: "number" }, head)))), body)),
  );
  const place = el("div", { class: "chart" }, picture);
  let told = null;
  const sized = new ResizeObserver(() => told && draw());
  sized.observe(place);

  function show(bins, totals) {
    told = [bars(bins), totals];
    draw();
    body.replaceChildren(...bins.map((bin) => el("tr", {}, ...[figure(bin.from), figure(bin.to), count(bin.requests), ...STATES.map(({ key }) => percent(bin[key]))].map((text) => el("td", { class: "number" }, text)))));
  }

  function draw() {
    const width = Math.max(place.clientWidth, 240);
    const height = TOP + PLOT + GAP + STRIP + AXIS;
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const [bins, totals] = told;
    picture.setAttribute("aria-label", bins.length ? `Latency of ${count(totals.requests)} requests: half within ${figure(totals.p50)} ms, 95 % within ${figure(totals.p95)} ms. Its figures are in the table below.` : "No requests.");
    picture.replaceChildren(...(bins.length ? drawn(bins, totals, width, (text) => say(readout, text)) : []));
  }

  return { node: el("div", {}, place, readout, rows), show, close: () => sized.disconnect() };
}

// The bins of the server grow in steps, so bars of them would jump in height. Bars of one width on this axis take from each
// bin what of it lies below them; the table has the bins as they came.
function bars(bins) {
  if (!bins.length) return [];
  const [first, last] = [Math.max(bins[0].from, bins[0].to / 2), bins.at(-1).to];
  const edge = (at) => first * (last / first) ** (at / BARS);
  return Array.from({ length: BARS }, (_, at) => {
    const bar = { from: edge(at), to: edge(at + 1), requests: 0, processing: 0, cpu: 0, io: 0 };
    let time = 0;
    for (const bin of bins) {
      const low = bin === bins[0] ? first : bin.from;
      const part = (bin.requests * Math.max(0, Math.min(bar.to, bin.to) - Math.max(bar.from, low))) / (bin.to - low);
      bar.requests += part;
      // Shares are of time: bins mix by how much of it their requests took.
      time += part * (low + bin.to);
      for (const { key } of STATES) bar[key] += part * (low + bin.to) * bin[key];
    }
    for (const { key } of STATES) bar[key] = time > 0 ? bar[key] / time : 0;
    return bar;
  });
}

function drawn(bins, totals, width, read) {
  const [first, last] = [bins[0].from, bins.at(-1).to];
  const inner = width - LEFT - RIGHT;
  const x = (ms) => LEFT + (inner * Math.log(Math.min(Math.max(ms, first), last) / first)) / Math.log(last / first);
  const top = Math.max(...bins.map((bin) => bin.requests));
  const foot = TOP + PLOT + GAP + STRIP;
  const columns = bins.map((bin) => {
    const [from, to] = [x(bin.from), x(bin.to)];
    const wide = Math.max(to - from - 1, 1);
    const tall = (PLOT * bin.requests) / top;
    const target = svg("rect", { class: "target", x: from, y: TOP, width: Math.max(to - from, 1), height: foot - TOP });
    const said = `${figure(bin.from)} to ${figure(bin.to)} ms: ${count(bin.requests)} requests, ${STATES.map(({ key, title }) => `${title} ${percent(bin[key])} %`).join(", ")}`;
    return svg("g", { pointerenter: () => read(said) }, ...stack(bin, from, wide, TOP + PLOT, tall), ...(bin.requests >= 0.5 ? stack(bin, from, wide, foot, STRIP) : []), target);
  });
  return [...scale(top, width), ...columns, ...ticks(first, last).map((ms) => label(x(ms), foot + 14, figure(ms).replace(/\.0+$/, ""))), ...marks(totals, x, width)];
}

// One bar from `foot` upwards, `tall` pixels, divided by state.
function stack(bin, x, width, foot, tall) {
  let y = foot;
  return STATES.map(({ key }) => {
    const height = tall * bin[key];
    y -= height;
    return svg("rect", { class: key, x, y, width, height });
  });
}

function scale(top, width) {
  const [base, foot] = [TOP + PLOT, TOP + PLOT + GAP + STRIP];
  const axis = (y) => svg("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: y, y2: y });
  return [axis(TOP), axis(base), axis(foot), label(LEFT - 6, TOP + 4, count(top), "end"), label(LEFT - 6, base + 1, "0", "end"), label(LEFT - 6, foot - STRIP / 2 + 4, "100 %", "end")];
}

// 1, 2 and 5 of each decade; with many decades the decades alone.
function ticks(first, last) {
  const steps = Math.log10(last / first) > 2.5 ? [1] : [1, 2, 5];
  const found = [];
  for (let decade = 10 ** Math.floor(Math.log10(first)); decade <= last; decade *= 10) {
    found.push(...steps.map((step) => step * decade).filter((ms) => ms >= first * 1.02 && ms <= last * 0.98));
  }
  return found;
}

function marks({ p50, p95 }, x, width) {
  const [half, most] = [x(p50), x(p95)];
  const mark = (at, text, anchor) => [
    svg("line", { class: "mark", x1: at, x2: at, y1: TOP - 4, y2: TOP + PLOT }),
    label(at + (anchor === "end" ? -4 : 4), TOP - 6, text, anchor, "mark-text"),
  ];
  return [...mark(half, "p50", half > LEFT + 30 ? "end" : "start"), ...mark(most, "p95", most < width - 40 ? "start" : "end")];
}

function label(x, y, text, anchor = "middle", kind = null) {
  return svg("text", { x, y, "text-anchor": anchor, class: kind }, text);
}
