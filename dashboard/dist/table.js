// The live table: one row a view, sorted, filtered, opened by Enter. Rows stay where they are while somebody points at them.

import { cells, COLUMNS, SORTS } from "./columns.js";
import { el, svg } from "./dom.js";
import { visible } from "./names.js";
import * as tip from "./tip.js";

/** The table; `show(views)` fills it, `filter(text)` thins it out, `open(name)` is called for the chosen row. */
export function table({ open, counted }) {
  const rows = new Map();
  let [sort, down, wanted, views] = ["total", true, "", []];

  const heads = COLUMNS.map((column) => head(column, (key) => by(key)));
  const body = el("tbody", { role: "rowgroup", keydown, mouseleave: () => arrange(), focusout: ({ relatedTarget }) => body.contains(relatedTarget) || arrange() });
  const node = el(
    "table",
    { class: "rows views", role: "table", "aria-label": "Views" },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...heads)),
    body,
  );
  mark();

  function by(key) {
    [sort, down] = [key, key === sort ? !down : key !== "name"];
    mark();
    arrange(true);
  }

  function mark() {
    heads.forEach((head, at) => {
      const keys = COLUMNS[at].sorts.map(([key]) => key);
      if (keys.length) head.setAttribute("aria-sort", keys.includes(sort) ? (down ? "descending" : "ascending") : "none");
      for (const button of head.querySelectorAll("button")) {
        button.classList.toggle("sorted", button.dataset.sort === sort);
        button.classList.toggle("up", !down);
      }
    });
  }

  function show(now) {
    views = now;
    const names = new Set(views.map((view) => view.name));
    for (const [name, row] of rows) {
      if (!names.has(name)) {
        row.node.remove();
        rows.delete(name);
      }
    }
    for (const view of views) {
      if (!rows.has(view.name)) rows.set(view.name, row(view));
      rows.get(view.name).show(view);
    }
    arrange();
  }

  function filter(text) {
    const changed = wanted !== text.toLowerCase();
    wanted = text.toLowerCase();
    if (changed) arrange(true);
  }

  // The order and what is hidden. A row under the pointer or with the focus would run away from it: then only new ones are put at the end.
  function arrange(force = false) {
    const held = !force && (body.matches(":hover") || body.contains(document.activeElement));
    const value = SORTS[sort];
    const order = [...views].sort((a, b) => compare(value(a), value(b)) * (down ? -1 : 1) || compare(a.name, b.name));
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    let shown = 0;
    order.forEach((view, at) => {
      const { node } = rows.get(view.name);
      node.hidden = !visible(view.name).toLowerCase().includes(wanted);
      shown += node.hidden ? 0 : 1;
      if (held ? !node.parentNode : body.children[at] !== node) body.insertBefore(node, held ? null : body.children[at] ?? null);
    });
    // Moving an element takes the focus from it.
    if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
    rove();
    counted(shown, views.length);
  }

  // One row is in the way of the Tab key; the arrows go on from there.
  function rove(to = null) {
    const seen = [...body.children].filter((node) => !node.hidden);
    const current = to ?? seen.find((node) => node === document.activeElement) ?? seen.find((node) => node.tabIndex === 0) ?? seen[0];
    for (const node of body.children) {
      const index = node === current ? 0 : -1;
      if (node.tabIndex !== index) node.tabIndex = index;
    }
    return [seen, seen.indexOf(current)];
  }

  function keydown(event) {
    if (!(event.target instanceof HTMLTableRowElement)) return;
    const [seen, at] = rove();
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: seen.length - 1 }[event.key];
    if (event.key === "Enter") open(event.target.dataset.name);
    else if (to === undefined) return;
    else if (seen[to]) {
      rove(seen[to]);
      seen[to].focus();
    }
    event.preventDefault();
  }

  function row(view) {
    const { nodes, show, anchor } = cells(view.name);
    let latest = view;
    const opened = (event) => {
      // The link opens by itself, in a new tab too where that is wanted; marking text is no click.
      if (!event.target.closest("a") && !String(getSelection())) open(view.name);
    };
    const node = el("tr", { role: "row", tabindex: "-1", click: opened, focus: () => node.matches(":focus-visible") && tip.show(anchor, latest), blur: tip.hide }, ...nodes);
    node.dataset.name = view.name;
    anchor.addEventListener("mouseenter", () => tip.show(anchor, latest));
    anchor.addEventListener("mouseleave", tip.leave);
    return {
      node,
      show: (next) => {
        latest = next;
        show(next);
        tip.refresh(anchor, next);
      },
    };
  }

  return { node, show, filter, focus: () => rove()[0][0]?.focus(), focusOn: (name) => rows.get(name)?.node.focus() };
}

function head({ is, title, unit, sorts, read }, by) {
  const buttons = sorts.map(([key, text]) =>
    el(
      "button",
      { type: "button", "data-sort": key, click: () => by(key) },
      is === "split" ? el("span", { class: `swatch fill ${key}`, "aria-hidden": "true" }) : null,
      text,
      unit ? el("span", { class: "unit" }, unit) : null,
      svg("svg", { class: "arrow", viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("path", { d: "M0 2h10L5 9z" })),
    ),
  );
  const inside = is === "split" ? [el("div", { class: "split-heads" }, ...buttons)] : buttons.length ? buttons : [title];
  return el("th", { role: "columnheader", scope: "col", class: read ? `number ${is}` : is }, ...inside);
}

function compare(a, b) {
  return a === b ? 0 : a < b ? -1 : 1;
}
