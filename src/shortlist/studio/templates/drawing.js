// What things look like: elements out of the server's answers. Nothing here asks or remembers.

export const SOURCES = {
  ItemToItem: "goes with what this person had",
  Popular: "what everybody likes now",
  Fresh: "just published",
  fallback: "nothing else was left",
};

export function make(tag, name, text, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined && text !== null) element.textContent = text;
  element.append(...children);
  return element;
}

// The golden angle keeps the hues of few things far apart; each thing keeps its own.
const hues = new Map();
export function hue(text) {
  if (!hues.has(text)) hues.set(text, (210 + 137.5 * hues.size) % 360);
  return hues.get(text);
}

export function dot(tag, name, ...children) {
  const element = make(tag, "dot", null, ...children);
  element.style.setProperty("--source", hue(name));
  return element;
}

export function bar(share) {
  const element = make("span", "bar", null, make("i"));
  element.firstChild.style.setProperty("--share", `${Math.min(100, 100 * share)}%`);
  return element;
}

const minutes = (s) => `${Math.floor(s / 60)}:${String(Math.round(s % 60)).padStart(2, "0")}`;
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

export const title = (item, about) => (about && about.title) || item;

function age(time) {
  const hours = (Date.now() - Date.parse(time)) / 3.6e6;
  if (!Number.isFinite(hours)) return "";
  return hours < 1 ? "just now" : hours < 48 ? `${Math.round(hours)} h ago` : `${Math.round(hours / 24)} d ago`;
}

// What stands on an item besides its title, by the declared type of each attribute: texts, marks, ages.
export function facts(about, types) {
  return Object.entries(types).flatMap(([name, type]) => {
    const value = about[name];
    if (value === null || value === undefined || name === "title") return [];
    if (type === "str") return [value];
    if (type === "time") return [age(value)];
    return type === "bool" && value ? [name] : [];
  });
}

// The fields an action sends: a share of the item's duration, or what it says otherwise.
export function sent(action, about) {
  const fields = {};
  for (const [name, rule] of Object.entries(action.fields)) {
    const whole = rule.of && about[rule.of];
    fields[name] = whole ? Math.round(rule.share * whole * 10) / 10 : rule.otherwise;
  }
  return fields;
}

function banner(slot, about, topic, was) {
  const place = slot.position;
  const made = make("div", "banner", null, make("span", "place", place), make("span", "", topic));
  made.style.setProperty("--hue", hue(topic));
  if (was !== place) made.append(make("span", "moved", !was ? "new" : was > place ? `▲ ${was - place}` : `▼ ${place - was}`));
  if (about.duration_s) made.append(make("span", "duration", minutes(about.duration_s)));
  return made;
}

function why(slot) {
  const made = make("p", "why");
  for (const name of slot.sources) {
    const chip = dot("span", name, name);
    chip.title = SOURCES[name] || `source ${name}`;
    made.append(chip);
  }
  const explored = slot.propensity < 1;
  const chance = explored ? `explored, 1 in ${Math.round(1 / slot.propensity)}` : "chosen, propensity 1";
  made.append(make("span", explored ? "explored" : "", chance));
  return made;
}

function parts(slot) {
  const made = make("div", "parts");
  for (const [label, share] of Object.entries(slot.score_parts)) {
    made.append(make("span", "", `P(${label})`), bar(share), make("b", "", percent(share)));
  }
  return made;
}

// One item of the feed. `was` is its place in the feed before, 0 when it is new, its own when there was none.
export function card(slot, was, types, buttons) {
  const about = slot.attributes || {};
  const texts = facts(about, types);
  const topic = about.topic || texts[0] || "";
  const by = texts.filter((text) => text !== topic).join(" · ");
  const body = make("div", "body", null, make("h3", "", title(slot.item, about)), make("p", "by", by));
  body.append(why(slot), parts(slot), make("div", "acts", null, ...buttons));
  const made = make("li", "card", null, banner(slot, about, topic, was), body);
  made.dataset.item = slot.item;
  return made;
}

export function stage(one, most) {
  const name = one.role === "source" ? dot("span", one.stage, one.stage) : make("span", "", one.stage);
  name.title = one.role;
  const count = one.role === "source" ? one.num_out : `${one.num_in} → ${one.num_out}`;
  const ms = make("span", "ms", `${one.elapsed_ms.toFixed(2)} ms`);
  const row = make("li", "", null, name, make("span", "count", count), ms, bar(one.num_out / most));
  const removed = Object.entries(one.removed || {}).map(([reason, number]) => `${number} ${reason}`);
  const said = [...removed, one.note].filter(Boolean);
  if (said.length) row.append(make("span", "note", said.join("; ")));
  return row;
}
