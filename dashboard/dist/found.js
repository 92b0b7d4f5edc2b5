// Findings as the server told them last: asked for on every page, for the number in the header.

import { asking } from "./ask.js";
import { say } from "./dom.js";
import { count } from "./numbers.js";

const EVERY = 5000;

let [question, told, listener] = [null, null, null];

/** From now on; `badge` says how many are active. */
export function start({ badge, login }) {
  question?.close();
  const show = (answer) => {
    told = answer;
    const active = told.findings.filter((finding) => finding.active).length;
    badge.hidden = active === 0;
    say(badge, count(active));
    badge.title = `${count(active)} noticed in the last minute`;
    listener?.(told);
  };
  question = asking({ url: () => "api/v1/findings", every: EVERY, show, missing() {}, login, subject: "findings" });
}

export function news() {
  question?.news();
}

/** `listen(told)` is called with what is known and with what comes, until somebody else listens, or nobody (null). */
export function listen(to) {
  listener = to;
  if (told) listener?.(told);
}
