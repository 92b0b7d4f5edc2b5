// What a view waits for: at which address, from which place in the project's code.

import { el } from "./dom.js";
import { visible } from "./names.js";
import { count, figure, percent } from "./numbers.js";
import { rowsOf } from "./rows.js";

const KINDS = { db: "database", http: "upstream", cache: "cache" };
const HEADS = [["Kind"], ["Address"], ["Called from"], ["Calls", "", true], ["A request", "", true], ["Mean", "ms", true], ["Longest", "ms", true], ["Of its Waiting for I/O", "%", true]];

/** What was called, in a word. */
export const kindOf = ({ kind }) => KINDS[kind] ?? kind;

/** A table; `show(spots, totals)` fills it. */
export function spots() {
  const table = rowsOf("What it waits for", HEADS, "No call was told of in this time: only those of known clients are.", "spots");
  const node = el(
    "section",
    { class: "sheet" },
    el("div", { class: "head" }, el("div", {}, el("h2", {}, "What it waits for"), el("p", { class: "soft" }, "calls by address and by the place in the code; those side by side count each, so shares may sum to more than 100 %. Longest: since the server started"))),
    table.node,
  );
  return { node, show: (spots, { requests }) => table.show(spots.map((spot) => cells(spot, requests))) };
}

function cells(spot, requests) {
  return [
    kindOf(spot),
    el("code", {}, visible(spot.address)),
    spot.site === null ? el("span", { class: "soft" }, "not known") : el("code", {}, visible(spot.site)),
    count(spot.calls),
    figure(requests ? spot.calls / requests : null),
    figure(spot.mean),
    figure(spot.longest),
    percent(spot.share),
  ];
}
