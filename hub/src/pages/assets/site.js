// An enhancement of the pages, which work without it.
"use strict";

const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));

// Elements that need this script are hidden until it runs.
function reveal(within = document) {
  for (const element of all("button.copy, #theme, #live", within)) element.hidden = false;
}

// ---- Light and dark

function switchTheme() {
  const root = document.documentElement;
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark;
  root.dataset.theme = isDark ? "light" : "dark";
  document.cookie = `uptime_theme=${root.dataset.theme}; Path=/; Max-Age=31536000; SameSite=Lax`;
}

// ---- Copying

async function copy(button) {
  let worked = true;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    worked = copyBySelection(button.dataset.copy);
  }
  const result = worked ? document.body.dataset.copied : document.body.dataset.copyFailed;
  const before = button.dataset.text ?? button.textContent;
  button.dataset.text = before;
  button.textContent = result;
  button.classList.toggle("done", worked);
  const box = button.getBoundingClientRect();
  showTip(`${result}: ${button.dataset.copy}`, box.left + box.width / 2, box.top);
  setTimeout(() => {
    button.textContent = before;
    button.classList.remove("done");
    hideTip();
  }, 1600);
}

// For plain HTTP, where browsers offer no clipboard API.
function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const worked = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return worked;
}

// ---- The numbers of a bar

const tip = document.getElementById("tip");
const QUARTER = 15 * 60 * 1000;

function slotsOf(bar) {
  return bar.dataset.slots.split(" ").flatMap((run) => {
    const [counts, times = "1"] = run.split("x");
    const [healthy, checks = healthy] = counts.split("/").map(Number);
    return Array(Number(times)).fill({ healthy, checks });
  });
}

function showSlot(bar, nth) {
  const slots = slotsOf(bar);
  const place = Math.max(0, Math.min(slots.length - 1, nth));
  const { healthy, checks } = slots[place];
  const around = bar.closest("[data-newest]");
  const begin = new Date(Number(around.dataset.newest) - (slots.length - 1 - place) * QUARTER);
  // In UTC, like the charts and tables of the page.
  const time = (date) => date.toISOString().slice(11, 16);
  const share = checks ? `${healthy} / ${checks} ${around.dataset.checks} (${floor(100 * healthy / checks)}%)` : around.dataset.none;
  const box = bar.getBoundingClientRect();
  showTip(`${time(begin)}–${time(new Date(begin.getTime() + QUARTER))} UTC · ${share}`, box.left + (place + 0.5) / slots.length * box.width, box.top);
  bar.dataset.at = place;
}

const floor = (percent) => Math.floor(percent * 10) / 10;

function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.max(6, Math.min(innerWidth - box.width - 6, x - box.width / 2));
  const top = y - box.height - 8 < 0 ? y + 30 : y - box.height - 8;
  tip.style.setProperty("left", `${left}px`);
  tip.style.setProperty("top", `${top}px`);
}

function hideTip() {
  tip.hidden = true;
}

document.addEventListener("pointermove", (event) => {
  const bar = event.target.closest?.(".bar[data-slots]");
  if (bar) {
    const box = bar.getBoundingClientRect();
    showSlot(bar, Math.floor((event.clientX - box.left) / box.width * 96));
  } else if (!tip.hidden && !document.activeElement?.matches?.(".bar") && !document.querySelector("button.done")) {
    hideTip();
  }
});
document.addEventListener("focusin", (event) => {
  const bar = event.target.closest?.(".bar[data-slots]");
  if (bar) showSlot(bar, Number(bar.dataset.at ?? 95));
});
document.addEventListener("focusout", (event) => {
  if (event.target.matches?.(".bar")) hideTip();
});
document.addEventListener("keydown", (event) => {
  const bar = event.target.closest?.(".bar[data-slots]");
  if (event.key === "Escape") hideTip();
  if (!bar) return;
  const at = Number(bar.dataset.at ?? 95);
  const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: 95, PageUp: at - 4, PageDown: at + 4 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  showSlot(bar, next);
});

// ---- Updates in place

// Makes `old` equal to `fresh` and changes only differing nodes, so that focus, scroll position and open details stay.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE || old.id === "filters" || old.isEqualNode(fresh)) return;
  // Attributes that this script or the reader has set.
  const own = (name, element) =>
    (name === "hidden" && element.matches("button, #tip")) || (name === "open" && element.matches("details")) ||
    (name === "aria-pressed" && element.id === "live") || name === "data-at" || name === "data-text";
  for (const { name } of Array.from(old.attributes)) {
    if (!fresh.hasAttribute(name) && !own(name, old)) old.removeAttribute(name);
  }
  for (const { name, value } of Array.from(fresh.attributes)) {
    if (!own(name, old) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const known = new Map(all(":scope > [id]", old).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const next of Array.from(fresh.childNodes)) {
    const same = next.id ? known.get(next.id) : undefined;
    if (same) {
      if (same !== place) old.insertBefore(same, place);
      else place = place.nextSibling;
      morph(same, next);
    } else if (place && !place.id && !next.id && place.nodeName === next.nodeName) {
      const current = place;
      place = place.nextSibling;
      morph(current, next);
    } else {
      old.insertBefore(next, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

let refreshing = false;
let again = false;

// The version of the page that is shown.
let shown;

async function show(address) {
  const response = await fetch(address, { headers: { accept: "text/html" } });
  // The page of a deleted node is a 404 to show. Other failures are temporary: the page stays as it is.
  if (!response.ok && response.status !== 404) throw new Error(`status ${response.status}`);
  const tag = response.headers.get("etag");
  const version = tag && `${tag} ${address}`;
  if (version && version === shown) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  shown = version;
  reveal(fresh);
  morph(document.getElementById("content"), fresh.getElementById("content"));
  document.title = fresh.title;
}

async function refresh() {
  if (refreshing) {
    again = true;
    return;
  }
  refreshing = true;
  try {
    do {
      again = false;
      await show(location.href);
    } while (again);
  } catch {
    // The hub is not reachable; the next event or the next interval tries again.
  } finally {
    refreshing = false;
  }
}

// ---- News of the hub

let source;
let worker;
let polling;
let pending;

// The hub says in how much time all open pages load the news, so that they do not ask all at once.
function news({ within, refused }) {
  if (refused) {
    // Too many pages listen.
    clearInterval(polling);
    polling = setInterval(refresh, 60000);
  } else {
    pending ??= setTimeout(() => {
      pending = undefined;
      refresh();
    }, Math.random() * within);
  }
}

const isLive = () => document.getElementById("live")?.getAttribute("aria-pressed") === "true" && !document.hidden;

// One connection for all pages of this browser, where it has shared workers.
function listenTogether(wanted) {
  if (!worker && !wanted) return;
  if (!worker) {
    worker = new SharedWorker(document.body.dataset.live).port;
    worker.onmessage = ({ data }) => news(data);
  }
  worker.postMessage(wanted ? "listen" : "leave");
}

function listenAlone(wanted) {
  source?.close();
  source = undefined;
  if (!wanted) return;
  source = new EventSource("/live");
  for (const name of ["change", "figures"]) source.addEventListener(name, (event) => news(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    if (source?.readyState === EventSource.CLOSED) news({ refused: true });
  });
}

function listen(wanted = isLive()) {
  clearInterval(polling);
  if (!wanted) {
    clearTimeout(pending);
    pending = undefined;
  }
  if (typeof SharedWorker === "function") listenTogether(wanted);
  else listenAlone(wanted);
}

document.addEventListener("visibilitychange", () => {
  if (isLive()) refresh();
  listen();
});
addEventListener("pagehide", () => listen(false));
addEventListener("pageshow", (event) => {
  if (event.persisted) listen();
});

// ---- Filters

function addressOf(form) {
  const query = new URLSearchParams(Array.from(new FormData(form)).filter(([, value]) => value !== ""));
  return form.getAttribute("action") + (query.size ? `?${query}` : "");
}

async function filter(form) {
  const address = addressOf(form);
  history.replaceState(null, "", address);
  await refresh();
  // The language links keep the filters.
  for (const link of all(".languages a")) {
    const query = new URLSearchParams(location.search);
    query.set("lang", link.hreflang.slice(0, 2));
    link.href = `${location.pathname}?${query}`;
  }
}

let typing;
// On the document, because an update may replace the form.
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("#filters");
  if (form && event.target.name !== "search") filter(form);
});
document.addEventListener("input", (event) => {
  const form = event.target.closest?.("#filters");
  if (!form || event.target.name !== "search") return;
  clearTimeout(typing);
  typing = setTimeout(() => filter(form), 250);
});

// ---- Submitting a node

// Posts the form and shows the response in place, so that the reader need not enter a secret twice.
const submission = document.getElementById("submission");
submission?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const isTest = event.submitter?.value === "test";
  if (isTest && !submission.elements.host.reportValidity()) return;
  const buttons = all("button", submission);
  const body = new URLSearchParams(new FormData(submission));
  body.set("step", isTest ? "test" : "send");
  buttons.forEach((button) => { button.disabled = true; });
  if (isTest) showOutcome("", submission.dataset.testing);
  try {
    const response = await fetch(submission.action, { method: "POST", headers: { accept: "text/html" }, body });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    morph(submission, page.getElementById("submission"));
    all("#network_secret-note:not(.problem)", submission).forEach((note) => note.remove());
    if (submission.querySelector("[data-done]")) submission.reset();
  } catch {
    showOutcome("bad", submission.dataset.failed);
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
});

function showOutcome(kind, text) {
  const outcome = document.getElementById("outcome");
  const strong = document.createElement("strong");
  strong.textContent = text;
  const paragraph = document.createElement("p");
  paragraph.append(strong);
  outcome.className = `outcome ${kind}`;
  outcome.replaceChildren(paragraph);
}

// ---- Buttons

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (!button) return;
  if (button.dataset.copy !== undefined) copy(button);
  if (button.id === "theme") switchTheme();
  if (button.id === "live") {
    const wasLive = button.getAttribute("aria-pressed") === "true";
    button.setAttribute("aria-pressed", String(!wasLive));
    if (!wasLive) refresh();
    listen();
  }
});

reveal();
listen();
