// What has to be said aloud: the connection, workers that do not serve. Each sentence is said once, not once a second.

import { el } from "./dom.js";

const said = new Map();

/** Shows these notices, `[key, kind, text]`, and takes away all others of the same subject. */
export function notify(subject, notices) {
  const place = document.getElementById("notices");
  const keys = new Set(notices.map(([key]) => `${subject} ${key}`));
  for (const [key, { node }] of said) {
    if (key.startsWith(`${subject} `) && !keys.has(key)) {
      node.remove();
      said.delete(key);
    }
  }
  for (const [key, kind, text] of notices) {
    const full = `${subject} ${key}`;
    const known = said.get(full);
    if (known?.text === text) continue;
    const node = el("p", { class: `notice ${kind}` }, text);
    if (known) known.node.replaceWith(node);
    else place.append(node);
    said.set(full, { node, text });
  }
}

const WORDS = {
  blocked: (who) => `${who} is blocked: something keeps its event loop, so its async requests wait.`,
  silent: (who) => `${who} says nothing any more. Its figures are from when it last did.`,
  gone: (who) => `${who} is gone. Its requests are counted still; the supervisor starts another one in its place.`,
};

/** What the workers' states give reason to say. */
export function ofWorkers(workers) {
  return workers
    .filter((worker) => WORDS[worker.state])
    .map((worker) => [`${worker.number}`, "bad", WORDS[worker.state](`Worker ${worker.number}${worker.process ? ` (pid ${worker.process})` : ""}`)]);
}
