// Names of views are whatever a project, or a stranger's URL, made of them.

import { el } from "./dom.js";

// Controls, invisible characters and those that turn the direction of writing would hide what a name says.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The name with nothing hidden in it. */
export function visible(name) {
  return name.replace(UNSEEN, (unseen) => `\\u{${unseen.codePointAt(0).toString(16)}}`);
}

/** `hotels.views.` quietly, `search` aloud. */
export function parts(name) {
  const text = visible(name);
  const at = text.lastIndexOf(".") + 1;
  const [stem, leaf] = at > 0 && at < text.length ? [text.slice(0, at), text.slice(at)] : ["", text];
  return [stem ? el("span", { class: "stem" }, stem) : null, el("span", { class: "leaf" }, leaf)];
}

/** Half of a surrogate pair cannot be put into an address. */
export function wellFormed(name) {
  return name.toWellFormed?.() ?? name.replace(/\p{Surrogate}/gu, "\u{fffd}");
}
