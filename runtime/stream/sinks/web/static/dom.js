// Making elements.  All text goes through textContent or attributes, never through markup.

/** Return a new element; `properties` are set on it, and those with a dash are set as attributes. */
export function element(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Return a new SVG element; `attributes` are set on it. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Set an element's text where it differs, so that nothing is laid out or read aloud anew for nothing. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function fill(target, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") target.setAttribute(name, value);
    else target[name] = value;
  }
  target.append(...children);
  return target;
}
