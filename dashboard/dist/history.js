// Today and yesterday: a view's last hours beside the same hours of the day before, from what the server keeps in a file.

import { area } from "./area.js";
import { choice } from "./choice.js";
import { el, say } from "./dom.js";
import { age, figure, percent, moment } from "./numbers.js";
import { legend, STATES, spent } from "./states.js";

const HOURS = [[3600, "1 h"], [21600, "6 h"], [86400, "24 h"]];
const DAY = 86400;
// A minute is written when it is over: asking more often would show nothing new.
const EVERY = 60000;
// Times are kept in steps of up to a tenth, and two days are never quite the same: less than this is no difference.
const ALIKE = 0.05;

/** Rows of the table: title, unit, what of the totals, and the words for more and for less. */
const ROWS = [
  ["Rate", "/s", (totals) => totals.rps, ["busier", "quieter"]],
  ["p50", "ms", (totals) => totals.p50, ["slower", "faster"]],
  ["p95", "ms", (totals) => totals.p95, ["slower", "faster"]],
  ...STATES.map((state) => [state.title, "ms", (totals) => (totals.requests ? spent(state, totals.parts) : null), ["more", "less"], state.key]),
  ["Failed", "%", (totals) => (totals.requests ? (100 * totals.failed) / totals.requests : null), ["more", "less"]],
];

/** A part of a view's page; `news(now)` is told what the stream tells. */
export function history(name, { login }) {
  const chart = area();
  const heads = [el("th", { scope: "col", class: "number" }), el("th", { scope: "col", class: "number" })];
  const rows = ROWS.map(row);
  const [told, none] = [el("p", { class: "soft" }), el("p", { class: "note" })];
  const table = el(
    "table",
    { class: "rows compared" },
    el("caption", { class: "unseen" }, "Figures of this view and those of the day before"),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Figure"), ...heads, el("th", { scope: "col" }, "Difference"))),
    el("tbody", {}, ...rows.map(({ node }) => node)),
  );
  const shown = el(
    "div",
    { class: "past", hidden: true },
    el("div", {}, el("ul", { class: "legend" }, ...legend().children, el("li", {}, el("span", { class: "swatch before", "aria-hidden": "true" }), "all three, the day before")), chart.node),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Today and yesterday, as a table" }, table),
  );
  const hours = choice("Compare the last", "hours", HOURS, DAY, (chosen) => ((seconds = chosen), ask()));
  hours.hidden = true;
  const node = el("section", { class: "sheet pad" }, el("div", { class: "bar-line" }, el("div", {}, el("h2", {}, "Today and yesterday"), told), hours), none, shown);
  let [seconds, asked, at, kept, clock, open] = [DAY, 0, -EVERY, null, 0, true];

  // Answers may overtake each other: the last question's is shown.
  async function ask() {
    at = performance.now();
    const mine = ++asked;
    try {
      // By the server's clock, to the end of its minute.
      const to = Math.ceil(clock / 60) * 60;
      const answer = await fetch(`api/v1/compare?name=${encodeURIComponent(name)}&from=${to - seconds}&to=${to}`, { signal: AbortSignal.timeout(EVERY / 2) });
      if (!open || mine !== asked) return;
      if (answer.status === 401) return login();
      if (!answer.ok) throw new Error((await answer.json()).error);
      show(await answer.json());
    } catch (error) {
      if (!open || mine !== asked) return;
      // Sooner than after the next minute: a busy disk is soon idle.
      at -= EVERY / 2;
      say(none, `The history could not be read${error instanceof TypeError || error instanceof DOMException ? "" : ` (${error.message})`}. ${shown.hidden ? "" : "What is shown is from before. "}It is asked for again.`);
    }
  }

  function show({ now, then, step, oldest }) {
    const [any, before] = [now.totals.requests > 0, then.totals.requests > 0];
    say(none, before ? "" : missing(then, oldest));
    shown.hidden = !any && !before;
    hours.hidden = false;
    say(told, `mean ms a request; the last ${span(seconds)}, and the same of the day before`);
    say(heads[0], `Last ${span(seconds)}`);
    say(heads[1], "Day before");
    rows.forEach(({ show }) => show(now.totals, then.totals));
    chart.show({ ...now.series, step, before: sums(then.series), median: then.series.p50 });
  }

  // Nobody counted then, or nobody asked for the view.
  function missing(then, oldest) {
    if (then.covered > 0) return "The day before, no request of this view ended in this time.";
    if (oldest === null) return "Nothing is kept yet: the first minute is written when it is over.";
    return oldest > then.from ? `Nothing to compare with yet: what is kept begins ${moment(oldest)}.` : "The day before, no server was running at this time.";
  }

  function news(now) {
    const keeps = now.server.history === true;
    clock = now.time;
    if (keeps !== kept) {
      kept = keeps;
      if (!keeps) {
        shown.hidden = hours.hidden = true;
        say(told, `${now.server.title} keeps what happens for 15 minutes.`);
        none.replaceChildren("To compare today with yesterday, start the server with ", el("code", {}, "--history PATH"), ": a file of at most 64 MiB that outlives a restart.");
      }
    }
    if (keeps && performance.now() - at >= EVERY) ask();
  }

  return { node, news, redraw: chart.redraw, close: () => ((open = false), chart.close()) };
}

// The height of yesterday's stack.
function sums(series) {
  return series.processing.map((_, at) => (series.processing[at] === null ? null : STATES.reduce((sum, { key }) => sum + series[key][at], 0)));
}

function row([title, unit, read, words, state]) {
  const cells = [el("td", { class: "number" }), el("td", { class: "number" }), el("td", { class: "difference" })];
  const swatch = state ? el("span", { class: `swatch fill ${state}`, "aria-hidden": "true" }) : null;
  const node = el("tr", {}, el("th", { scope: "row" }, el("span", { class: "what" }, swatch, el("span", {}, title, " ", el("span", { class: "unit" }, unit)))), ...cells);
  const show = (now, then) => {
    const [value, before] = [read(now), read(then)];
    say(cells[0], figure(value));
    say(cells[1], figure(before));
    say(cells[2], difference(value, before, words));
  };
  return { node, show };
}

/** "+3.1, 9 % slower": a sign and words, so that no colour is needed. The unit is the row's. */
function difference(value, before, [more, less]) {
  if (value === null || before === null) return "–";
  const [by, most] = [value - before, Math.max(value, before)];
  // What rounds to nothing, or is within what is measured, is nothing.
  if (most < 0.005 || Math.abs(by) <= ALIKE * most) return "about the same";
  const [amount, word] = by > 0 ? [`+${figure(by)}`, more] : [`−${figure(-by)}`, less];
  if (before < 0.005) return `${amount}, ${word}`;
  return value >= 3 * before ? `${amount}, ${figure(value / before)} times as much` : `${amount}, ${percent(Math.abs(by) / before)} % ${word}`;
}

function span(seconds) {
  return seconds === 3600 ? "hour" : age(seconds).replace("h", "hours").replace("1 days", "24 hours");
}
