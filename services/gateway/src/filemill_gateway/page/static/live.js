// Keeps a page as things are: when the stream of what it shows tells of a change, the page is read again and only
// what differs is put in. So there is one way to write a page, and nothing is lost when events come too fast.
import { duration } from "./common.js";

const LEAST = 400; // ms between two readings
const AGAIN = 3000; // ms before a stream that was refused is asked for again

const part = document.querySelector("[data-live]");
let source = null;
let timer = null;
let isReading = false;
let isStale = false;
let pause = LEAST;

function show(isOn) {
  for (const each of document.querySelectorAll(".live")) {
    each.dataset.shown = isOn ? "on" : "off";
    each.textContent = isOn ? each.dataset.on : each.dataset.off;
  }
}

async function read() {
  timer = null;
  if (document.hidden || isReading) {
    isStale = true;
    return;
  }
  isReading = true;
  isStale = false;
  const began = performance.now();
  const here = location.pathname + location.search;
  try {
    await htmx.ajax("GET", here, { target: `#${part.id}`, select: `#${part.id}`, swap: "outerMorph" });
  } catch {
    // the server is away: the stream says so, and comes back when it does
  }
  // A large page takes long; it is not read all the time.
  pause = Math.max(LEAST, 2 * (performance.now() - began));
  isReading = false;
  // What was asked for meanwhile by a search may have been shown before: then this was an answer to something else.
  if (isStale || here !== location.pathname + location.search) changed();
}

function changed() {
  isStale = true;
  if (timer === null && !isReading) timer = setTimeout(read, pause);
}

function follow(url, concerns, ended) {
  source?.close();
  if (document.hidden) return;
  source = new EventSource(url);
  source.addEventListener("open", () => show(true));
  source.addEventListener("snapshot", changed);
  source.addEventListener("change", (event) => {
    if (concerns(JSON.parse(event.data))) changed();
  });
  source.addEventListener("end", () => {
    changed();
    ended();
  });
  source.addEventListener("error", () => {
    show(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(begin, AGAIN);
  });
}

function begin() {
  const of = part.dataset.of;
  const concerns = (change) =>
    !of || [change.workflow?.id, change.task?.id, change.task?.workflow_id].includes(of);
  // What has ended may be run again: from then on the stream of everything tells.
  follow(part.dataset.live, () => true, () =>
    follow("/v1/events", (change) => {
      if (!concerns(change)) return false;
      setTimeout(begin, LEAST);
      return true;
    }, () => {}));
}

const shown = new WeakMap();

function tick() {
  for (const each of document.querySelectorAll("[data-ticks]")) {
    const known = shown.get(each);
    if (known?.text !== each.dataset.ticks) shown.set(each, { text: each.dataset.ticks, at: performance.now() });
    const { text, at } = shown.get(each);
    each.textContent = duration(Number(text) + (performance.now() - at) / 1000);
  }
}

const language = document.documentElement.lang;
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const calendar = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

function localise() {
  const today = new Date().toDateString();
  for (const each of document.querySelectorAll("time[datetime]")) {
    const moment = new Date(each.dateTime);
    each.title = each.dateTime;
    each.textContent = (moment.toDateString() === today ? clock : calendar).format(moment);
  }
}

document.addEventListener("htmx:before:swap", (event) => {
  const status = event.detail?.ctx?.response?.status ?? 200;
  if (status === 404 && part) location.reload(); // it was deleted
  if (status >= 400) event.preventDefault();
});
document.addEventListener("htmx:after:swap", () => {
  localise();
  tick();
  if (source) show(source.readyState === EventSource.OPEN);
});
// A browser has few connections to a server: what nobody looks at holds none. The stream begins with a snapshot,
// so what happened meanwhile is shown at once.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) source?.close();
  else if (part) begin();
});
window.addEventListener("pagehide", () => source?.close());
window.addEventListener("pageshow", (event) => {
  if (event.persisted && part) begin();
});

localise();
setInterval(tick, 100);
if (part) begin();

const address = new URL(location.href);
const isNew = document.querySelector("[data-again]") !== null;
for (const name of isNew ? ["lang", "theme"] : ["lang", "theme", "new"]) {
  address.searchParams.delete(name); // a cookie has the first two now, and what was new is here
}
if (address.href !== location.href) history.replaceState(history.state, "", address);
const again = document.querySelector("[data-again]");
if (again) setTimeout(() => location.reload(), 1000 * Number(again.dataset.again));
