// The feed of one user: ask, show, act, ask again. Everything shown comes from the server's public API.
"use strict";

const product = JSON.parse(document.getElementById("product").textContent);
const asked = new URLSearchParams(location.search);
const at = (id) => document.getElementById(id);
const calm = asked.has("act") || matchMedia("(prefers-reduced-motion: reduce)").matches;

const SOURCES = {
  ItemToItem: "goes with what this person had",
  Popular: "what everybody likes now",
  Fresh: "just published",
  fallback: "nothing else was left",
};
const MOST_HISTORY = 8;

const shown = { user: "", surface: product.surfaces[0], items: [], liked: new Set(), about: new Map() };

function make(tag, name, text, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined && text !== null) element.textContent = text;
  element.append(...children);
  return element;
}

// The golden angle keeps the hues of few things far apart; each thing keeps its own.
const hues = new Map();
function hue(text) {
  if (!hues.has(text)) hues.set(text, (210 + 137.5 * hues.size) % 360);
  return hues.get(text);
}

async function call(method, path, body) {
  const headers = { "content-type": "application/json" };
  for (let tries = 0; ; tries++) {
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    const read = await answer.json();
    if (answer.ok) return read;
    const wait = Number(answer.headers.get("retry-after"));
    if (!wait || tries > 60) throw Object.assign(new Error(read.detail || read.title), { status: answer.status });
    say(read.detail, true); // it is starting, or busy
    await new Promise((resume) => setTimeout(resume, 1000 * wait));
  }
}

function say(text, bad = false) {
  at("said").textContent = text;
  at("said").className = bad ? "bad" : "";
}

const minutes = (s) => `${Math.floor(s / 60)}:${String(Math.round(s % 60)).padStart(2, "0")}`;
const title = (item, about) => (about && about.title) || item;
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

function age(time) {
  const hours = (Date.now() - Date.parse(time)) / 3.6e6;
  if (!Number.isFinite(hours)) return "";
  return hours < 1 ? "just now" : hours < 48 ? `${Math.round(hours)} h ago` : `${Math.round(hours / 24)} d ago`;
}

// What stands on an item besides its title: texts, and the age of a moment.
function facts(about) {
  return Object.entries(product.attributes).flatMap(([name, type]) => {
    const value = about[name];
    if (value === null || value === undefined || name === "title") return [];
    if (type === "str") return [value];
    if (type === "time") return [age(value)];
    return type === "bool" && value ? [name] : [];
  });
}

function sent(action, about) {
  const fields = {};
  for (const [name, rule] of Object.entries(action.fields)) {
    const whole = rule.of && about[rule.of];
    fields[name] = whole ? Math.round(rule.share * whole * 10) / 10 : rule.otherwise;
  }
  return fields;
}

function card(slot, before) {
  const about = slot.attributes || {};
  const [place, was] = [slot.position, before.get(slot.item)];
  const texts = facts(about);
  const topic = about.topic || texts[0] || "";
  const moved = !before.size || was === place ? "" : !was ? "new" : was > place ? `▲ ${was - place}` : `▼ ${place - was}`;

  const banner = make("div", "banner", null, make("span", "place", place), make("span", "", topic));
  banner.style.setProperty("--hue", hue(topic));
  if (moved) banner.append(make("span", "moved", moved));
  if (about.duration_s) banner.append(make("span", "duration", minutes(about.duration_s)));

  const why = make("p", "why");
  for (const name of slot.sources) {
    const chip = make("span", "dot", name);
    chip.title = SOURCES[name] || `source ${name}`;
    chip.style.setProperty("--source", hue(name));
    why.append(chip);
  }
  const explored = slot.propensity < 1;
  const chance = explored ? `explored, 1 in ${Math.round(1 / slot.propensity)}` : "chosen, propensity 1";
  why.append(make("span", explored ? "explored" : "", chance));

  const parts = make("div", "parts");
  for (const [label, share] of Object.entries(slot.score_parts)) {
    const bar = make("span", "bar", null, make("i"));
    bar.firstChild.style.setProperty("--share", `${Math.min(100, 100 * share)}%`);
    parts.append(make("span", "", `P(${label})`), bar, make("b", "", percent(share)));
  }

  const acts = make("div", "acts");
  product.actions.forEach((action, number) => {
    const seconds = Object.values(sent(action, about)).find((value) => typeof value === "number");
    const liked = shown.liked.has(`${action.event} ${shown.user} ${slot.item}`);
    const button = make("button", number ? "" : "first", action.event + (seconds ? ` ${Math.round(seconds)} s` : ""));
    button.type = "button";
    button.dataset.act = `${action.event}:${place - 1}`;
    button.setAttribute("aria-label", `${action.event} ${title(slot.item, about)}`);
    if (liked) button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => act(action, slot));
    acts.append(button);
  });

  const by = texts.filter((text) => text !== topic).join(" · ");
  const body = make("div", "body", null, make("h3", "", title(slot.item, about)), make("p", "by", by), why, parts, acts);
  const made = make("li", "card", null, banner, body);
  made.dataset.item = slot.item;
  return made;
}

function showFeed(items, before) {
  const feed = at("feed");
  const focused = document.activeElement.dataset ? document.activeElement.dataset.act : undefined;
  const old = new Map([...feed.children].map((one) => [one.dataset.item, one.getBoundingClientRect()]));
  feed.replaceChildren(...items.map((slot) => card(slot, before)));
  if (focused) (feed.querySelector(`[data-act="${CSS.escape(focused)}"]`) || feed).focus({ preventScroll: true });
  if (calm || !before.size) return;
  for (const one of feed.children) {
    const [from, to] = [old.get(one.dataset.item), one.getBoundingClientRect()];
    const start = from ? { transform: `translate(${from.x - to.x}px, ${from.y - to.y}px)` } : { opacity: 0 };
    one.animate([start, {}], { duration: 350, easing: "ease-out" });
  }
}

function showFunnel(answer) {
  const most = Math.max(1, ...answer.trace.stages.map((one) => Math.max(one.num_in, one.num_out)));
  at("funnel").replaceChildren(...answer.trace.stages.map((one) => {
    const bar = make("span", "bar", null, make("i"));
    bar.firstChild.style.setProperty("--share", `${(100 * one.num_out) / most}%`);
    const name = make("span", one.role === "source" ? "dot" : "", one.stage);
    name.title = one.role;
    name.style.setProperty("--source", hue(one.stage));
    const count = one.role === "source" ? one.num_out : `${one.num_in} → ${one.num_out}`;
    const row = make("li", "", null, name, make("span", "count", count), make("span", "ms", `${one.elapsed_ms.toFixed(2)} ms`), bar);
    const said = [...Object.entries(one.removed || {}).map(([why, count]) => `${count} ${why}`), one.note].filter(Boolean);
    if (said.length) row.append(make("span", "note", said.join("; ")));
    return row;
  }));
  at("elapsed").textContent = `${answer.trace.elapsed_ms.toFixed(1)} ms of ${shown.surface.p99_ms}`;
  at("release").textContent = `Release ${answer.release.slice(0, 12)}.`;
  at("degraded").hidden = !answer.degraded.length;
  at("degraded").querySelector("ul").replaceChildren(...answer.degraded.map((why) => make("li", "", why)));
}

async function showHistory(user) {
  const known = await call("GET", `/v1/users/${encodeURIComponent(user)}`).catch((error) => {
    if (error.status !== 404) throw error;
    return { attributes: {}, history: {} };
  });
  const items = (Object.values(known.history)[0] || []).slice(0, MOST_HISTORY);
  const unknown = items.filter((item) => !shown.about.has(item));
  await Promise.all([...new Set(unknown)].map(async (item) => {
    const found = await call("GET", `/v1/items/${encodeURIComponent(item)}`).catch(() => ({ attributes: {} }));
    shown.about.set(item, found.attributes);
  }));
  const rows = items.map((item) => {
    const about = shown.about.get(item);
    return make("li", "", null, make("b", "", title(item, about)), make("span", "", about.topic || facts(about)[0] || ""));
  });
  const facts_of_user = Object.values(known.attributes).filter((value) => typeof value === "string");
  at("whose").textContent = [user, ...facts_of_user].join(", ");
  at("history").replaceChildren(...(rows.length ? rows : [make("li", "faint", "Nothing yet: the feed is what everybody gets.")]));
}

async function refresh(reason) {
  const before = new Map(shown.items.map((slot) => [slot.item, slot.position]));
  const body = { user: shown.user, trace: true, attributes: true };
  const answer = await call("POST", `/v1/surfaces/${shown.surface.name}/recommend`, body);
  shown.items = answer.items;
  for (const slot of answer.items) shown.about.set(slot.item, slot.attributes);
  showFeed(answer.items, before);
  showFunnel(answer);
  await showHistory(shown.user);
  const fresh = answer.items.filter((slot) => !before.has(slot.item)).length;
  const moved = answer.items.filter((slot) => before.has(slot.item) && before.get(slot.item) !== slot.position).length;
  if (!answer.items.length) return say("Nothing to show this time; press Show to ask again.", true);
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
    for (const button of at("feed").querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
    const fields = sent(action, slot.attributes || {});
    const event = { type: action.event, [product.user]: shown.user, [product.item]: slot.item, ...fields };
    await call("POST", "/v1/events", event);
    shown.liked.add(`${action.event} ${shown.user} ${slot.item}`);
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

async function start() {
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
  at("key").append(...[...new Set(product.surfaces.flatMap((one) => one.sources))].map((name) => {
    const entry = make("li", "dot", null, make("b", "", name), ` ${SOURCES[name] || ""}`);
    entry.style.setProperty("--source", hue(name));
    return entry;
  }));
  at("who").addEventListener("submit", (event) => {
    event.preventDefault();
    look(at("user").value.trim());
  });
  at("newcomer").addEventListener("click", () => look(`visitor-${Math.random().toString(36).slice(2, 8)}`));

  await look(asked.get("user") || product.users[0] || "somebody");
  // ?act=watch:0,like:2 makes the page act by itself: button and place, counted from 0.
  for (const wanted of (asked.get("act") || "").split(",").filter(Boolean)) {
    const [event, place] = wanted.split(":");
    const action = product.actions.find((one) => one.event === event);
    const slot = shown.items[Number(place)];
    if (action && slot) await act(action, slot);
  }
}

start();
