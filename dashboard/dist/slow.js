// Slow requests: the slowest of each view, of all or of one.

import { asking } from "./ask.js";
import { el, say } from "./dom.js";
import { parts, visible } from "./names.js";
import { age, clock, count, duration, percent } from "./numbers.js";
import { ofRequest, ofView } from "./pages.js";
import { rowsOf } from "./rows.js";
import { bar, STATES } from "./states.js";

const EVERY = 5000;
// More than anybody reads, and few enough to be drawn anew each time.
const MOST = 200;

/** The table; `show(list)` fills it. `named`: with a column for the view; `most`: so many rows. */
export function rows({ named, most = MOST }) {
  const heads = [["Took"], ...(named ? [["View"]] : []), ["Where its time went"], ["Status"], ["Calls", "", true], ["When"], ["Worker", "", true]];
  const table = rowsOf("Slow requests", heads, "None is kept: no request has ended yet.", named ? "slow of-all" : "slow");
  return {
    node: table.node,
    show: ({ requests, time }) => table.show(requests.slice(0, most).map((one) => cells(one, time, named))),
  };
}

function cells(one, time, named) {
  const split = bar();
  split.show(one.shares);
  const heard = STATES.map(({ key, title }) => `${title} ${percent(one.shares[key])} %`).join(", ");
  return [
    el("a", { class: "took", href: ofRequest(one.id), "aria-label": `${duration(one.wall)}, ${visible(one.view)}: what was done when` }, duration(one.wall)),
    ...(named ? [el("a", { class: "named", href: ofView(one.view), title: visible(one.view) }, ...parts(one.view))] : []),
    el("div", {}, split.node, el("span", { class: "unseen" }, heard)),
    status(one.status),
    count(one.calls),
    `${clock(one.began)}, ${age(time - one.began)} ago`,
    worker(one),
  ];
}

/** How it was answered, in a word. */
export function status(code) {
  if (code === null) return el("span", { class: "some" }, "none");
  return el("span", { class: code >= 500 ? "some" : null }, String(code));
}

/** Who answered it. */
export function worker({ worker, gone }) {
  return gone ? `${worker}, gone` : String(worker);
}

/** Draws the page into `main`, as live.js does its own. `name`: of this view only, or null. */
export function slow(main, name, { back, login }) {
  const [table, many, none] = [rows({ named: name === null }), el("p", { class: "count" }), el("div", { class: "sheet empty", hidden: true })];
  const sheet = el("div", { class: "sheet" }, table.node);
  none.append(el("h2", {}, "No slow request of this view is kept."), el("p", {}, "It has answered none since the server started, or there is none of this name."));
  main.replaceChildren(
    el(
      "div",
      {},
      name === null ? null : el("p", { class: "crumb" }, el("a", { href: ofView(name) }, "← The view"), " · ", el("a", { href: "#/slow" }, "slow requests of all views")),
      el("h1", {}, "Slow requests", ...(name === null ? [] : [" of ", el("span", { class: "view-name" }, ...parts(name))])),
      el("p", { class: "soft" }, "The slowest eight of each view and worker in the last ten minutes, each with what was done for it when. ", many),
    ),
    none,
    sheet,
  );
  const question = asking({
    url: () => (name === null ? "api/v1/slow" : `api/v1/slow?view=${encodeURIComponent(name)}`),
    every: EVERY,
    show(list) {
      [none.hidden, sheet.hidden] = [true, false];
      say(many, list.kept > MOST ? `Shown: the ${MOST} slowest of ${count(list.kept)}.` : "");
      table.show(list);
    },
    missing: () => ([none.hidden, sheet.hidden] = [false, true]),
    login,
    subject: "slow",
    old: "The slow requests could not be brought up to date; what is shown is from before.",
  });
  return {
    title: name === null ? "Slow requests" : `Slow requests of ${visible(name)}`,
    news: question.news,
    key(event) {
      if (event.key !== "Escape") return false;
      if (name === null) back();
      else location.hash = ofView(name);
      return true;
    },
    redraw() {},
    close: question.close,
  };
}
