// The first page: the machine, the workers, the live table of views.

import { choice } from "./choice.js";
import { el, say } from "./dom.js";
import { noticed } from "./findings.js";
import { machine } from "./machine.js";
import { table } from "./table.js";
import { workers } from "./workers.js";

const WINDOWS = [[10, "10 s"], [60, "1 min"], [300, "5 min"], [900, "15 min"]];

/** Draws it into `main`. `news(now)` goes on; `key(event)` is asked about keys nobody took. */
export function live(main, { seconds, follow, open, from }) {
  const [figures, crew, findings, count] = [machine(), workers(), noticed(), el("p", { class: "count" })];
  let came = from;
  const views = table({ open, counted: (shown, all) => say(count, shown === all ? `${all} views` : `${shown} of ${all} views`) });
  const filter = el("input", { id: "filter", type: "search", placeholder: "Filter by name", "aria-label": "Filter views by name", "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false", input: narrow, keydown: leave });
  const none = el("div", { class: "empty", hidden: true }, el("p", {}, "No view's name contains this."), el("button", { type: "button", class: "quiet", click: clear }, "Show all"));
  const empty = idle();
  const sheet = el("div", { class: "sheet" }, el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of views" }, views.node), none);
  main.replaceChildren(
    el("h1", { class: "unseen" }, "Live"),
    figures.node,
    crew.node,
    findings.node,
    el(
      "section",
      { "aria-labelledby": "views", class: "stack" },
      el("div", { class: "bar-line" }, el("div", {}, el("h2", { id: "views" }, "Where the time of requests goes"), count), el("div", { class: "controls" }, el("div", { class: "filter" }, filter), choice("Figures of the last", "window", WINDOWS, seconds, follow))),
      empty,
      sheet,
    ),
  );

  function narrow() {
    views.filter(filter.value.trim());
    none.hidden = views.node.querySelector("tbody tr:not([hidden])") !== null;
    views.node.hidden = !none.hidden;
  }

  function clear() {
    filter.value = "";
    narrow();
    filter.focus();
  }

  function leave(event) {
    if (event.key === "Escape" && filter.value) clear();
    else if (event.key === "Escape") filter.blur();
    else if (event.key === "Enter" || event.key === "ArrowDown") views.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  return {
    title: "Live",
    news(now) {
      figures.show(now);
      crew.show(now);
      views.show(now.views);
      narrow();
      empty.hidden = now.views.length > 0;
      sheet.hidden = !empty.hidden;
      // Back from a view: the focus is where it was.
      if (came) views.focusOn(came);
      came = null;
    },
    key(event) {
      if (event.key !== "/") return false;
      filter.focus();
      filter.select();
      return true;
    },
    redraw() {},
    close: findings.close,
  };
}

function idle() {
  return el(
    "div",
    { class: "sheet empty", hidden: true },
    el("h3", {}, "No request has been answered in this time."),
    el("p", {}, "Open the site, or send it something from a terminal: each view appears here with its first answer, and is kept for 15 minutes after its last."),
    el("p", { class: "hint" }, "Nothing to try it with? ", el("code", {}, "turnout demo --stay"), " serves a hotel search that waits for eight booking sites."),
  );
}
