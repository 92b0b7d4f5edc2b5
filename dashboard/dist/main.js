// Where the page begins: the connection, the address, the keys, and which page is shown.

import { say } from "./dom.js";
import { findings } from "./findings.js";
import * as found from "./found.js";
import { live } from "./live.js";
import { login } from "./login.js";
import { notify, ofWorkers } from "./notices.js";
import { clock, age } from "./numbers.js";
import { ofView, read } from "./pages.js";
import { request } from "./request.js";
import { slow } from "./slow.js";
import { Stream } from "./stream.js";
import * as theme from "./theme.js";
import * as tip from "./tip.js";
import { view } from "./view.js";

const main = document.getElementById("main");
const pulse = document.getElementById("pulse");
const pause = document.getElementById("pause");
const stream = new Stream(told);
const LOGIN = "Log in";
const toLogin = () => told("login");
const PAGES = {
  live: () => live(main, { seconds, from, follow, open: (name) => (location.hash = ofView(name)) }),
  view: (name) => view(main, name, { back, login: toLogin }),
  slow: (name) => slow(main, name, { back, login: toLogin }),
  request: (id) => request(main, id, { back: () => (location.hash = "#/slow"), login: toLogin }),
  findings: () => findings(main, { back }),
};
let [page, latest, seconds, paused, from] = [null, null, 60, false, null];

found.start({ badge: document.getElementById("found"), login: toLogin });
theme.start(document.getElementById("theme"), () => page?.redraw());
document.getElementById("skip").addEventListener("click", skip);
pause.addEventListener("click", () => setPaused(!paused));
addEventListener("hashchange", () => route(true));
addEventListener("keydown", key);
addEventListener("scroll", tip.hide, { passive: true });
route(false);
stream.follow(seconds);

/** Draws the page that the address names. */
function route(moved) {
  tip.hide();
  page?.close();
  const { page: kind, name } = read(location.hash);
  page = PAGES[kind](name);
  from = kind === "view" ? name : null;
  for (const link of document.querySelectorAll(".pages a")) {
    if (link.dataset.page === kind) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${page.title} · turnout`;
  if (latest) page.news(latest);
  if (moved) {
    scrollTo(0, 0);
    if (!main.contains(document.activeElement)) main.focus({ preventScroll: true });
  }
}

function back() {
  location.hash = "#/";
}

function follow(chosen) {
  seconds = chosen;
  setPaused(false);
  stream.follow(seconds);
}

/** What the connection tells. */
function told(state, detail) {
  if (state === "login") return enter();
  if (state === "news" && !paused) {
    latest = detail;
    mood("live", "Live");
    notify("connection", []);
    notify("worker", ofWorkers(latest.workers));
    say(document.getElementById("server"), `${latest.server.title}, runs for ${age(latest.time - latest.server.started)}`);
    page.news(latest);
    found.news();
  } else if (state === "lost") {
    mood("lost", "Not connected");
    const since = latest ? ` What is shown is from ${clock(latest.time)}.` : "";
    const why = detail.why ? `The server says: ${detail.why}.` : "The connection to the server is lost.";
    notify("connection", [["lost", "bad", `${why}${since} Trying again.`]]);
  }
}

function enter() {
  // Several questions may be refused: whoever types already goes on.
  if (page.title === LOGIN) return;
  page.close();
  page = { title: LOGIN, news() {}, key: () => false, redraw() {}, close() {} };
  mood("wait", "Not logged in");
  notify("connection", []);
  notify("worker", []);
  login(main, () => {
    route(true);
    stream.follow(seconds);
  });
}

function mood(state, text) {
  if (paused) return;
  pulse.dataset.state = state;
  say(document.getElementById("pulse-text"), text);
}

function setPaused(wanted) {
  if (wanted === paused) return;
  paused = false;
  mood("wait", wanted ? "Paused" : "Connecting");
  paused = wanted;
  pause.setAttribute("aria-pressed", String(paused));
  stream.pause(paused);
}

function key(event) {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Escape" && tip.hide()) return;
  const typing = event.target instanceof HTMLInputElement && event.target.type !== "radio";
  if (typing) return;
  if (page.key(event)) event.preventDefault();
  else if (event.key === "p") setPaused(!paused);
}

function skip(event) {
  // The address is the page's own: a fragment would be taken for one.
  event.preventDefault();
  main.focus();
}
