// The trend of a view: the three states stacked, no axes; its height is its own maximum.

import { svg } from "./dom.js";
import { STATES } from "./states.js";

const [WIDTH, HEIGHT] = [120, 24];

/** A small stacked area; `show(points)` draws `[p, c, w]` triples, the oldest first. */
export function spark() {
  const paths = STATES.map(({ key }) => svg("path", { class: key }));
  const node = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...paths);
  return { node, show: (points) => layers(points).forEach((path, index) => paths[index].setAttribute("d", path)) };
}

function layers(points) {
  const top = Math.max(...points.map((point) => point[0] + point[1] + point[2]), 1e-9);
  const step = WIDTH / Math.max(points.length - 1, 1);
  const line = (upTo) =>
    points.map((point, at) => {
      const sum = point.slice(0, upTo).reduce((sum, part) => sum + part, 0);
      return `${(at * step).toFixed(1)},${(HEIGHT - (sum / top) * (HEIGHT - 1)).toFixed(1)}`;
    });
  return STATES.map((_, index) => (points.length < 2 ? "" : `M${line(index + 1).join("L")}L${line(index).reverse().join("L")}Z`));
}
