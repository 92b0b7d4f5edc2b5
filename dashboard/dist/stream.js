// The connection to the server: events once a second, kept up over everything that happens to a connection.
// It knows nothing of what the events mean.

const WAITS = [1000, 2000, 4000, 8000];
// Events come once a second; whoever is silent for so long has gone without a word.
const SILENCE = 6000;

/** Calls `told` with `(state, detail)`: "news" and the object, "lost" and why, "login". */
export class Stream {
  #told;
  #seconds = 60;
  #source = null;
  #failures = 0;
  #retry = 0;
  #silence = 0;
  #paused = false;

  constructor(told) {
    this.#told = told;
    // A hidden page shows nobody anything, and a browser opens six connections to one server at most.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#open()));
    addEventListener("online", () => this.#open());
  }

  /** Follows a window of so many seconds from now on. */
  follow(seconds) {
    this.#seconds = seconds;
    this.#open();
  }

  /** Stops asking, or goes on. */
  pause(paused) {
    this.#paused = paused;
    if (paused) this.#close();
    else this.#open();
  }

  #open() {
    this.#close();
    if (this.#paused || document.hidden) return;
    const source = (this.#source = new EventSource(`api/v1/stream?seconds=${this.#seconds}`));
    source.addEventListener("now", (event) => this.#news(JSON.parse(event.data)));
    source.addEventListener("error", () => this.#lost());
    this.#listen();
  }

  #close() {
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    this.#source?.close();
    this.#source = null;
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(), SILENCE);
  }

  #news(now) {
    this.#failures = 0;
    this.#listen();
    this.#told("news", now);
  }

  // An EventSource does not say why it failed: a plain question does, and may be answered where no stream is to be had.
  async #lost() {
    this.#close();
    const wait = WAITS[Math.min(this.#failures++, WAITS.length - 1)];
    this.#retry = setTimeout(() => this.#open(), wait);
    let answer;
    try {
      answer = await fetch(`api/v1/now?seconds=${this.#seconds}`, { signal: AbortSignal.timeout(SILENCE) });
    } catch {
      return this.#told("lost", { wait, why: "" });
    }
    if (answer.status === 401) {
      this.#close();
      return this.#told("login");
    }
    const said = await answer.json().catch(() => ({}));
    if (answer.ok && said.views) this.#told("news", said);
    else this.#told("lost", { wait, why: said.error ?? `status ${answer.status}` });
  }
}
