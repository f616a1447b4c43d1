// Puts the page together: what the server tells goes to the cards, the list of events and the header.
import { Card } from "./card.js";
import { setText } from "./dom.js";
import { EventList } from "./events.js";
import { Live, getJson } from "./live.js";
import { showOutputs } from "./outputs.js";

const byId = (id) => document.getElementById(id);

const cards = new Map();
const ids = new Map();
let dropped = 0;

// A stream's name may hold anything; the id of its card is a number.
function cardId(stream) {
  if (!ids.has(stream)) ids.set(stream, `stream-${ids.size}`);
  return ids.get(stream);
}

const events = new EventList({
  list: byId("events"),
  placeholder: byId("no-events"),
  news: byId("news"),
  anchor: (stream) => (cards.has(stream) ? `#${cardId(stream)}` : "#streams"),
});

function showHealth({ streams, sinks, wall_time: now }) {
  keepCards(streams.map(({ name }) => name));
  for (const health of streams) cards.get(health.name).showHealth(health, now, events.of(health.name));
  events.draw(now);
  showOutputs(byId("outputs"), sinks);
  showSummary(streams);
}

function showEvent(event) {
  events.add(event);
  cards.get(event.stream)?.showEvent(event);
}

function keepCards(names) {
  for (const [name, card] of cards) {
    if (names.includes(name)) continue;
    card.close();
    cards.delete(name);
    ids.delete(name);
  }
  for (const name of names.filter((name) => !cards.has(name))) {
    cards.set(name, new Card(name, cardId(name)));
    byId("streams").append(cards.get(name).root);
  }
  byId("nothing").hidden = cards.size > 0;
  byId("streams").dataset.alone = cards.size === 1;
}

function showSummary(streams) {
  const number = (...states) => streams.filter(({ state }) => states.includes(state)).length;
  const parts = [
    [streams.length, streams.length === 1 ? "stream" : "streams"],
    [number("live"), "live"],
    [number("damaged"), "damaged"],
    [number("frozen"), "frozen"],
    [number("retrying"), "retrying"],
    [number("ended"), "ended"],
    [number("failed"), "failed"],
    [dropped, "updates skipped by this browser"],
  ];
  setText(byId("summary"), parts.filter(([count]) => count > 0).map((part) => part.join(" ")).join(" · "));
}

function showConnection(state, text, alert = "") {
  document.body.dataset.connection = state;
  byId("connection").dataset.state = state;
  setText(byId("connection").lastElementChild, text);
  byId("lost").hidden = !alert;
  setText(byId("lost"), alert);
}

async function opened() {
  showConnection("open", "Connected");
  for (const card of cards.values()) card.remember();
  events.clear();
  try {
    events.precede(await getJson("/api/events"));
  } catch {
    // The list then begins now.
  }
}

new Live({
  open: opened,
  lost: (reason) => showConnection("lost", "Disconnected", `${reason}. What you see is old; trying again …`),
  health: showHealth,
  prediction: (prediction) => cards.get(prediction.stream)?.showPrediction(prediction),
  event: showEvent,
  picture: (picture) => cards.get(picture.stream)?.showPicture(picture),
  dropped: ({ total }) => (dropped = total),
});
