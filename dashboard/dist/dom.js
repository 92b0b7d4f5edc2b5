// Elements in one expression. Text is always a text node: nothing that a server says becomes markup.

const SVG = "http://www.w3.org/2000/svg";

/** `el("td", {class: "number"}, "12.1")`; a function among the attributes is a listener. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets a text only where it is another: a page that changes once a second must not cost what it does not change. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
