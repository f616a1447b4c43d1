// How the outputs are: who gets the results, and who is too slow or fails.
import { element } from "./dom.js";
import { count } from "./format.js";

/** Show `sinks` in `list`. */
export function showOutputs(list, sinks) {
  list.replaceChildren(...sinks.map(output));
}

function output({ name, written, dropped, failed, error }) {
  const figures = [`${count(written)} written`];
  if (dropped) figures.push(`${count(dropped)} dropped`);
  if (failed) figures.push(`${count(failed)} failed`);
  const item = element(
    "li",
    { "data-failing": Boolean(error) },
    element("span", { className: "name", textContent: name, title: name }),
    element("span", { className: "count", textContent: figures.join(" · ") }),
  );
  if (error) item.append(element("span", { className: "error", textContent: error }));
  return item;
}
