// One stream: its picture, what it shows, its scores over time, and how it is.
import { Chart } from "./chart.js";
import { element, setText } from "./dom.js";
import { count, duration, milliseconds, percent } from "./format.js";
import { getJson, streamPath } from "./live.js";
import { LivePicture } from "./picture.js";
import { Scores } from "./scores.js";

const STATES = {
  waiting: "Waiting",
  connecting: "Connecting",
  live: "Live",
  damaged: "Damaged",
  frozen: "Frozen",
  retrying: "Retrying",
  ended: "Ended",
  failed: "Failed",
};
// Why there is no moving picture, where the stream gives no reason itself.
const REASONS = {
  waiting: "It is not its turn yet",
  connecting: "Opening the source",
  damaged: "Nearly all pictures come out damaged",
  frozen: "The picture does not change",
  retrying: "The source is opened again after a pause",
  ended: "The source has ended",
  failed: "The stream was given up",
};

/** A stream's card.  id: for links to it. */
export class Card {
  #scores = new Scores();
  #chart = new Chart(this.#scores);
  #stream;
  #picture;
  #parts;
  #root;
  #active = [];

  constructor(stream, id) {
    this.#stream = stream;
    this.#picture = new LivePicture(stream);
    this.#parts = makeParts(stream);
    this.#root = arrange(this.#parts, this.#picture.canvas, this.#chart.root, id);
    this.remember();
  }

  get root() {
    return this.#root;
  }

  /** Fetch the scores of the last minutes, which the server remembers. */
  async remember() {
    try {
      this.#scores.remember(await getJson(streamPath(this.#stream, "scores")));
    } catch {
      // The chart then begins now.
    }
  }

  /** Tell that there is a new picture. */
  showPicture(picture) {
    this.#picture.offer(picture);
  }

  /** Show a prediction. */
  showPrediction(prediction) {
    this.#scores.add(prediction);
    this.#showTop(prediction);
  }

  /** Show an event that began, or one that ended no longer: with the scores that decided it, not up to a second later. */
  showEvent(event) {
    const { number, session, phase, start_wall_time: start, end_wall_time: end } = event;
    const others = this.#active.filter((other) => other.number !== number || other.session !== session);
    this.#showActive(phase === "started" ? [...others, event] : others, end ?? start);
  }

  /** Show how the stream is at the server's time `now`; events: those of this stream, for the chart. */
  showHealth(health, now, events) {
    const { badge, reason, source } = this.#parts;
    this.#root.dataset.state = health.state;
    setText(badge, STATES[health.state] ?? health.state);
    setText(source, health.source);
    source.title = health.source;
    setText(reason, health.state === "live" ? "" : explanation(health, now));
    if (health.last) this.#showTop(health.last);
    this.#showActive(health.active, now);
    this.#showFigures(health);
    this.#chart.draw(now, events);
  }

  /** Give back what is held. */
  close() {
    this.#picture.close();
    this.#root.remove();
  }

  #showTop({ top, warming_up, stale }) {
    const { label, score, bar, others, remark } = this.#parts;
    setText(label, top[0]?.label ?? "");
    setText(score, top.length ? percent(top[0].score) : "");
    bar.dataset.colour = top.length ? this.#scores.colour(top[0].class_id) : -1;
    bar.style.setProperty("--score", top[0]?.score ?? 0);
    setText(remark, stale ? "late" : warming_up ? "warming up" : "");
    others.replaceChildren(...top.slice(1).map((entry) => this.#otherClass(entry)));
  }

  #otherClass({ class_id, label, score }) {
    const bar = element("span", { className: "meter", "data-colour": this.#scores.colour(class_id) });
    bar.style.setProperty("--score", score ?? 0);
    const name = element("span", { className: "name", textContent: label, title: label });
    return element("li", {}, name, bar, element("span", { className: "score", textContent: percent(score) }));
  }

  #showActive(active, now) {
    this.#active = active;
    this.#root.dataset.active = active.length > 0;
    const pills = active.map((event) => {
      const text = `${event.label} · ${duration(now - event.start_wall_time)}`;
      return element("li", { textContent: text, "data-colour": this.#scores.colour(event.class_id) });
    });
    this.#parts.active.replaceChildren(...pills);
  }

  #showFigures(health) {
    const { fps, latency, dropped, reconnects } = this.#parts.figures;
    const total = health.latency_ms.total;
    setText(fps, ["live", "damaged", "frozen"].includes(health.state) ? health.fps.toFixed(1) : "–");
    setText(latency, total ? `${milliseconds(total.p50)} / ${milliseconds(total.p99)}` : "–");
    setText(dropped, count(health.dropped));
    setText(reconnects, count(health.reconnects));
    dropped.title = `${health.dropped} of ${health.sampled} sampled frames; ${health.decode_errors} decode errors`;
    setText(this.#parts.size, health.width ? `${health.width} × ${health.height}` : "");
  }
}

function explanation(health, now) {
  const why = health.detail || REASONS[health.state] || "";
  return health.since ? `${why} (for ${duration(now - health.since)})` : why;
}

function makeParts(stream) {
  const part = (tag, className) => element(tag, { className });
  return {
    name: element("h2", { textContent: stream, title: stream }),
    source: part("p", "source"),
    badge: part("span", "badge"),
    reason: part("p", "reason"),
    active: part("ul", "active"),
    size: part("span", "size"),
    label: part("span", "label"),
    remark: part("span", "remark"),
    score: part("span", "score"),
    bar: element("div", { className: "meter", "aria-hidden": "true" }),
    others: part("ol", "others"),
    figures: Object.fromEntries(
      ["fps", "latency", "dropped", "reconnects"].map((name) => [name, element("dd", { textContent: "–" })]),
    ),
  };
}

function arrange(parts, canvas, chart, id) {
  parts.name.id = `${id}-name`;
  const head = element("header", {}, element("div", {}, parts.name, parts.source), parts.badge);
  const screen = element("div", { className: "screen" }, canvas, parts.reason, parts.active, parts.size);
  const leader = element("p", { className: "leader" }, parts.label, parts.remark, parts.score);
  const shows = element("div", { className: "shows" }, leader, parts.bar, parts.others);
  const details = element("div", { className: "details" }, shows, chart, figureList(parts.figures));
  const body = element("div", { className: "body" }, screen, details);
  const card = element("article", { className: "card", id, tabIndex: -1 }, head, body);
  card.setAttribute("aria-labelledby", parts.name.id);
  return card;
}

function figureList({ fps, latency, dropped, reconnects }) {
  const figure = (term, value, title) => element("div", { title }, element("dt", { textContent: term }), value);
  return element(
    "dl",
    { className: "figures" },
    figure("fps", fps, "Frames decoded a second"),
    figure("latency p50 / p99", latency, "From capture to prediction: half, and 99 of 100 predictions are faster"),
    figure("dropped", dropped, "Sampled frames that overload discarded"),
    figure("reconnects", reconnects, "Times that the source was opened again"),
  );
}
