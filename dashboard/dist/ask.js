// A question to the server that is asked again while its page is open. Answers may overtake one another: the last question's is shown.

import { notify } from "./notices.js";

/**
 * Asks for what `url()` says now, and again when `news()` comes and so many milliseconds have passed. `show(answer)`, `missing()` (404) and `login()` (401)
 * take what comes; `old`, if it is given, is said under that subject when nothing does.
 */
export function asking({ url, every, show, missing, login, subject, old }) {
  let [asked, at, open] = [0, 0, true];

  async function ask() {
    at = performance.now();
    const mine = ++asked;
    try {
      const answer = await fetch(url(), { signal: AbortSignal.timeout(Math.min(every, 10_000)) });
      if (!open || mine !== asked) return;
      if (answer.status === 401) return login();
      if (answer.status === 404) return missing();
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const told = await answer.json();
      if (!open || mine !== asked) return;
      show(told);
      notify(subject, []);
    } catch {
      if (old && open && mine === asked) notify(subject, [["old", "", old]]);
    }
  }

  ask();
  return {
    ask,
    news: () => performance.now() - at >= every && ask(),
    close() {
      open = false;
      notify(subject, []);
    },
  };
}
