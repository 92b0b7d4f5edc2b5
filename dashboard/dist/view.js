// The page of one view: totals, the three states with their parts, how they went, how long requests took.

import { area } from "./area.js";
import { asking } from "./ask.js";
import { beside } from "./beside.js";
import { choice } from "./choice.js";
import { el, say } from "./dom.js";
import { histogram } from "./histogram.js";
import { history } from "./history.js";
import { parts, visible } from "./names.js";
import { count, figure, percent } from "./numbers.js";
import { slowOnesOf } from "./pages.js";
import { rows } from "./slow.js";
import { spots } from "./spots.js";
import { bar, legend, lines, spoken, STATES } from "./states.js";

const WINDOWS = [[60, "1 min"], [300, "5 min"], [900, "15 min"]];
// A step of the series is some seconds long: asking more often would show nothing new.
const EVERY = 5000;

const TOTALS = [
  ["Requests", "", (totals) => count(totals.requests)],
  ["Rate", "/s", (totals) => figure(totals.rps)],
  ["Failed", "", (totals) => count(totals.failed)],
  ["p50", "ms", (totals) => figure(totals.p50)],
  ["p95", "ms", (totals) => figure(totals.p95)],
  ["p99", "ms", (totals) => figure(totals.p99)],
  ["Mean", "ms", (totals) => figure(totals.mean)],
  ["Total", "s/min", (totals) => figure(totals.seconds_a_minute)],
  ["Knee N*", "threads", (totals) => figure(totals.knee)],
];

/** Draws it into `main`, as live.js does its own. */
export function view(main, name, { back, login }) {
  const shown = { bar: bar(), area: area(), histogram: histogram(), history: history(name, { login }), spots: spots(), beside: beside(name), slow: rows({ named: false, most: 8 }) };
  const values = TOTALS.map(() => document.createTextNode("–"));
  const states = STATES.map(() => el("dl", { class: "parts" }));
  const [heard, clamped, none] = [el("p", { class: "unseen" }), el("p", { class: "note" }), el("div", { class: "sheet empty", hidden: true })];
  let seconds = 900;

  const figures = TOTALS.map(([title, unit], at) => el("div", {}, el("dt", {}, title), el("dd", { class: "value" }, values[at], unit ? el("small", {}, ` ${unit}`) : null)));
  const all = el(
    "div",
    { class: "stack-all" },
    el("dl", { class: "sheet figures totals" }, ...figures),
    sheet("What a request's time goes into", "mean ms a request, share of its time", shown.bar.node, heard, el("div", { class: "three" }, ...states, clamped)),
    el(
      "div",
      { class: "charts" },
      sheet("Over time", "mean ms a request", legend(), shown.area.node),
      sheet("Latency", "requests by how many ms they took; below, what that time was", legend(), shown.histogram.node),
    ),
    shown.spots.node,
    shown.beside.node,
    el("section", { class: "sheet" }, el("div", { class: "head" }, el("h2", {}, "Slow requests"), el("a", { href: slowOnesOf(name) }, "all that are kept")), shown.slow.node),
  );
  main.replaceChildren(
    el(
      "div",
      { class: "bar-line" },
      el("div", {}, el("p", { class: "crumb" }, el("a", { href: "#/" }, "← All views")), el("h1", { class: "view-name" }, ...parts(name))),
      choice("Figures of the last", "window", WINDOWS, seconds, (chosen) => ((seconds = chosen), figuresOf.ask())),
    ),
    none,
    all,
    shown.history.node,
  );
  const figuresOf = asking({
    url: () => `api/v1/view?name=${encodeURIComponent(name)}&seconds=${seconds}`,
    every: EVERY,
    show,
    missing,
    login,
    subject: "view",
    old: "This view's figures could not be brought up to date; what is shown is from before.",
  });
  const slowOnes = asking({
    url: () => `api/v1/slow?view=${encodeURIComponent(name)}`,
    every: EVERY,
    show: shown.slow.show,
    missing() {},
    login,
    subject: "slow",
    old: "The slow requests of this view could not be brought up to date.",
  });

  function show({ totals, series, bins, spots, neighbours }) {
    none.hidden = true;
    all.hidden = false;
    TOTALS.forEach(([, , read], at) => say(values[at], read(totals)));
    shown.bar.show(totals.shares);
    say(heard, spoken(totals));
    STATES.forEach((state, at) => states[at].replaceChildren(...lines(state, totals)));
    const share = totals.requests ? totals.clamped / totals.requests : 0;
    say(clamped, share > 0.001 ? `In ${percent(share)} % of the requests the readings did not add up and were cut to fit: take the split with care.` : "");
    shown.area.show(series);
    shown.histogram.show(bins, totals);
    shown.spots.show(spots ?? [], totals);
    shown.beside.show(neighbours);
  }

  function missing() {
    none.hidden = false;
    all.hidden = true;
    none.replaceChildren(el("h3", {}, "No figures of this view."), el("p", {}, "It has answered no request in the last 15 minutes, or there is none of this name. It appears here with its next answer."));
  }

  return {
    title: visible(name),
    news(now) {
      shown.history.news(now);
      figuresOf.news();
      slowOnes.news();
    },
    key(event) {
      if (event.key === "Escape") back();
      return event.key === "Escape";
    },
    redraw() {
      shown.area.redraw();
      shown.history.redraw();
    },
    close() {
      figuresOf.close();
      slowOnes.close();
      shown.area.close();
      shown.histogram.close();
      shown.history.close();
    },
  };
}

function sheet(title, unit, ...content) {
  return el("section", { class: "sheet pad" }, el("div", {}, el("h2", {}, title), el("p", { class: "soft" }, unit)), ...content);
}
