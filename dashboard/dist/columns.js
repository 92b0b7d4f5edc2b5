// The columns of the live table: how each is named, sorted and filled.

import { el, say } from "./dom.js";
import { count, figure } from "./numbers.js";
import { parts, visible } from "./names.js";
import { ofView } from "./pages.js";
import { spark } from "./spark.js";
import { bar, spoken, STATES } from "./states.js";

/** What can be sorted by: key to the value; texts go up first, figures down. */
export const SORTS = {
  name: (view) => view.name,
  rate: (view) => view.rps,
  p50: (view) => view.p50,
  p95: (view) => view.p95,
  failed: (view) => view.failed,
  total: (view) => view.seconds_a_minute,
  ...Object.fromEntries(STATES.map(({ key }) => [key, (view) => view.shares[key]])),
};

/** Class, title, unit, and the keys it sorts by with their texts. */
export const COLUMNS = [
  { is: "name", sorts: [["name", "View"]] },
  { is: "rate", unit: "/s", sorts: [["rate", "Rate"]], read: (view) => figure(view.rps) },
  { is: "p50", unit: "ms", sorts: [["p50", "p50"]], read: (view) => figure(view.p50) },
  { is: "p95", unit: "ms", sorts: [["p95", "p95"]], read: (view) => figure(view.p95) },
  { is: "failed", sorts: [["failed", "Failed"]], read: (view) => count(view.failed) },
  { is: "total", unit: "s/min", sorts: [["total", "Total"]], read: (view) => figure(view.seconds_a_minute) },
  { is: "split", sorts: STATES.map(({ key, title }) => [key, title]) },
  { is: "trend", title: "Trend", sorts: [] },
];

/** The cells of one row; `show(view)` fills them. `anchor` is the bar. */
export function cells(name) {
  const [split, trend, heard] = [bar(), spark(), el("span", { class: "unseen" })];
  const nodes = COLUMNS.map(({ is, unit, sorts, read }) => {
    if (read) return el("td", { role: "cell", class: `number ${is}`, "data-label": `${sorts[0][1]}${unit ? ` ${unit}` : ""}` });
    if (is === "name") return el("td", { role: "cell", class: is }, el("a", { href: ofView(name), tabindex: "-1", title: visible(name) }, ...parts(name)));
    if (is === "split") return el("td", { role: "cell", class: is }, split.node, heard);
    return el("td", { role: "cell", class: is }, trend.node);
  });
  const show = (view) => {
    COLUMNS.forEach(({ read }, at) => read && say(nodes[at], read(view)));
    nodes[4].classList.toggle("some", view.failed > 0);
    nodes[4].classList.toggle("zero", view.failed === 0);
    split.show(view.shares);
    say(heard, spoken(view));
    trend.show(view.trend ?? []);
  };
  return { nodes, show, anchor: split.node };
}
