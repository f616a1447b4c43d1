// The list of events across all streams, newest first.
import { element, setText } from "./dom.js";
import { duration, percent, timeOfDay } from "./format.js";

const EVENTS = 100;

const key = (event) => `${event.number} ${event.session} ${event.stream}`;

/** Shows events in `list`, `placeholder` while there are none, and reads out in `news` what begins. */
export class EventList {
  #list;
  #placeholder;
  #news;
  #events = new Map();
  #anchor;

  /** anchor: returns the address of a stream's card on this page. */
  constructor({ list, placeholder, news, anchor }) {
    this.#list = list;
    this.#placeholder = placeholder;
    this.#news = news;
    this.#anchor = anchor;
  }

  /** Forget all: another server may count its events from 0 again. */
  clear() {
    this.#events.clear();
  }

  /** Put `events`, newest first, before those that came since `clear`. */
  precede(events) {
    const earlier = events.slice(0, EVENTS - this.#events.size).reverse();
    this.#events = new Map([...earlier.map((event) => [key(event), event]), ...this.#events]);
  }

  /** Add an event that began, or has ended. */
  add(event) {
    this.#events.set(key(event), event);
    if (this.#events.size > EVENTS) this.#events.delete(this.#events.keys().next().value);
    if (event.phase === "started") setText(this.#news, `${event.label} on ${event.stream}`);
  }

  /** Return the events of `stream`. */
  of(stream) {
    return [...this.#events.values()].filter((event) => event.stream === stream);
  }

  /** Draw anew, at the server's time `now`. */
  draw(now) {
    this.#placeholder.hidden = this.#events.size > 0;
    const newestFirst = [...this.#events.values()].reverse();
    while (this.#list.children.length > newestFirst.length) this.#list.lastElementChild.remove();
    newestFirst.forEach((event, index) => {
      const item = this.#list.children[index] ?? this.#list.appendChild(makeItem());
      showEvent(item, event, now, this.#anchor(event.stream));
    });
  }
}

// Items are filled anew rather than replaced, so that a link keeps the reader's focus.
function makeItem() {
  const part = (name) => element("span", { className: name });
  return element("li", {}, element("a", {}, part("label"), part("peak"), part("where"), part("when")));
}

function showEvent(item, event, now, address) {
  const running = event.end_wall_time === null;
  const seconds = (event.end_wall_time ?? now) - event.start_wall_time;
  const link = item.firstElementChild;
  const [label, peak, where, when] = link.children;
  item.dataset.running = running;
  if (link.getAttribute("href") !== address) link.href = address;
  link.title = `${event.predictions} predictions, mean score ${percent(event.mean_score)}`;
  setText(label, event.label);
  setText(peak, `peak ${percent(event.peak_score)} · mean ${percent(event.mean_score)}`);
  setText(where, event.stream);
  setText(when, `${timeOfDay(event.start_wall_time)} · ${running ? "for " : ""}${duration(seconds)}`);
}
