// The connection to the server: server-sent events, and what to do when they stop.

const NAMES = ["health", "prediction", "event", "picture", "dropped"];
// The server tells its health every second.
const SILENCE_MS = 5000;
const RETRY_MS = 3000;

/** Return a server's address of a stream's things: its picture or its scores. */
export const streamPath = (stream, thing) => `/api/streams/${encodeURIComponent(stream)}/${thing}`;

/** Return what the server answers to a GET of `path`, parsed; throws where it answers with an error. */
export async function getJson(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

/**
 * Keeps a connection, for as long as the page can be seen: a hidden page should cost the server nothing.
 *
 * handlers: called by the event's name with its data, parsed; and `open` after each connecting, `lost(reason)`
 * when the connection has gone.  It is tried again until it comes back.
 */
export class Live {
  #handlers;
  #source = null;
  #silence = 0;
  #retry = 0;

  constructor(handlers) {
    this.#handlers = handlers;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#end() : this.#begin()));
    if (!document.hidden) this.#begin();
  }

  #begin() {
    this.#end();
    this.#source = new EventSource("/api/live");
    this.#source.addEventListener("open", () => this.#opened());
    this.#source.addEventListener("error", () => this.#fail());
    for (const name of NAMES) {
      this.#source.addEventListener(name, (message) => this.#received(name, message.data));
    }
    this.#listen();
  }

  #end() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#silence);
    clearTimeout(this.#retry);
  }

  #opened() {
    this.#listen();
    this.#handlers.open();
  }

  #received(name, data) {
    this.#listen();
    this.#handlers[name](JSON.parse(data));
  }

  // A cable that was pulled raises no error: silence has to do.
  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#fail(), SILENCE_MS);
  }

  // EventSource tries again by itself, but not after an answer such as 503: so we always do.
  #fail() {
    this.#end();
    this.#retry = setTimeout(() => this.#begin(), RETRY_MS);
    this.#handlers.lost("The server does not answer");
    this.#explain();
  }

  async #explain() {
    const status = await fetch("/api/live", { method: "HEAD" }).then((response) => response.status, () => 0);
    if (this.#source) return; // it is being tried again already
    if (status === 401) this.#handlers.lost("The server asks for its token: open this page with /?token=… again");
    if (status === 503) this.#handlers.lost("The server serves as many browsers as it may; close another one");
  }
}
