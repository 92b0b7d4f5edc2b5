// Which page an address names, and where each is.

import { wellFormed } from "./names.js";

const KINDS = { view: "view", slow: "slow", request: "request" };

/** `{page, name}`: the live page where the address names none, or one that nobody could have meant. */
export function read(hash) {
  if (hash === "#/slow") return { page: "slow", name: null };
  if (hash === "#/findings") return { page: "findings", name: null };
  const [, page, rest] = hash.match(/^#\/([a-z]+)\/(.*)$/s) ?? [];
  try {
    return KINDS[page] ? { page: KINDS[page], name: decodeURIComponent(rest) } : { page: "live", name: null };
  } catch {
    return { page: "live", name: null };
  }
}

export const ofView = (name) => `#/view/${encodeURIComponent(wellFormed(name))}`;
export const slowOnesOf = (name) => `#/slow/${encodeURIComponent(wellFormed(name))}`;
export const ofRequest = (id) => `#/request/${encodeURIComponent(id)}`;
