// A plain table: heads, rows that are replaced as a whole, and a box of its own to be moved in where it is too wide.

import { el } from "./dom.js";

/** `heads` are `[title, unit, is number]`; `show(rows)` takes lists of nodes or texts. `none` is said where there are no rows. */
export function rowsOf(label, heads, none, kind = null) {
  const body = el("tbody", { role: "rowgroup" });
  const nothing = el("p", { class: "nothing soft", hidden: true }, none);
  // The roles are a table's own: on a phone CSS makes cards of some, and takes them away.
  const head = ([title, unit, number]) => el("th", { role: "columnheader", scope: "col", class: number ? "number" : null }, title, unit ? el("span", { class: "unit" }, ` ${unit}`) : null);
  const table = el("table", { class: kind ? `rows ${kind}` : "rows", role: "table", "aria-label": label }, el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...heads.map(head))), body);
  const box = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table: ${label}` }, table);
  const row = (cells) => el("tr", { role: "row" }, ...cells.map((cell, at) => el("td", { role: "cell", class: heads[at][2] ? "number" : null, "data-label": heads[at][0] }, cell)));
  function show(rows) {
    box.hidden = rows.length === 0;
    nothing.hidden = !box.hidden;
    body.replaceChildren(...rows.map(row));
  }
  return { node: el("div", {}, box, nothing), show };
}
