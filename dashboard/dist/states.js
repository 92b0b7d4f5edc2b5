// The three states, their named parts, and the bar that shows them.

import { el, say } from "./dom.js";
import { duration, figure, percent } from "./numbers.js";

export const STATES = [
  { key: "processing", letter: "P", title: "Processing", parts: [] },
  {
    key: "cpu",
    letter: "C",
    title: "Waiting for CPU",
    parts: [["run_queue", "run queue"], ["gil", "GIL"], ["loop_queue", "loop"], ["no_thread_cpu", "no free thread"]],
  },
  {
    key: "io",
    letter: "W",
    title: "Waiting for I/O",
    parts: [["no_thread_io", "no free thread"], ["client", "client"], ["io", "other I/O"]],
  },
];

/** What was waited for: what calls say, and of what none says, what threads were seen at. Measured by itself, so it is beside the parts, not one of them. */
const WAITS = [
  ["db", "calls: database"], ["http", "calls: upstreams"], ["cache", "calls: cache"],
  ["socket", "seen: socket"], ["lock", "seen: lock"], ["sleep", "seen: sleep"], ["file", "seen: file"], ["other", "seen: other"],
];

/** Mean milliseconds a request in one state. */
export function spent(state, parts) {
  return state.parts.length ? state.parts.reduce((sum, [key]) => sum + (parts[key] ?? 0), 0) : parts[state.key] ?? 0;
}

/** "Processing 20 %, Waiting for CPU 10 % (GIL 0.4 ms), …": the bar for those who hear the page. */
export function spoken(view) {
  return STATES.map((state) => {
    const named = state.parts.filter(([key]) => view.parts[key] >= 0.005).map(([key, title]) => `${title} ${duration(view.parts[key])}`);
    return `${state.title} ${percent(view.shares[state.key])} %${named.length ? ` (${named.join(", ")})` : ""}`;
  }).join("; ");
}

/** A bar of 100 %; `show(shares)` sets it. Its label is for the one who hears the page: say it beside it. */
export function bar() {
  const labels = STATES.map(() => el("b"));
  const spans = STATES.map((state, index) => el("span", { class: `fill ${state.key}` }, labels[index]));
  const node = el("div", { class: "bar", "aria-hidden": "true" }, ...spans);
  const show = (shares) => {
    const sum = STATES.reduce((sum, { key }) => sum + (shares[key] ?? 0), 0);
    STATES.forEach(({ key, letter }, index) => {
      const share = sum > 0 ? (shares[key] ?? 0) / sum : 0;
      spans[index].style.width = `${(share * 100).toFixed(2)}%`;
      spans[index].hidden = share === 0;
      // A letter and a number need about an eighth of the bar, a letter alone a sixteenth.
      say(labels[index], share >= 0.15 ? `${letter} ${percent(share)}` : share >= 0.075 ? letter : "");
      labels[index].hidden = share < 0.075;
    });
  };
  return { node, show };
}

/** One state and its parts as lines of a list: name, milliseconds, share of the whole. */
export function lines(state, view) {
  const whole = STATES.reduce((sum, one) => sum + spent(one, view.parts), 0);
  const line = (kind, title, ms, swatch) =>
    el(
      "div",
      {},
      el("dt", { class: kind }, swatch ? el("span", { class: `swatch fill ${state.key}`, "aria-hidden": "true" }) : null, title),
      el("dd", { class: kind }, figure(ms)),
      el("dd", { class: kind }, whole > 0 ? `${percent(ms / whole)} %` : "–"),
    );
  return [
    line("whole", state.title, spent(state, view.parts), true),
    ...state.parts.map(([key, title]) => line("part", title, view.parts[key] ?? 0, false)),
    ...(state.key === "io" ? WAITS.filter(([key]) => view.waits?.[key] > 0) : []).map(([key, title]) => line("part", title, view.waits[key], false)),
  ];
}

/** The three swatches with their names. */
export function legend() {
  return el(
    "ul",
    { class: "legend" },
    ...STATES.map(({ key, title }) => el("li", {}, el("span", { class: `swatch fill ${key}`, "aria-hidden": "true" }), title)),
  );
}
