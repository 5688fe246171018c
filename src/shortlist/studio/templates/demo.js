// The feed of one user: ask, show, act, ask again. Everything shown comes from the server's public API.

import { SOURCES, card, dot, facts, make, sent, stage, title } from "/studio/drawing.js";

const at = (id) => document.getElementById(id);
const product = JSON.parse(at("product").textContent);
const asked = new URLSearchParams(location.search);
const calm = asked.has("act") || matchMedia("(prefers-reduced-motion: reduce)").matches;

const MOST_HISTORY = 8;
const MOST_TRIES = 60;

const shown = { user: "", surface: product.surfaces[0], items: [], done: new Set(), about: new Map() };

function say(text, bad = false) {
  at("said").textContent = text;
  at("said").className = bad ? "bad" : "";
}

async function call(method, path, body) {
  const headers = { "content-type": "application/json" };
  for (let tries = 0; ; tries++) {
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    const read = await answer.json();
    if (answer.ok) return read;
    const wait = Number(answer.headers.get("retry-after"));
    if (!wait || tries > MOST_TRIES) throw Object.assign(new Error(read.detail || read.title), { status: answer.status });
    say(read.detail, true); // it is starting, or busy
    await new Promise((resume) => setTimeout(resume, 1000 * wait));
  }
}

const key = (action, item) => `${action.event} ${shown.user} ${item}`;

function buttons(slot) {
  return product.actions.map((action, number) => {
    const seconds = Object.values(sent(action, slot.attributes)).find((value) => typeof value === "number");
    const button = make("button", number ? "" : "first", action.event + (seconds ? ` ${Math.round(seconds)} s` : ""));
    button.type = "button";
    button.dataset.act = `${action.event}:${slot.position - 1}`;
    button.setAttribute("aria-label", `${action.event}: ${title(slot.item, slot.attributes)}`);
    if (shown.done.has(key(action, slot.item))) button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => act(action, slot));
    return button;
  });
}

function showFeed(items, before) {
  const feed = at("feed");
  const focused = document.activeElement.dataset.act;
  const old = new Map([...feed.children].map((one) => [one.dataset.item, one.getBoundingClientRect()]));
  feed.replaceChildren(...items.map((slot) => {
    const was = before.size ? before.get(slot.item) || 0 : slot.position;
    return card(slot, was, product.attributes, buttons(slot));
  }));
  if (focused) (feed.querySelector(`[data-act="${CSS.escape(focused)}"]`) || feed).focus({ preventScroll: true });
  if (calm || !before.size) return;
  for (const one of feed.children) {
    const [from, to] = [old.get(one.dataset.item), one.getBoundingClientRect()];
    const start = from ? { transform: `translate(${from.x - to.x}px, ${from.y - to.y}px)` } : { opacity: 0 };
    one.animate([start, {}], { duration: 350, easing: "ease-out" });
  }
}

function showFunnel(answer) {
  const { stages, elapsed_ms } = answer.trace;
  const most = Math.max(1, ...stages.map((one) => Math.max(one.num_in, one.num_out)));
  at("funnel").replaceChildren(...stages.map((one) => stage(one, most)));
  at("elapsed").textContent = `${elapsed_ms.toFixed(1)} ms of ${shown.surface.p99_ms}`;
  at("release").textContent = `Release ${answer.release.slice(0, 12)}.`;
  at("degraded").hidden = !answer.degraded.length;
  at("degraded").querySelector("ul").replaceChildren(...answer.degraded.map((why) => make("li", "", why)));
}

async function orNothing(asking) {
  try {
    return await asking;
  } catch (error) {
    if (error.status !== 404) throw error;
    return { attributes: {}, history: {} };
  }
}

async function showHistory(user) {
  const known = await orNothing(call("GET", `/v1/users/${encodeURIComponent(user)}`));
  const items = (Object.values(known.history)[0] || []).slice(0, MOST_HISTORY);
  await Promise.all(items.filter((item) => !shown.about.has(item)).map(async (item) => {
    const found = await orNothing(call("GET", `/v1/items/${encodeURIComponent(item)}`));
    shown.about.set(item, found.attributes);
  }));
  const rows = items.map((item) => {
    const about = shown.about.get(item);
    const texts = facts(about, product.attributes).slice(0, 2).join(" · ");
    return make("li", "", null, make("b", "", title(item, about)), make("span", "", texts));
  });
  const texts = Object.values(known.attributes).filter((value) => typeof value === "string");
  at("whose").textContent = [user, ...texts].join(", ");
  const nothing = make("li", "faint", "Nothing yet: this is the feed that everybody gets.");
  at("history").replaceChildren(...(rows.length ? rows : [nothing]));
}

async function refresh(reason) {
  const before = new Map(shown.items.map((slot) => [slot.item, slot.position]));
  const body = { user: shown.user, trace: true, attributes: true, preview: !product.live };
  const answer = await call("POST", `/v1/surfaces/${shown.surface.name}/recommend`, body);
  shown.items = answer.items;
  for (const slot of answer.items) shown.about.set(slot.item, slot.attributes);
  showFeed(answer.items, before);
  showFunnel(answer);
  await showHistory(shown.user);
  if (!answer.items.length) return say("Nothing to show this time; press Show to ask again.", true);
  const fresh = answer.items.filter((slot) => !before.has(slot.item)).length;
  const moved = answer.items.filter((slot) => before.has(slot.item) && before.get(slot.item) !== slot.position).length;
  say(before.size ? `${reason} ${fresh} of ${answer.items.length} are new, ${moved} moved.` : reason);
}

async function working(task) {
  if (document.body.dataset.state === "busy") return;
  document.body.dataset.state = "busy";
  try {
    await task();
    document.body.dataset.state = "ready";
  } catch (error) {
    say(`${error.message || error}`, true);
    document.body.dataset.state = "failed";
  }
}

function act(action, slot) {
  return working(async () => {
    const about = { [product.user]: shown.user, [product.item]: slot.item, ...sent(action, slot.attributes) };
    await call("POST", "/v1/events", { type: action.event, ...about });
    shown.done.add(key(action, slot.item));
    await refresh(`${action.event}: “${title(slot.item, slot.attributes)}”.`);
  });
}

function look(user) {
  return working(async () => {
    Object.assign(shown, { user, items: [] });
    at("user").value = user;
    for (const button of at("users").children) button.setAttribute("aria-pressed", String(button.textContent === user));
    history.replaceState(null, "", `?${new URLSearchParams({ user })}`);
    await refresh(`The feed of ${user}.`);
  });
}

for (const user of product.users) {
  const button = make("button", "", user);
  button.type = "button";
  button.addEventListener("click", () => look(user));
  at("users").append(button);
  at("known").append(new Option(user));
}
for (const surface of product.surfaces) at("surface").append(new Option(surface.name));
at("surface").hidden = product.surfaces.length < 2;
at("surface").addEventListener("change", (event) => {
  shown.surface = product.surfaces[event.target.selectedIndex];
  look(shown.user);
});
for (const name of new Set(product.surfaces.flatMap((one) => one.sources))) {
  at("key").append(dot("li", name, make("b", "", name), ` ${SOURCES[name] || ""}`));
}
at("who").addEventListener("submit", (event) => {
  event.preventDefault();
  look(at("user").value.trim());
});
at("newcomer").addEventListener("click", () => look(`visitor-${Math.random().toString(36).slice(2, 8)}`));

await look(asked.get("user") || product.users[0] || "somebody");
// In a demo, ?act=watch:0,like:2 makes the page act by itself: a button and a place, counted from 0.
for (const wanted of ((product.live && asked.get("act")) || "").split(",").filter(Boolean)) {
  const [event, place] = wanted.split(":");
  const action = product.actions.find((one) => one.event === event);
  const slot = shown.items[Number(place)];
  if (action && slot) await act(action, slot);
}
