// A chart of scores over the last minutes: lines in SVG, so that the theme's colours apply.
import { element, svg } from "./dom.js";
import { SPAN_S } from "./scores.js";

const WIDTH = 600;
const HEIGHT = 100;
// A line is not drawn across a hole of so many seconds, nor from one connection of the source to the next.
const HOLE_S = 15;

/** Draws `scores` (a Scores) and the times of events. */
export class Chart {
  #scores;
  #drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  #legend = element("ul", { className: "legend" });
  #root;

  constructor(scores) {
    this.#scores = scores;
    const scale = element("p", { className: "scale", textContent: "100 %", "aria-hidden": "true" });
    const axis = element("p", { className: "axis", "aria-hidden": "true" });
    axis.append(element("span", { textContent: `${SPAN_S / 60} min ago` }), element("span", { textContent: "now" }));
    this.#root = element("figure", { className: "chart" }, scale, this.#drawing, axis, this.#legend);
    this.#root.setAttribute("aria-label", `Scores of the leading classes over the last ${SPAN_S / 60} minutes`);
  }

  get root() {
    return this.#root;
  }

  /** Draw anew.  now: Unix time of the right edge; events: those of this stream. */
  draw(now, events) {
    const x = (time) => WIDTH * (1 - (now - time) / SPAN_S);
    const bands = events.map((event) => this.#band(event, now, x)).filter((band) => band !== null);
    const lines = this.#scores.leading.map(({ classId, colour }) =>
      svg("path", { d: this.#line(classId, x), class: "line", "data-colour": colour }),
    );
    this.#drawing.replaceChildren(...grid(), ...bands, ...lines);
    this.#legend.replaceChildren(...this.#scores.leading.map((entry) => this.#legendEntry(entry)));
  }

  #line(classId, x) {
    let previous = null;
    const steps = this.#scores.points.map((point) => {
      const joined = previous && previous.session === point.session && point.time - previous.time < HOLE_S;
      previous = point;
      const y = HEIGHT * (1 - (point.scores.get(classId) ?? point.others));
      return `${joined ? "L" : "M"}${x(point.time).toFixed(1)} ${y.toFixed(1)}`;
    });
    return steps.join("");
  }

  #band(event, now, x) {
    const left = Math.max(0, x(event.start_wall_time));
    const right = Math.min(WIDTH, x(event.end_wall_time ?? now));
    if (right <= 0) return null;
    const width = Math.max(1, right - left).toFixed(1);
    const colour = this.#scores.colour(event.class_id);
    return svg("rect", { x: left.toFixed(1), y: 0, width, height: HEIGHT, class: "band", "data-colour": colour });
  }

  #legendEntry({ classId, colour }) {
    const swatch = element("i", { "data-colour": colour, "aria-hidden": "true" });
    const label = this.#scores.label(classId);
    return element("li", { title: label }, swatch, element("span", { textContent: label }));
  }
}

function grid() {
  return [0, 0.5, 1].map((score) => {
    const y = HEIGHT * (1 - score);
    return svg("line", { x1: 0, x2: WIDTH, y1: y, y2: y, class: "grid" });
  });
}
