// The machine's header: what all workers share, in figures.

import { el, say } from "./dom.js";
import { count, figure, percent } from "./numbers.js";
import { spent, STATES } from "./states.js";

const FIGURES = [
  ["In flight", inFlight],
  ["CPU", cpu],
  ["Run queue", runQueue],
  ["GIL held", gil],
  ["Event loop busy", loop],
  ["Threads busy", threads],
  ["Knee N*", knee],
];

/** A row of figures; `show(now)` sets them. */
export function machine() {
  const cells = FIGURES.map(([title, read]) => cell(title, read));
  const node = el("dl", { class: "sheet figures", "aria-label": "The machine" }, ...cells.map((cell) => cell.node));
  return { node, show: (now) => cells.forEach((cell) => cell.show(now)) };
}

function cell(title, read) {
  const [value, unit, filled] = [document.createTextNode(""), el("small"), el("i")];
  const meter = el("div", { class: "meter", "aria-hidden": "true" }, filled);
  const more = el("dd", { class: "more" });
  const node = el("div", {}, el("dt", {}, title), el("dd", { class: "value" }, value, unit), el("dd", {}, meter), more);
  const show = (now) => {
    const told = read(now, now.workers.filter((worker) => worker.state !== "gone"));
    say(value, told.value);
    say(unit, told.unit ? ` ${told.unit}` : "");
    say(more, told.more ?? "");
    more.classList.toggle("loud", told.loud ?? false);
    meter.style.visibility = told.share === undefined ? "hidden" : "visible";
    filled.style.width = `${Math.min(Math.max(told.share ?? 0, 0), 1) * 100}%`;
  };
  return { node, show };
}

const sum = (workers, key) => workers.reduce((sum, worker) => sum + (worker[key] ?? 0), 0);
const most = (workers, key) => workers.map((worker) => worker[key]).filter(Number.isFinite).reduce((a, b) => Math.max(a, b), -1);
// One worker is no more the busiest than the idlest.
const whose = (workers, text) => (workers.length > 1 ? `${text}, busiest worker` : text);

function inFlight(now, workers) {
  const rate = now.views.reduce((sum, view) => sum + view.rps, 0);
  return { value: count(sum(workers, "in_flight")), more: `${figure(rate)} requests/s` };
}

function cpu({ machine }, workers) {
  const used = sum(workers, "cpu");
  const load = machine.load?.[0];
  const stolen = machine.steal >= 0.02 ? `${percent(machine.steal)} % stolen by other machines` : "";
  return {
    value: figure(used),
    unit: `of ${machine.cores} ${machine.cores === 1 ? "core" : "cores"}`,
    share: used / machine.cores,
    more: stolen || (Number.isFinite(load) ? `load ${figure(load)}` : ""),
    loud: stolen !== "",
  };
}

function runQueue({ machine }) {
  const throttled = machine.throttled > 0 ? `${percent(machine.throttled)} % throttled by the quota` : "";
  const known = Number.isFinite(machine.pressure_cpu);
  return {
    value: percent(machine.pressure_cpu),
    unit: known ? "% of the time" : "",
    share: known ? machine.pressure_cpu : undefined,
    more: throttled || (known ? "something waited for a core" : "this kernel does not tell"),
    loud: throttled !== "",
  };
}

function gil(_, workers) {
  const held = most(workers, "gil_utilisation");
  const switches = most(workers, "gil_switches");
  if (held < 0) return { value: "–", more: "not measured here" };
  return { value: percent(held), unit: "%", share: held, more: switches < 0 ? whose(workers, "") : whose(workers, `${count(switches)} switches/s`) };
}

function loop(_, workers) {
  const busy = most(workers, "loop_utilisation");
  if (busy < 0) return { value: "–" };
  return { value: percent(busy), unit: "%", share: busy, more: whose(workers, `a step waits ${figure(most(workers, "loop_queue"))} ms`) };
}

function threads(_, workers) {
  const [busy, all, queued] = [sum(workers, "threads_busy"), sum(workers, "threads"), sum(workers, "queued")];
  return {
    value: count(busy),
    unit: `of ${count(all)}`,
    share: all ? busy / all : 0,
    more: queued ? `${count(queued)} requests wait for one` : `${count(sum(workers, "threads_most"))} at most`,
    loud: queued > 0,
  };
}

// 1 + W/P over all requests of the window: with fewer threads a core idles, with more they queue for it.
function knee({ views }) {
  const over = (state) => views.reduce((sum, view) => sum + view.requests * spent(state, view.parts), 0);
  const computing = over(STATES[0]);
  if (!(computing > 0)) return { value: "–" };
  return { value: figure(1 + over(STATES[2]) / computing), unit: "threads", more: "keep one core busy" };
}
