// The workers and how they are: a shape and a word each, so that no colour is needed.

import { el, say, svg } from "./dom.js";
import { age, count, duration, figure, megabytes, percent } from "./numbers.js";

const SHAPES = {
  serving: "M5 0a5 5 0 1 1 0 10A5 5 0 0 1 5 0",
  blocked: "M0 0h10v10H0z",
  silent: "M5 0l5 10H0z",
  gone: "M1 0l4 4 4-4 1 1-4 4 4 4-1 1-4-4-4 4-1-1 4-4-4-4z",
};

const COLUMNS = [
  ["Worker", "", (worker) => (worker.process ? `${worker.number} · pid ${worker.process}` : `${worker.number}`)],
  ["State", "", null],
  ["In flight", "", (worker) => count(worker.in_flight), true],
  ["Threads", "busy", (worker) => `${worker.threads_busy} of ${worker.threads}`, true],
  ["Queued", "", (worker) => count(worker.queued), true],
  ["Loop busy", "%", (worker) => percent(worker.loop_utilisation), true],
  ["Step waits", "ms", (worker) => figure(worker.loop_queue), true],
  ["Overhead", "%", (worker) => percent(worker.overhead), true],
  ["GIL held", "%", (worker) => percent(worker.gil_utilisation), true],
  ["CPU", "cores", (worker) => figure(worker.cpu), true],
  ["Memory", "MB", (worker) => megabytes(worker.memory), true],
  ["Age", "", (worker, now) => (worker.state === "gone" ? "–" : age(now.time - worker.began)), true],
];

/** The table of workers; `show(now)` sets it. */
export function workers() {
  const heads = COLUMNS.map(([title, unit, , number]) =>
    el("th", { scope: "col", class: number ? "number" : null }, title, unit ? el("span", { class: "unit" }, ` ${unit}`) : null),
  );
  const body = el("tbody");
  const means = el("ul");
  const how = el("details", { hidden: true }, el("summary", {}, "How the time is measured here"), means);
  const node = el(
    "section",
    { class: "sheet workers", "aria-label": "Workers" },
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of workers" }, el("table", { class: "rows" }, el("caption", { class: "unseen" }, "Workers"), el("thead", {}, el("tr", {}, ...heads)), body)),
    how,
  );
  const rows = new Map();
  const show = (now) => {
    for (const worker of now.workers) {
      if (!rows.has(worker.number)) rows.set(worker.number, row());
      rows.get(worker.number).show(worker, now);
    }
    for (const number of rows.keys()) {
      if (!now.workers.some((worker) => worker.number === number)) rows.delete(number);
    }
    const wanted = [...rows].sort(([a], [b]) => a - b).map(([, row]) => row.node);
    if (wanted.length !== body.children.length || wanted.some((node, at) => body.children[at] !== node)) body.replaceChildren(...wanted);
    const told = accounting(now.workers);
    how.hidden = told.length === 0;
    if (means.dataset.told !== told.join("\n")) {
      means.dataset.told = told.join("\n");
      means.replaceChildren(...told.map((text) => el("li", {}, text)));
    }
  };
  return { node, show };
}

function row() {
  const cells = COLUMNS.map(([, , , number]) => el("td", { class: number ? "number" : null }));
  const node = el("tr", {}, ...cells);
  const show = (worker, now) => {
    node.dataset.state = worker.state;
    COLUMNS.forEach(([, , read], at) => {
      if (read) say(cells[at], read(worker, now));
      else if (cells[at].textContent !== condition(worker, now)) cells[at].replaceChildren(mark(worker, now));
    });
  };
  return { node, show };
}

function mark(worker, now) {
  const shape = svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("path", { d: SHAPES[worker.state] ?? SHAPES.silent }));
  return el("span", { class: `state ${worker.state}` }, shape, condition(worker, now));
}

function condition(worker, now) {
  if (worker.state === "blocked") return `blocked for ${duration(worker.blocked_for)}`;
  if (worker.state === "silent") return `silent for ${age(now.time - worker.written)}`;
  return worker.state;
}

// "worker 1, 2: cpu exact, …": they differ only where one started while another tool had its hands in the interpreter.
function accounting(workers) {
  const by = new Map();
  for (const worker of workers) {
    const text = (worker.accounting ?? []).join(", ");
    if (!text) continue;
    by.set(text, [...(by.get(text) ?? []), worker.number]);
  }
  return [...by].map(([text, who]) => (by.size === 1 ? text : `worker ${who.join(", ")}: ${text}`));
}
