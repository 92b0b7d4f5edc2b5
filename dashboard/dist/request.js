// One slow request: where its time went, and what was done for it when.

import { asking } from "./ask.js";
import { el } from "./dom.js";
import { parts, visible } from "./names.js";
import { age, clock, count, duration } from "./numbers.js";
import { ofView } from "./pages.js";
import { status, worker } from "./slow.js";
import { bar, lines, spoken, STATES } from "./states.js";
import { waterfall } from "./waterfall.js";

// It does not change; it may be gone.
const EVERY = 30_000;

/** Draws it into `main`, as live.js does its own. */
export function request(main, id, { back, login }) {
  let [title, picture] = ["A slow request", null];
  main.replaceChildren(el("p", { class: "hint" }, "Asking the server…"));
  const question = asking({
    url: () => `api/v1/slow/${encodeURIComponent(id)}`,
    every: EVERY,
    show: (told) => picture ?? draw(told),
    missing() {
      if (!picture) main.replaceChildren(el("p", { class: "crumb" }, el("a", { href: "#/slow" }, "← Slow requests")), el("h1", {}, "A slow request"), gone());
    },
    login,
    subject: "request",
    old: "The server could not be asked for this request.",
  });

  function draw(told) {
    picture = waterfall(told);
    title = `${duration(told.wall)} of ${visible(told.view)}`;
    document.title = `${title} · turnout`;
    const split = bar();
    split.show(told.shares);
    main.replaceChildren(
      el(
        "div",
        { class: "bar-line" },
        el(
          "div",
          {},
          el("p", { class: "crumb" }, el("a", { href: "#/slow" }, "← Slow requests"), " · ", el("a", { href: ofView(told.view) }, "its view")),
          el("h1", { class: "view-name" }, ...parts(told.view)),
        ),
        el("a", { class: "quiet button", href: `api/v1/slow/${encodeURIComponent(id)}/trace`, download: "" }, "Download the trace"),
      ),
      el("dl", { class: "sheet figures" }, ...figures(told)),
      el(
        "section",
        { class: "sheet pad" },
        el("div", {}, el("h2", {}, "What its time went into"), el("p", { class: "soft" }, "ms, share of its time")),
        split.node,
        el("p", { class: "unseen" }, spoken(told)),
        el("div", { class: "three" }, ...STATES.map((state) => el("dl", { class: "parts" }, ...lines(state, told)))),
      ),
      el(
        "section",
        { class: "sheet pad" },
        el("div", {}, el("h2", {}, "What was done for it when"), el("p", { class: "soft" }, "ms since its first byte came; to look closer, open the trace with ui.perfetto.dev")),
        picture.node,
      ),
    );
  }

  return {
    get title() {
      return title;
    },
    news: question.news,
    key(event) {
      if (event.key === "Escape") back();
      return event.key === "Escape";
    },
    redraw() {},
    close: question.close,
  };
}

function figures(told) {
  const cell = (title, ...value) => el("div", {}, el("dt", {}, title), el("dd", { class: "value" }, ...value));
  const answered = status(told.status);
  return [
    cell("Took", duration(told.wall)),
    cell("Status", answered),
    cell("Began", clock(told.began), el("small", {}, ` ${age(told.time - told.began)} ago`)),
    cell("Calls", count(told.waits.length), told.more_waits ? el("small", {}, " or more") : null),
    cell("Worker", worker(told), el("small", {}, ` pid ${told.process}`)),
  ];
}

function gone() {
  return el(
    "div",
    { class: "sheet empty" },
    el("h2", {}, "This request is not kept any more."),
    el("p", {}, "Slower ones of its view have taken its place, or the server has been started again. A trace that was downloaded stays."),
  );
}
