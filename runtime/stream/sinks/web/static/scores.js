// The scores of one stream's classes over the last minutes, and the colours of its leading classes.

export const SPAN_S = 180;
export const COLOURS = 4;
// More than a chart can show apart; the server sends no more of the past either.
const POINTS = 600;
const SPACING_S = 0.3;

/**
 * A bounded series of points {time, session, scores, others}.
 *
 * scores: Map of the leading classes' numbers to their scores; others: the most that any other class can have.
 */
export class Scores {
  #points = [];
  #labels = new Map();
  // The class number of each colour, or null: a class keeps its colour for as long as it is among the leading.
  #slots = new Array(COLOURS).fill(null);

  get points() {
    return this.#points;
  }

  label(classId) {
    return this.#labels.get(classId) ?? "";
  }

  /** Put what the server remembers, {labels, points}, in the place of all that is not newer. */
  remember({ labels, points }) {
    for (const [classId, label] of Object.entries(labels)) this.#labels.set(Number(classId), label);
    const known = points.map(([time, session, top]) => makePoint(time, session, top));
    const newest = known.at(-1)?.time ?? -Infinity;
    this.#points = [...known, ...this.#points.filter(({ time }) => time > newest)].slice(-POINTS);
    this.#assignColours();
  }

  /** Add a prediction; one that follows too closely is left out. */
  add(prediction) {
    const time = prediction.wall_time;
    const since = time - (this.#points.at(-1)?.time ?? -Infinity);
    if (since >= 0 && since < SPACING_S) return;
    for (const { class_id, label } of prediction.top) this.#labels.set(class_id, label);
    const top = prediction.top.map(({ class_id, score }) => [class_id, score]);
    this.#points.push(makePoint(time, prediction.session, top));
    this.#forget(time - SPAN_S);
    this.#assignColours();
  }

  /** Return the number of a class's colour, from 0; -1 where it has none. */
  colour(classId) {
    return this.#slots.indexOf(classId);
  }

  /** Return the classes that have a colour: {classId, colour} each. */
  get leading() {
    return this.#slots.map((classId, colour) => ({ classId, colour })).filter(({ classId }) => classId !== null);
  }

  #forget(before) {
    const first = this.#points.findIndex(({ time }) => time >= before);
    this.#points.splice(0, Math.max(first, this.#points.length - POINTS, 0));
    const shown = new Set(this.#points.flatMap(({ scores }) => [...scores.keys()]));
    for (const classId of this.#labels.keys()) if (!shown.has(classId)) this.#labels.delete(classId);
  }

  #assignColours() {
    const leading = this.#strongest();
    this.#slots = this.#slots.map((classId) => (leading.has(classId) ? classId : null));
    for (const classId of leading) {
      if (!this.#slots.includes(classId)) this.#slots[this.#slots.indexOf(null)] = classId;
    }
  }

  // Those with the largest area under their line.
  #strongest() {
    const sums = new Map();
    for (const { scores } of this.#points) {
      for (const [classId, score] of scores) sums.set(classId, (sums.get(classId) ?? 0) + score);
    }
    const order = [...sums.keys()].sort((a, b) => sums.get(b) - sums.get(a) || a - b);
    return new Set(order.slice(0, COLOURS));
  }
}

// All scores add up to 1, and none that was not told is greater than the least that was.
function makePoint(time, session, top) {
  const told = top.map(([, score]) => score);
  const rest = 1 - told.reduce((sum, score) => sum + score, 0);
  return { time, session, scores: new Map(top), others: Math.max(0, Math.min(rest, ...told)) };
}
