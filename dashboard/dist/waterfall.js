// What was done for a request when: a lane for the event loop, one for each thread, one for each call.
// A bar is a step or a call on a thread; inside it the three states are drawn by how much there was of each, for their order is not known.

import { el, say } from "./dom.js";
import { visible } from "./names.js";
import { count, duration, figure } from "./numbers.js";
import { rowsOf } from "./rows.js";
import { kindOf } from "./spots.js";
import { legend, STATES } from "./states.js";

/** The picture, with a line that reads the bar which is pointed at or has the focus, and its tables. */
export function waterfall(told) {
  // What ended last: a thread may still tidy up when the answer is sent.
  const end = Math.max(told.wall, ...told.spans.map((span) => span.ended), ...told.waits.map((wait) => wait.ended), 0.001);
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  const hint = "Point at a bar to read it, or go from bar to bar with the arrow keys.";
  const place = { at: (ms) => `${((Math.max(0, ms) / end) * 100).toFixed(4)}%`, end };
  const lanes = [...doing(told), ...told.waits.map(waiting)];
  const bars = [];
  const nodes = lanes.map((lane) => drawn(lane, place, bars));
  const summary = `${count(told.spans.length)} steps and calls on threads, and ${count(told.waits.length)} calls to others, over ${duration(end)}. The tables below have the same figures.`;
  const picture = el("div", { class: "waterfall", role: "group", "aria-label": summary, keydown, pointerleave: () => say(readout, hint) }, axis(place), ...nodes);
  say(readout, hint);
  if (bars.length) bars[0].node.tabIndex = 0;
  for (const { node, said } of bars) {
    for (const event of ["focus", "pointerenter"]) node.addEventListener(event, () => say(readout, said));
  }

  // One bar is in the way of the Tab key; the arrows go on from there.
  function keydown(event) {
    const at = bars.findIndex(({ node }) => node === event.target);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: bars.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    if (!bars[to]) return;
    bars[at].node.tabIndex = -1;
    bars[to].node.tabIndex = 0;
    bars[to].node.focus();
  }

  return { node: el("div", { class: "stack" }, meanings(), lanes.length ? picture : el("p", {}, "Nothing was noted of what was done for it."), lanes.length ? readout : null, ...remarks(told), tables(told)) };
}

function meanings() {
  const meaning = (kind, text) => el("li", {}, el("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), text);
  return el("ul", { class: "legend" }, ...legend().children, meaning("waits", "in line"), meaning("called", "call to others"));
}

// The lanes of those that worked for it.
function doing(told) {
  const threads = [...new Set(told.spans.map((span) => span.thread))].sort((a, b) => (a ?? 0) - (b ?? 0));
  return threads.map((thread) => {
    const name = thread === null ? "Event loop" : `Thread ${thread}`;
    const stretches = told.spans.filter((span) => span.thread === thread);
    return { name, more: thread === null ? "steps" : "calls", bars: stretches.map((span) => ({ span, said: `${name}: ${stretch(span)}` })) };
  });
}

function waiting(wait) {
  const name = `${wait.kind} ${visible(wait.address)}`;
  const from = wait.site === null ? "" : `, called from ${visible(wait.site)}`;
  const said = `Call to ${kindOf(wait)} ${visible(wait.address)}${from}: ${times(wait)}, ${duration(wait.ended - wait.began)}`;
  return { name, more: wait.site === null ? "" : visible(wait.site), bars: [{ wait, said }] };
}

function stretch(span) {
  const stood = span.began - span.ready >= 0.001 ? `, after ${duration(span.began - span.ready)} in line` : "";
  const states = STATES.map(({ key, title }) => `${title} ${duration(span[key])}`).join(", ");
  return `${times(span)}, ${duration(span.ended - span.began)}${stood}. ${states}, in an order that is not known`;
}

const times = ({ began, ended }) => `${figure(began)} to ${figure(ended)} ms`;

function drawn(lane, place, bars) {
  const track = el("div", { class: "track" });
  for (const { span, wait, said } of lane.bars) {
    if (span && span.began > span.ready) track.append(placed("in-line", place, span.ready, span.began));
    const node = placed(span ? "stretch" : "call", place, (span ?? wait).began, (span ?? wait).ended);
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", said);
    node.tabIndex = -1;
    if (span) node.append(...split(span));
    track.append(node);
    if (wait) track.append(length(wait, place));
    bars.push({ node, said });
  }
  return el("div", { class: "lane" }, el("div", { class: "lane-name" }, el("span", { class: "leaf", title: lane.name }, lane.name), lane.more ? el("span", { class: "soft", title: lane.more }, lane.more) : null), track);
}

function placed(kind, place, from, to) {
  const node = el("div", { class: kind });
  node.style.left = place.at(from);
  node.style.width = place.at(to - from);
  return node;
}

function split(span) {
  const whole = span.processing + span.cpu + span.io;
  return STATES.filter(({ key }) => span[key] > 0).map(({ key }) => {
    const node = el("span", { class: `fill ${key}` });
    node.style.width = `${(span[key] / whole) * 100}%`;
    return node;
  });
}

// How long a call took, where there is room beside it.
function length({ began, ended }, place) {
  const after = ended < place.end * 0.85;
  const node = el("span", { class: after ? "length" : "length before", "aria-hidden": "true" }, duration(ended - began));
  if (after) node.style.left = place.at(ended);
  else node.style.right = place.at(place.end - began);
  return node;
}

// 1, 2 or 5 of a decade: four to ten marks.
function axis(place) {
  const decade = 10 ** Math.floor(Math.log10(place.end));
  const step = [0.1, 0.2, 0.5, 1].map((part) => part * decade).find((step) => place.end / step <= 8) ?? decade;
  const marks = Array.from({ length: Math.floor(place.end / step) + 1 }, (_, at) => at * step);
  const track = el("div", { class: "track" });
  for (const ms of marks) {
    const mark = el("span", { class: ms > place.end * 0.93 ? "mark last" : "mark" }, figure(ms).replace(/\.0+$/, ""));
    mark.style.left = place.at(ms);
    track.append(mark);
  }
  return el("div", { class: "lane axis", "aria-hidden": "true" }, el("div", { class: "lane-name soft" }, "ms"), track);
}

function remarks(told) {
  const dropped = told.dropped ? `${count(told.dropped)} later steps and calls on threads are not shown: the first ${count(told.spans.length)} of a request are kept.` : "";
  const more = told.more_waits ? `The first ${count(told.waits.length)} calls to others are shown; there may have been more.` : "";
  const order = told.spans.length ? "Inside a bar the states are drawn by how much there was of each: their order is not known. In line: for the loop, or for a thread." : "";
  return [dropped, more, order].filter(Boolean).map((text) => el("p", { class: "hint" }, text));
}

function tables(told) {
  const steps = rowsOf("Steps and calls on threads", [["Where"], ["In line from", "ms", true], ["Began", "ms", true], ["Ended", "ms", true], ...STATES.map(({ title }) => [title, "ms", true])], "None.");
  steps.show(told.spans.map((span) => [span.thread === null ? "Event loop" : `Thread ${span.thread}`, ...[span.ready, span.began, span.ended, ...STATES.map(({ key }) => span[key])].map(exact)]));
  const calls = rowsOf("Calls to others", [["Kind"], ["Address"], ["Called from"], ["Began", "ms", true], ["Ended", "ms", true], ["Took", "ms", true]], "None.");
  calls.show(told.waits.map((wait) => [wait.kind, visible(wait.address), wait.site === null ? "–" : visible(wait.site), ...[wait.began, wait.ended, wait.ended - wait.began].map(exact)]));
  return el("details", {}, el("summary", {}, "As tables"), el("h3", { class: "above" }, "Steps and calls on threads"), steps.node, el("h3", { class: "above" }, "Calls to others"), calls.node);
}

// Moments that lie close together must not look the same.
const exact = (ms) => ms.toFixed(ms < 100 ? 3 : 1);
