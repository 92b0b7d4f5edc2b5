// What was noticed while the server ran that somebody should know, and what to do about it.

import { el, say } from "./dom.js";
import * as found from "./found.js";
import { visible } from "./names.js";
import { age, clock, count } from "./numbers.js";
import { ofView } from "./pages.js";

const TITLES = {
  "blocked-loop": "Blocked loop",
  "long-step": "Long step",
  "kept-thread": "Thread kept",
  "in-sequence": "Calls in sequence",
  "pool-queue": "Queue for a connection",
  "hungry-neighbour": "Hungry neighbour",
  "gil-convoy": "GIL convoy",
  "too-few-threads": "Too few threads",
};
const SHORT = 3;
// What runs for no request is no view, and has no page.
const NO_REQUEST = "(no request)";

/** Draws the page into `main`, as live.js does its own. */
export function findings(main, { back }) {
  const [list, many, none] = [el("ul", { class: "findings" }), el("p", { class: "soft" }), empty()];
  main.replaceChildren(el("div", {}, el("h1", {}, "Findings"), many), none, list);
  found.listen(({ findings, time }) => {
    const active = findings.filter((finding) => finding.active).length;
    say(many, findings.length ? `${count(active)} noticed in the last minute, ${count(findings.length - active)} before.` : "");
    none.hidden = findings.length > 0;
    arrange(list, findings, time, whole);
  });
  return {
    title: "Findings",
    news() {},
    key(event) {
      if (event.key === "Escape") back();
      return event.key === "Escape";
    },
    redraw() {},
    close: () => found.listen(null),
  };
}

/** The short list of the live page: those of the last minute. */
export function noticed() {
  const [list, more] = [el("ul", { class: "findings short" }), el("a", { href: "#/findings" })];
  const node = el("section", { class: "sheet", "aria-labelledby": "noticed", hidden: true }, el("div", { class: "head" }, el("h2", { id: "noticed" }, "Noticed in the last minute"), more), list);
  found.listen(({ findings, time }) => {
    const active = findings.filter((finding) => finding.active);
    node.hidden = active.length === 0;
    say(more, active.length > SHORT ? `all ${count(active.length)}, and what to do` : "what to do");
    arrange(list, active.slice(0, SHORT), time, brief);
  });
  return { node, close: () => found.listen(null) };
}

// What has not changed stays: a reader may be in the middle of it.
function arrange(list, findings, time, draw) {
  const known = new Map([...list.children].map((node) => [node.dataset.id, node]));
  const nodes = findings.map((finding) => {
    const key = JSON.stringify([finding.text, finding.advice, finding.active]);
    let node = known.get(finding.id);
    if (node?.dataset.key !== key) {
      node = draw(finding);
      Object.assign(node.dataset, { id: finding.id, key });
    }
    const when = node.querySelector(".when");
    if (when) say(when, seen(finding, time));
    return node;
  });
  if (nodes.length !== list.children.length || nodes.some((node, at) => list.children[at] !== node)) list.replaceChildren(...nodes);
}

function whole(finding) {
  return el(
    "li",
    { class: finding.active ? "sheet finding" : "sheet finding past" },
    el("p", { class: "kind" }, el("span", { class: "tag" }, title(finding)), el("span", { class: "when soft" })),
    el("p", { class: "text" }, visible(finding.text)),
    el("p", { class: "advice" }, el("strong", {}, "What to do: "), visible(finding.advice)),
    el("p", { class: "where soft" }, ...places(finding)),
  );
}

function brief(finding) {
  return el("li", { class: "finding" }, el("span", { class: "tag" }, title(finding)), el("span", { class: "text" }, visible(finding.text)));
}

const title = (finding) => TITLES[finding.kind] ?? visible(finding.kind);

// How often and how long stands in the sentence.
function seen({ first, last }, time) {
  return `seen ${time - last < 5 ? "just now" : `${age(time - last)} ago`} (${clock(last)}), first ${age(time - first)} ago`;
}

function places({ view, other_view: other, place }) {
  const link = (name) => (name === NO_REQUEST ? name : el("a", { href: ofView(name) }, visible(name)));
  return [view ? link(view) : null, other ? [view ? " · " : "", link(other)] : null, place ? [view || other ? " · " : "", el("code", {}, visible(place))] : null].flat();
}

function empty() {
  return el(
    "div",
    { class: "sheet empty", hidden: true },
    el("h2", {}, "Nothing was noticed."),
    el("p", {}, "turnout looks, while it runs, for steps that block the event loop or compute for long, requests that keep a thread, calls in sequence that could go together, queues for a connection or for a thread, views whose computing makes others wait, and convoys at the GIL."),
  );
}
