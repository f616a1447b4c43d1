"use strict";
// The gallery: what is known of each clip is in the script of JSON; nothing is asked of anybody.
const { about, sheets, clips } = JSON.parse(document.getElementById("data").textContent);
const PAGE = 60; // cards that are made at once; the next come when their place is near the window
const SVG = "http://www.w3.org/2000/svg";
const find = (id) => document.getElementById(id);
const form = find("filters"), list = find("clips"), player = find("player");
const collator = new Intl.Collator(undefined, { numeric: true });
const kindOf = (clip) => (clip.error !== undefined ? "failed" : clip.right === undefined ? "" : clip.right ? "right" : "wrong");
const labelOf = (id) => about.labels[id];
const decimals = (score) => score.toFixed(3); // scores and margins as in tables, files and the filters
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const folderOf = (path) => path.slice(0, path.lastIndexOf("/") + 1);
// The folder that all clips are below: their names leave it out.
const common = clips.reduce((folder, { source }) => {
  while (!source.startsWith(folder)) folder = folderOf(folder.slice(0, -1));
  return folder;
}, folderOf(clips[0].source));
let shown = clips, made = 0;

function element(name, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

function drawn(name, attributes, title) {
  const shape = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
  if (title) shape.append(Object.assign(document.createElementNS(SVG, "title"), { textContent: title }));
  return shape;
}

// A sheet that lies inside the page becomes a file of the browser's, so that no card has a copy of it.
function addressOfSheet(number) {
  const address = sheets[number];
  if (!address.startsWith("data:")) return address;
  const bytes = Uint8Array.from(atob(address.slice(address.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
  return (sheets[number] = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" })));
}

function pictureOf([sheet, left, top, width, height]) {
  const frame = element("i");
  // As large as its card has room for: the part of the sheet is drawn by an SVG that crops and scales it.
  const view = drawn("svg", { viewBox: `${left} ${top} ${width} ${height}`, preserveAspectRatio: "xMidYMid slice", width: "100%", height: "100%", "aria-hidden": "true" });
  const picture = drawn("image", { href: addressOfSheet(sheet), x: 0, y: 0 });
  view.append(picture);
  frame.append(view);
  return frame;
}

function picturesOf(clip) {
  if (clip.error !== undefined) return "";
  const strip = element("div", { className: clip.address ? "pictures open" : "pictures" });
  if (clip.pictures) strip.append(...clip.pictures.map(pictureOf));
  else strip.append(element("i", { className: "none", title: "no pictures: answered by an earlier run" }));
  if (clip.address) strip.addEventListener("click", () => play(clip));
  return strip;
}

const signed = (part) => (part < 0 ? `−${(-part).toFixed(3)}` : `+${part.toFixed(3)}`);

function alongTime(frames) {
  const most = Math.max(0, ...frames.map((at) => at[2])), least = Math.min(0, ...frames.map((at) => at[2]));
  const height = most - least || 1;
  const best = frames.reduce((one, other) => (other[2] > one[2] ? other : one));
  const moment = ([frame, time]) => (time === null ? `frame ${frame}` : `${time} s`);
  const chart = drawn("svg", { class: "along", viewBox: `0 0 ${frames.length} 1`, preserveAspectRatio: "none", role: "img", "aria-label": `evidence along time, most at ${moment(best)}` });
  frames.forEach((at, number) => {
    const size = Math.abs(at[2]) / height;
    const top = at[2] > 0 ? (most - at[2]) / height : most / height;
    const name = `${moment(at)}: ${signed(at[2])}`;
    chart.append(drawn("rect", { x: number + 0.06, y: top, width: 0.88, height: size, class: at[2] < 0 ? "against" : "for" }, name));
  });
  chart.append(drawn("line", { x1: 0, x2: frames.length, y1: most / height, y2: most / height, class: "zero" }));
  return chart;
}

function byCrop(crops) {
  const most = Math.max(...crops.map((at) => Math.abs(at[1]))) || 1;
  const best = crops.reduce((one, other) => (other[1] > one[1] ? other : one));
  const chart = drawn("svg", { class: "crops", viewBox: "0 0 30 30", role: "img", "aria-label": `evidence by crop, most from ${best[0]}` });
  for (const [name, part] of crops) {
    const x = name.includes("left") ? 0 : name.includes("right") ? 20 : 10;
    const y = name.includes("top") ? 0 : name.includes("bottom") ? 20 : 10;
    chart.append(drawn("rect", { x, y, width: 10, height: 10, class: `cell ${part < 0 ? "against" : "for"}`, "fill-opacity": Math.abs(part) / most }, `${name}: ${signed(part)}`));
  }
  return chart;
}

function scoresOf(clip) {
  const rows = element("div", { className: "scores" });
  for (const [id, score] of clip.top) {
    const filled = element("b");
    filled.style.width = `${100 * score}%`;
    rows.append(element("span", { text: labelOf(id) }), element("span", { className: "bar" }, filled), element("span", { className: "figure", text: decimals(score) }));
  }
  return rows;
}

function cardOf(clip, number) {
  const kind = kindOf(clip);
  const card = element("article", { className: kind, tabIndex: -1 });
  card.dataset.number = number;
  card.append(picturesOf(clip));
  if (clip.evidence) card.append(alongTime(clip.evidence.frames));
  const folder = folderOf(clip.source), name = clip.source.slice(folder.length);
  const heading = element("h2", { title: clip.source }, element("small", { text: folder.slice(common.length) }));
  heading.append(clip.address ? element("button", { type: "button", text: name, onclick: () => play(clip) }) : name);
  card.append(heading);
  if (clip.label !== undefined) card.append(element("p", { className: clip.right ? "good" : "bad", text: `${kind}: is ${clip.label}` }));
  if (clip.error !== undefined) card.append(element("p", { className: "bad", text: clip.error }));
  else {
    card.append(element("div", { className: "answers" }, scoresOf(clip), ...(clip.evidence ? [byCrop(clip.evidence.crops)] : [])));
    card.append(element("p", {}, element("small", { text: `margin ${decimals(clip.margin)}${clip.seconds === null ? "" : ` · ${clip.seconds} s`}` })));
  }
  for (const warning of clip.warnings ?? []) card.append(element("p", { className: "warning", text: warning }));
  return card;
}

function more() {
  const next = shown.slice(made, made + PAGE);
  list.append(...next.map((clip, place) => cardOf(clip, made + place)));
  made += next.length;
}

// What is sorted by, of a clip; failures have none, and come last.
const FIGURES = { score: (clip) => clip.top[0][1], margin: (clip) => clip.margin, answer: (clip) => labelOf(clip.top[0][0]), source: (clip) => clip.source };

function ordered(found, order) {
  const name = order.replace("-", ""), figure = FIGURES[name];
  if (!figure) return found;
  const lacks = (clip) => name !== "source" && clip.error !== undefined;
  const compared = (one, other) => (typeof one === "string" ? collator.compare(one, other) : one - other);
  const turn = order.startsWith("-") ? -1 : 1;
  return found
    .map((clip, place) => ({ clip, place, value: lacks(clip) ? undefined : figure(clip) }))
    .sort((one, other) => {
      if (one.value === undefined || other.value === undefined) return (one.value === undefined) - (other.value === undefined) || one.place - other.place;
      return turn * compared(one.value, other.value) || one.place - other.place;
    })
    .map((entry) => entry.clip);
}

function wanted() {
  const { text, answer, label, kind, least, most, margin } = Object.fromEntries(new FormData(form));
  const part = text.toLowerCase(), numbers = least !== "" || most !== "" || margin !== "";
  return (clip) => {
    if (part && !clip.source.toLowerCase().includes(part)) return false;
    if (label && clip.label !== label) return false;
    if (kind === "warned" ? !clip.warnings : kind && kindOf(clip) !== kind) return false;
    if (clip.error !== undefined) return !answer && !numbers;
    const [leading, score] = clip.top[0];
    if (answer && String(leading) !== answer) return false;
    return (least === "" || score >= least) && (most === "" || score <= most) && (margin === "" || clip.margin < margin);
  };
}

function update() {
  shown = ordered(clips.filter(wanted()), form.elements.order.value);
  const failed = shown.filter((clip) => clip.error !== undefined).length;
  const judged = shown.filter((clip) => clip.right !== undefined), right = judged.filter((clip) => clip.right).length;
  const parts = [`${shown.length} of ${clips.length} clips`];
  if (judged.length) parts.push(`${right} of ${judged.length} right (${percent(right / judged.length)})`);
  if (failed) parts.push(`${failed} failed`);
  find("count").textContent = `${parts.join(" · ")}.`;
  list.replaceChildren();
  made = 0;
  more();
}

function play(clip) {
  const [video] = player.getElementsByTagName("video"), [link] = player.getElementsByTagName("a");
  find("unplayed").hidden = true;
  video.hidden = false;
  video.onerror = () => {
    find("unplayed").hidden = false;
    video.hidden = true;
  };
  link.href = video.src = clip.address;
  link.textContent = `open ${clip.source.split("/").pop()}`;
  player.showModal();
  video.play().catch(() => {}); // its own controls, or the line below it, say why
}

player.addEventListener("close", () => {
  if (player.open) return; // it comes a frame late, when the next clip may have been opened
  const [video] = player.getElementsByTagName("video");
  video.onerror = null;
  video.removeAttribute("src");
  video.load();
});

// The cards side by side in one row, by which the arrows go up and down.
function columns() {
  const [first] = list.children;
  return first ? [...list.children].findIndex((card) => card.offsetTop > first.offsetTop) : 1;
}

function go(steps) {
  const here = list.contains(document.activeElement) ? Number(document.activeElement.closest("article").dataset.number) : steps > 0 ? -steps : 0;
  const place = Math.max(0, Math.min(shown.length - 1, here + steps));
  while (place >= made && made < shown.length) more();
  list.children[place]?.focus();
}

const across = () => Math.max(1, columns() < 0 ? list.children.length : columns());
const KEYS = {
  ArrowRight: () => go(1), j: () => go(1), ArrowLeft: () => go(-1), k: () => go(-1),
  ArrowDown: () => go(across()), ArrowUp: () => go(-across()),
  Enter: () => openFocused(),
  "/": () => form.elements.text.focus(),
  0: () => form.reset(),
};

function openFocused() {
  const clip = shown[document.activeElement.dataset.number];
  if (clip.address) play(clip);
}

document.addEventListener("keydown", (event) => {
  if (player.open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const act = KEYS[event.key];
  if (!act || (event.key === "Enter" && !event.target.matches("article"))) return;
  event.preventDefault();
  act();
});

function choices(select, values) {
  for (const [value, text] of values) select.append(element("option", { value, text }));
}

find("about").textContent = [about.model, about.looked_at, about.note].filter(Boolean).join(" · ");
if (about.order) form.elements.order.querySelector(`[value="${about.order}"]`).defaultSelected = true; // "all again" means it, too
find("legend").hidden = !clips.some((clip) => clip.evidence);
const answers = new Map();
for (const clip of clips) if (clip.error === undefined) answers.set(clip.top[0][0], (answers.get(clip.top[0][0]) ?? 0) + 1);
choices(form.elements.answer, [...answers].map(([id, count]) => [id, `${labelOf(id)} (${count})`]).sort((one, other) => collator.compare(one[1], other[1])));
const labels = [...new Set(clips.map((clip) => clip.label).filter((label) => label !== undefined))].sort(collator.compare);
choices(form.elements.label, labels.map((label) => [label, label]));
for (const element of [form.elements.label.parentElement, ...form.querySelectorAll("option[hidden]")]) element.hidden = !labels.length;

form.addEventListener("input", update);
form.addEventListener("reset", () => setTimeout(update));
form.addEventListener("submit", (event) => event.preventDefault());
new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && made < shown.length && more(), { rootMargin: "1500px" }).observe(find("end"));
update();
