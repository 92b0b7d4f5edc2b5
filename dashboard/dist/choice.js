// A few values of which one is chosen.

import { el } from "./dom.js";

/** Radio buttons in a row: `options` are `[value, text]`. */
export function choice(legend, name, options, chosen, changed) {
  return el(
    "fieldset",
    { class: "choice" },
    el("legend", { class: "unseen" }, legend),
    ...options.map(([value, text]) =>
      el("label", {}, el("input", { type: "radio", name, value, checked: value === chosen, change: () => changed(value) }), text),
    ),
  );
}
