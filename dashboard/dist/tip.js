// What a bar is made of, beside the pointer or the focused row. Escape takes it away; it may be pointed at itself.

import { el } from "./dom.js";
import { visible } from "./names.js";
import { lines, STATES } from "./states.js";

let tip = null;
let owner = null;

/** Shows the parts of a view below `anchor`. */
export function show(anchor, view) {
  hide();
  owner = anchor;
  tip = el(
    "div",
    { class: "tip", role: "tooltip", mouseleave: hide },
    el("h3", {}, visible(view.name)),
    el("p", { class: "soft" }, "mean ms a request, share of its time"),
    el("dl", { class: "parts" }, ...STATES.flatMap((state) => lines(state, view))),
  );
  document.getElementById("main").append(tip);
  const [box, size] = [anchor.getBoundingClientRect(), tip.getBoundingClientRect()];
  // Two pixels of overlap: the way from the bar to the tip must not leave both.
  const below = box.bottom + size.height < innerHeight ? box.bottom - 2 : box.top - size.height + 2;
  tip.style.left = `${scrollX + Math.max(8, Math.min(box.left, document.documentElement.clientWidth - size.width - 8))}px`;
  tip.style.top = `${scrollY + Math.max(8, below)}px`;
}

/** Takes it away, unless the pointer went from `from` into it. */
export function leave(event) {
  if (!(event?.relatedTarget instanceof Node && tip?.contains(event.relatedTarget))) hide();
}

/** Takes it away; whether there was one. */
export function hide() {
  const there = tip !== null;
  tip?.remove();
  tip = owner = null;
  return there;
}

/** New figures for what is shown. */
export function refresh(anchor, view) {
  if (owner === anchor) tip.querySelector("dl").replaceChildren(...STATES.flatMap((state) => lines(state, view)));
}
