// A stream's live picture.
import { element } from "./dom.js";
import { streamPath } from "./live.js";

const TIMEOUT_MS = 10_000;
const AFTER_FAILURE_MS = 1000;

const onScreen = new WeakMap();
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) onScreen.get(entry.target)?.(entry.isIntersecting);
});

/**
 * Shows the newest picture of a stream on a canvas, which keeps the last one while the next is on its way.
 * There is never more than one request under way: `offer` tells of a new picture, and the newest is asked for
 * when the last has come.  Pictures that cannot be seen are not asked for.
 */
export class LivePicture {
  #path;
  #canvas;
  #context;
  #offered = -1;
  #shown = -1;
  #busy = false;
  #visible = false;

  constructor(stream) {
    this.#path = streamPath(stream, "picture.jpg");
    this.#canvas = element("canvas", { className: "picture", width: 16, height: 9, role: "img" });
    this.#canvas.setAttribute("aria-label", `Live picture of ${stream}`);
    this.#context = this.#canvas.getContext("2d", { alpha: false });
    onScreen.set(this.#canvas, (visible) => {
      this.#visible = visible;
      this.#next();
    });
    observer.observe(this.#canvas);
  }

  get canvas() {
    return this.#canvas;
  }

  /** Tell that there is a picture with this number, of this size in pixels. */
  offer({ number, width, height }) {
    this.#offered = number;
    // The place is right before the first picture has come.
    if (this.#shown < 0) this.#resize(width, height);
    this.#next();
  }

  /** Give back what is held. */
  close() {
    observer.unobserve(this.#canvas);
    this.#visible = false;
  }

  async #next() {
    if (this.#busy || !this.#visible || this.#offered === this.#shown) return;
    this.#busy = true;
    const number = this.#offered;
    try {
      await this.#load(number);
      this.#shown = number;
    } catch {
      // Gone, or not decodable: the next offer may do better.  The page's connection tells of a lost server.
      await new Promise((resume) => setTimeout(resume, AFTER_FAILURE_MS));
    }
    this.#busy = false;
    if (this.#offered !== number) this.#next();
  }

  async #load(number) {
    const response = await fetch(`${this.#path}?n=${number}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`no picture: ${response.status}`);
    const bitmap = await createImageBitmap(await response.blob());
    this.#resize(bitmap.width, bitmap.height);
    this.#context.drawImage(bitmap, 0, 0);
    bitmap.close();
    this.#canvas.dataset.number = number;
  }

  // Setting a canvas's size clears it, so only where it differs.
  #resize(width, height) {
    if (this.#canvas.width === width && this.#canvas.height === height) return;
    this.#canvas.width = width;
    this.#canvas.height = height;
  }
}
