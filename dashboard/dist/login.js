// Who has no token yet, or an old one. The token is put into the server's cookie and kept nowhere else.

import { el } from "./dom.js";

/** Draws the form into `main`; `entered` is called when the server took the token. */
export function login(main, entered) {
  const field = el("input", { id: "token", name: "token", type: "password", autocomplete: "current-password", required: true, spellcheck: "false", "aria-describedby": "token-hint wrong" });
  const wrong = el("p", { id: "wrong", class: "wrong", role: "alert" });
  const send = async (event) => {
    event.preventDefault();
    wrong.textContent = "";
    try {
      // Asked for by script, so that the token stays out of the history of the browser.
      await fetch(`login?token=${encodeURIComponent(field.value.trim())}`, { redirect: "manual" });
      const answer = await fetch("api/v1/now");
      if (answer.ok) return entered();
      wrong.textContent = answer.status === 401 ? "This is not the token." : `The server answered with status ${answer.status}.`;
    } catch {
      wrong.textContent = "The server cannot be reached.";
    }
    field.select();
  };
  main.replaceChildren(
    el(
      "section",
      { class: "sheet login", "aria-labelledby": "login" },
      el("h1", { id: "login" }, "Who is there?"),
      el("p", { class: "hint", id: "token-hint" }, "The token is in the file that ", el("code", {}, "--admin-token-file"), " names; without one, a server that is started at a terminal prints the address to open."),
      el("form", { submit: send, action: "login", method: "get" }, el("label", { for: "token" }, "Token"), field, wrong, el("button", { class: "strong" }, "Open")),
    ),
  );
  field.focus();
}
