// Who computed while this view waited for a processor.

import { el, say } from "./dom.js";
import { parts, visible } from "./names.js";
import { figure, percent } from "./numbers.js";
import { ofView } from "./pages.js";
import { rowsOf } from "./rows.js";

/** A table; `show(neighbours)` fills it. `name` is the view's own. */
export function beside(name) {
  const said = el("p", { class: "soft" });
  const table = rowsOf("Neighbours", [["View"], ["Of the wait", "%"], ["Processing meanwhile", "s/s", true]], "It did not wait for a processor in this time.", "neighbours");
  const node = el("section", { class: "sheet" }, el("div", { class: "head" }, el("div", {}, el("h2", {}, "Who computed while it waited for CPU"), said)), table.node);
  function show({ cpu, views }) {
    say(said, `in the same worker, in the same second. All its requests together waited ${figure(cpu)} s a second; each view is given a part of that, by how much it computed`);
    table.show(views.map((view) => cells(view, view.name === name)));
  }
  return { node, show };
}

function cells(view, own) {
  const filled = el("i");
  filled.style.width = `${Math.min(view.share, 1) * 100}%`;
  const link = own ? el("span", {}, "itself, in other requests") : el("a", { class: "named", href: ofView(view.name), title: visible(view.name) }, ...parts(view.name));
  return [link, el("div", { class: "part-of" }, el("span", { class: "number" }, percent(view.share)), el("div", { class: "meter", "aria-hidden": "true" }, filled)), figure(view.processing)];
}
