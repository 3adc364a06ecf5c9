// The review page: one movement at a time, decided by keys. Every text of a session is set as text, never as HTML.
import { ask, get, post, say } from "/page/talk.js";
import { Player, forget, loop, onlyWait } from "/page/loops.js";
import { Curve, Strip, clock, moved } from "/page/curve.js";
import { pad, pressed, read, write } from "/page/units.js";

const $ = (id) => document.getElementById(id);
const LABELS = [["negative", "▼"], ["positive", "▲"], ["surprise", "◆"], ["other", "●"]];
const ORDERS = ["time", "likely", "unsure"], SPEEDS = [1, 0.25, 0.1], TIMES = [5, 10, 20], CURVES = ["all", "regions", "sides"];
const BROWSE_S = 3;

let number = 0; // of the session on the shelf
let session = null; // what the server said of it
let order = [], at = -1; // ids, and the place of the one shown
let draft = null; // what is being said of it
let browsing = null; // [from, to] while another stretch of the video is looked at
let adding = false;
let times = 10, orderBy = "time", wanted = 0;
const movements = new Map(), decisions = new Map();

const player = new Player($("plain"), $("magnified"), onFrame);
const curve = new Curve($("curve"), $("curve-key"), onTimes, onAdd);
const strip = new Strip($("strip"), (time) => browse(time - BROWSE_S / 2));
const showUnits = pad($("pad"), (unit) => change({ units: pressed(draft.units, unit) }));

// ---- the list of sessions

async function begin() {
  const sessions = await get("/api/sessions");
  if (sessions.length === 1 && sessions[0].replayed !== undefined) return wait(sessions[0]);
  if (sessions.length === 1) return open(sessions[0].number);
  $("to-list").hidden = $("work").hidden = true;
  $("list").hidden = false;
  $("name").textContent = "Sessions";
  for (const id of ["order", "order-word", "count", "progress", "blind"]) $(id).hidden = true;
  const table = document.createElement("table");
  const row = (cells, name) => {
    const line = document.createElement("tr");
    for (const cell of cells) {
      const box = document.createElement(name);
      box.append(cell);
      line.append(box);
    }
    table.append(line);
  };
  row(["session", "decided", "added", ""], "th");
  sessions.forEach((one) => {
    const button = document.createElement("button"), bar = document.createElement("progress");
    button.textContent = one.name;
    button.addEventListener("click", () => guarded(() => open(one.number)));
    bar.max = one.movements || 1;
    bar.value = one.decided || 0;
    if (one.error) row([one.name, one.error, "", ""], "td");
    else row([button, `${one.decided} of ${one.movements}`, String(one.added), bar], "td");
  });
  $("list").replaceChildren(table);
  const first = table.querySelector("button");
  if (first) first.focus();
}

// A recording without a session is replayed first.
async function wait(one) {
  $("list").hidden = false;
  $("name").textContent = one.name;
  for (const id of ["order", "order-word", "count", "progress", "blind"]) $(id).hidden = true;
  let bar = $("list").querySelector("progress");
  if (!bar) {
    const box = document.createElement("div"), words = document.createElement("p");
    bar = document.createElement("progress");
    box.className = "wait";
    words.textContent = "The recording is replayed first, at the setting that finds most (keen). You can leave this page open, or come back to it.";
    box.append(words, bar);
    $("list").replaceChildren(box);
  }
  bar.value = one.replayed;
  await new Promise((done) => setTimeout(done, 400));
  return begin();
}

async function open(which) {
  number = which;
  session = await get(`/api/${number}`);
  movements.clear();
  decisions.clear();
  for (const one of session.movements) movements.set(one.id, one);
  for (const [id, one] of Object.entries(session.decisions)) { decisions.set(id, one); known(one); }
  $("list").hidden = true;
  $("work").hidden = false;
  $("name").textContent = session.name;
  document.title = `${session.name} – review`;
  $("coder").textContent = `coder ${session.coder}`;
  $("blind").hidden = !session.blind;
  for (const id of ["order", "order-word", "count", "progress"]) $(id).hidden = false;
  $("order").disabled = session.blind; // the order would tell
  const several = (await get("/api/sessions")).length > 1;
  $("to-list").hidden = !several;
  strip.show(session.duration, session.overview);
  if (session.video.found) say(session.notes.join(" "));
  else askForVideo(session.video.problem);
  sort("time");
  const first = order.findIndex((id) => !decisions.has(id));
  guarded(() => go(first < 0 ? 0 : first)); // its pictures may take a while
}

function askForVideo(problem) {
  ask(problem, "Use this recording", "/path/of/the/recording.mp4", (path) => guarded(async () => {
    await post(`/api/${number}/recording`, { path });
    say("");
    forget("/api/");
    await go(at);
  }));
}

// A movement that the coder has added is one like the others from then on.
function known(decision) {
  if (!movements.has(decision.movement))
    movements.set(decision.movement, { id: decision.movement, onset: decision.onset, apex: decision.apex, offset: decision.offset, likely: 1, says: "added" });
}

function sort(by) {
  orderBy = by;
  $("order").value = by;
  const rank = {
    time: (one) => one.onset,
    likely: (one) => -one.likely,
    unsure: (one) => Math.abs(one.likely - 0.5),
  }[by];
  const here = order[at];
  order = [...movements.values()].sort((a, b) => rank(a) - rank(b) || a.onset - b.onset).map((one) => one.id);
  at = order.indexOf(here);
  count();
}

// ---- one movement

async function go(place, pressedAt = 0) {
  if (!order.length) {
    player.show(null);
    $("number").textContent = "No movement was found.";
    $("when").textContent = "Drag in the strip to look for missed movements.";
    return;
  }
  at = Math.min(Math.max(place, 0), order.length - 1);
  browsing = null;
  document.documentElement.classList.remove("looking");
  endAdding();
  const id = order[at], one = movements.get(id), turn = ++wanted;
  const said = decisions.get(id);
  draft = said ? { ...said, units: [...said.units] } : { movement: id, verdict: null, label: null, units: [], note: "", onset: one.onset, apex: one.apex, offset: one.offset };
  showDraft();
  strip.setHere(one.apex);
  $("opinion").replaceChildren();
  $("magnified-words").textContent = "magnified …";
  document.documentElement.dataset.shown = "";
  player.flicker = false;
  player.playing = true;
  buttons();
  onlyWait(wantedNow());
  const about = get(`/api/${number}/movement/${id}`);
  about.then((found) => {
    if (turn !== wanted) return;
    curve.show({ curve: found.curve, from: found.from, to: found.to }, draft);
    opinion(found.opinion);
  }, problem);
  try {
    const found = await loop(plainPath(id));
    if (turn !== wanted) return;
    player.show(found);
    setPair();
    $("plain-words").textContent = found.face ? "as recorded" : "as recorded; no face is found in it";
    if (!found.seeks) $("plain-words").textContent += "; no seeking in this recording, so it is read from its beginning: slow, but right";
    if (found.every > 1) $("plain-words").textContent += `; one frame in ${found.every}`;
    document.documentElement.dataset.shown = id;
    if (pressedAt) performance.measure("next-loop", { start: pressedAt, end: performance.now() });
    ahead(turn);
    magnify(turn);
  } catch (error) {
    if (turn !== wanted || error.name === "AbortError") return;
    player.show(null);
    $("plain-words").textContent = "no video";
    $("magnified-words").textContent = "";
    document.documentElement.dataset.shown = id;
    if (pressedAt) performance.measure("next-loop", { start: pressedAt, end: performance.now() });
    if (session.video.found) problem(error);
  }
}

const AHEAD = 3; // loops that are made before they are wanted
const plainPath = (id) => `/api/${number}/loop/${id}`;
const twinPath = (id, onset) => `/api/${number}/magnified/${id}?times=${times}&onset=${onset.toFixed(6)}`;
const nextTwinPath = (id) => twinPath(id, (decisions.get(id) || movements.get(id)).onset);

function wantedNow() {
  const near = order.slice(at, at + 1 + AHEAD);
  return new Set([...near.map(plainPath), ...near.slice(0, 2).map(nextTwinPath)]);
}

async function magnify(turn) {
  const id = order[at], path = twinPath(id, draft.onset);
  onlyWait(new Set([...wantedNow(), path]));
  try {
    const found = await loop(path);
    if (turn !== wanted || browsing || path !== twinPath(id, draft.onset)) return;
    player.add(found);
    curve.setSeries(found.series);
    $("magnified-words").textContent = found.problem || `${howMuch(found)}, head motion removed`;
    document.documentElement.dataset.magnified = id;
    if (order[at + 1]) loop(nextTwinPath(order[at + 1]), true).catch(() => {});
  } catch (error) {
    if (turn === wanted && error.name !== "AbortError") $("magnified-words").textContent = error.message;
  }
}

const round = (value) => (value >= 10 ? Math.round(value) : Math.round(10 * value) / 10);

// Where skin would lie over skin it is magnified less.
function howMuch({ times_most: most, times_least: least }) {
  if (least > 0.95 * times) return `×${times}`;
  return most > 0.95 * times ? `×${times}, where it moves far ×${round(least)}` : `×${round(least)} to ×${round(most)} (more would tear the face)`;
}

// The loops that will most likely be wanted next, in order.
async function ahead(turn) {
  for (const id of order.slice(at + 1, at + 1 + AHEAD)) {
    if (turn !== wanted) return;
    await loop(plainPath(id), true).catch(() => {});
  }
}

function onFrame(time) {
  curve.setPlayhead(time);
  $("clock").textContent = clock(time, 3);
}

function setPair() {
  player.pair = [draft.onset, draft.apex];
}

function showDraft() {
  const one = movements.get(draft.movement);
  $("number").textContent = `${at + 1} of ${order.length}`;
  $("when").textContent = `${clock(draft.onset, 2)}, ${Math.round(1000 * (draft.offset - draft.onset))} ms${draft.movement.startsWith("added-") ? ", added" : ""}`;
  document.querySelectorAll("[data-verdict]").forEach((b) => b.setAttribute("aria-pressed", b.dataset.verdict === draft.verdict));
  document.querySelectorAll("[data-label]").forEach((b) => b.setAttribute("aria-pressed", b.dataset.label === draft.label));
  showUnits(draft.units);
  if (document.activeElement !== $("units")) $("units").value = write(draft.units);
  if (document.activeElement !== $("note")) $("note").value = draft.note;
  document.documentElement.dataset.verdict = draft.verdict || "";
  return one;
}

function opinion(found) {
  const box = $("opinion");
  box.replaceChildren();
  const line = (...parts) => { const p = document.createElement("div"); p.append(...parts); box.append(p); };
  const bold = (words) => { const b = document.createElement("b"); b.textContent = words; return b; };
  if (draft.movement.startsWith("added-")) return line("The program missed this movement.");
  if (!found) return line(session.blind ? "Blind: the program's decision is shown when you return to a movement that you have decided." : "");
  if (found.verdict === "rejected") line("The program rejected it: ", bold(found.reason));
  else if (found.verdict === "macro") line("The program took it for a ", bold("macro-expression"));
  else {
    const sign = bold(`${found.symbol} `);
    sign.style.color = found.colour;
    line("The program called it ", sign, bold(found.label));
    line(Object.entries(found.probabilities).map(([name, share]) => `${name} ${Math.round(100 * share)} %`).join(" · "));
  }
  for (const words of found.more) line(words);
  const facts = [`moved most: ${found.region}`, found.peak === null ? "" : `${found.peak.toFixed(2)} px`, found.score === null ? "" : `${found.score.toFixed(1)} × threshold`];
  line(facts.filter(Boolean).join(" · "));
  if (found.probability !== null) line(`classifier: ${Math.round(100 * found.probability)} % a micro-expression`);
}

function count() {
  const done = order.filter((id) => decisions.has(id)).length;
  $("count").textContent = `${done} of ${order.length} decided`;
  $("progress").max = Math.max(order.length, 1);
  $("progress").value = done;
  strip.setMarks(order.map((id) => {
    const one = movements.get(id), said = decisions.get(id);
    return { time: one.apex, state: said ? said.verdict : "open" };
  }));
}

// ---- decisions

const pending = new Set(); // what the server has not yet said to be on the disk
let made = 0; // decisions of this page; of two about one movement the server keeps the later one, however they arrive

function change(some) {
  Object.assign(draft, some);
  showDraft();
  if (!draft.verdict) return;
  decisions.set(draft.movement, { ...draft });
  count();
  send({ ...draft, tab: session.tab, made: ++made });
}

// At once, and also where the page is closed at this moment.
function send(body) {
  const sent = post(`/api/${number}/decide`, body, true).then(({ decision, opinion: found }) => {
    document.documentElement.dataset.kept = `${decision.movement} ${decision.verdict}`;
    if (draft && draft.movement === decision.movement && !browsing) opinion(found);
    return decision;
  });
  pending.add(sent);
  document.documentElement.dataset.pending = pending.size;
  sent.catch((error) => {
    decisions.delete(body.movement);
    count();
    problem(error);
  }).finally(() => {
    pending.delete(sent);
    document.documentElement.dataset.pending = pending.size;
  });
  return sent;
}

function decide(verdict, pressedAt) {
  if (!draft || browsing) return;
  const extra = verdict === "no" ? { label: null, units: [] } : {};
  change({ verdict, ...extra });
  if (verdict !== "yes") go(at + 1, at + 1 < order.length ? pressedAt : 0);
}

async function undo() {
  await Promise.allSettled(pending);
  const { movement, decision } = await post(`/api/${number}/undo`, { tab: session.tab });
  if (!movement) return say("There is nothing to undo.");
  say("");
  if (decision) decisions.set(movement, decision);
  else {
    decisions.delete(movement);
    if (movement.startsWith("added-")) movements.delete(movement);
  }
  sort(orderBy);
  const place = order.indexOf(movement);
  document.documentElement.dataset.undone = movement;
  await go(place < 0 ? Math.min(at, order.length - 1) : place);
}

function onTimes(found, done) {
  const before = draft.onset;
  Object.assign(draft, found);
  setPair();
  showDraft();
  if (!done) return;
  draft.onset = found.onset;
  change({});
  if (before !== found.onset || done) magnifyAgain();
}

function setTime(name) {
  const time = player.time;
  if (time === null) return;
  if (adding) {
    const old = curve.adding && curve.adding.onset !== null ? curve.adding : { onset: time, offset: time };
    curve.adding = { ...old, [name]: time };
    curve.draw();
    return;
  }
  if (browsing) return;
  const found = moved(draft, name, time);
  onTimes({ onset: found.onset, apex: found.apex, offset: found.offset }, true);
  curve.setTimes(draft);
}

function magnifyAgain() {
  if (!browsing) magnify(wanted);
}

// ---- missed movements, and the rest of the video

async function browse(from) {
  const start = Math.min(Math.max(from, 0), Math.max(session.duration - BROWSE_S, 0));
  browsing = [start, Math.min(start + BROWSE_S, session.duration)];
  const turn = ++wanted, [a, b] = browsing;
  document.documentElement.classList.add("looking");
  strip.setHere((a + b) / 2);
  $("number").textContent = "Looking for missed movements";
  $("when").textContent = `${clock(a)}–${clock(b)}`;
  $("opinion").replaceChildren();
  $("magnified-words").textContent = "";
  if (!adding) beginAdding();
  try {
    const range = `from=${a.toFixed(6)}&to=${b.toFixed(6)}`, path = `/api/${number}/stretch?${range}`;
    onlyWait(new Set([path]));
    const [found, part] = await Promise.all([loop(path), get(`/api/${number}/curve?${range}`)]);
    if (turn !== wanted) return;
    const known = [...movements.values()].filter((one) => one.offset > a && one.onset < b);
    curve.show({ curve: part, from: a, to: b, known }, null);
    curve.begin();
    player.flicker = false;
    player.playing = true;
    player.show(found);
    $("plain-words").textContent = "drag over the curve where a movement is missing";
    document.documentElement.dataset.browsing = start.toFixed(2);
    buttons();
  } catch (error) { if (error.name !== "AbortError") problem(error); }
}

function beginAdding() {
  adding = true;
  curve.begin();
  $("add").setAttribute("aria-pressed", "true");
  $("add-hint").hidden = false;
  $("curve-hint").hidden = true;
}

function endAdding() {
  if (!adding) return;
  adding = false;
  curve.end();
  $("add").setAttribute("aria-pressed", "false");
  $("add-hint").hidden = true;
  $("curve-hint").hidden = false;
}

function toggleAdding() {
  if (adding) {
    endAdding();
    if (browsing) go(Math.max(at, 0));
  } else beginAdding();
}

// The apex of what is added lies where the motion is greatest between its ends.
function onAdd(onset, offset) {
  const { time, signal } = curve.data.curve;
  let apex = (onset + offset) / 2, most = -1;
  time.forEach((t, k) => { if (t >= onset && t <= offset && signal[k] > most) { most = signal[k]; apex = t; } });
  const body = { movement: "added-new", verdict: "yes", label: null, units: [], note: "", onset, apex, offset, tab: session.tab, made: ++made };
  send(body).then(async (decision) => {
    decisions.set(decision.movement, decision);
    known(decision);
    sort(orderBy);
    document.documentElement.dataset.added = decision.movement;
    await go(order.indexOf(decision.movement));
  }, () => {});
}

// ---- buttons and keys

function buttons() {
  const mark = (selector, on) => document.querySelectorAll(selector).forEach((b) => b.setAttribute("aria-pressed", on(b)));
  mark("[data-speed]", (b) => Number(b.dataset.speed) === player.speed);
  mark("[data-times]", (b) => Number(b.dataset.times) === times);
  mark("[data-curve]", (b) => b.dataset.curve === curve.shown);
  $("flicker").setAttribute("aria-pressed", player.flicker);
  $("arrows").setAttribute("aria-pressed", player.arrows);
  $("play").textContent = player.playing && !player.flicker ? "❚❚" : "▶";
}

const cycle = (all, one) => all[(all.indexOf(one) + 1) % all.length];

function setMagnification(value) {
  times = value;
  buttons();
  magnifyAgain();
}

const actions = {
  play: () => { if (player.flicker) player.flicker = false; else player.playing = !player.playing; },
  back: () => player.step(-1),
  forth: () => player.step(1),
  flicker: () => { player.flicker = !player.flicker; setPair(); },
  arrows: () => { player.arrows = !player.arrows; player.drawn = -1; },
  add: toggleAdding,
  previous: (pressedAt) => go(browsing ? at : at - 1, pressedAt),
  next: (pressedAt) => go(browsing ? at : at + 1, at + 1 < order.length ? pressedAt : 0),
  undo: () => guarded(undo),
};

function jump() {
  const text = window.prompt(`Go to number (1–${order.length})`, String(at + 1));
  const place = Number.parseInt(text, 10);
  if (place) go(place - 1);
}

function nextOpen(pressedAt) {
  const open = [...order.keys()].map((k) => (at + 1 + k) % order.length).find((k) => !decisions.has(order[k]));
  if (open === undefined) say("All movements are decided.");
  else go(open, pressedAt);
}

const keys = {
  y: (t) => decide("yes", t), n: (t) => decide("no", t), u: (t) => decide("unsure", t),
  1: () => label(0), 2: () => label(1), 3: () => label(2), 4: () => label(3), 0: () => label(-1),
  Enter: (t) => {
    const made = adding && curve.adding && curve.adding.onset !== null && curve.adding;
    if (made && Math.abs(made.offset - made.onset) > 0.02) onAdd(Math.min(made.onset, made.offset), Math.max(made.onset, made.offset));
    else actions.next(t);
  },
  Escape: () => { if (adding) toggleAdding(); else if (browsing) go(at); },
  ArrowRight: actions.next, ArrowLeft: actions.previous,
  j: nextOpen, g: jump, z: actions.undo, " ": actions.play, ",": actions.back, ".": actions.forth,
  s: () => { player.speed = cycle(SPEEDS, player.speed); },
  m: () => setMagnification(cycle(TIMES, times)),
  f: actions.flicker, v: actions.arrows,
  r: () => { curve.shown = cycle(CURVES, curve.shown); curve.draw(); },
  "[": () => setTime("onset"), x: () => setTime("apex"), "]": () => setTime("offset"),
  a: toggleAdding,
  b: () => browse((browsing ? browsing[0] : draft.onset) - BROWSE_S + 0.5),
  e: () => browse((browsing ? browsing[1] : draft.offset) - 0.5),
  p: () => $("units").select(), t: () => $("note").focus(),
  o: () => { if (!session.blind) { sort(cycle(ORDERS, orderBy)); go(Math.max(at, 0)); } },
  "?": () => $("help").showModal(),
};

function label(k) {
  if (!draft || browsing) return;
  const name = k < 0 ? null : LABELS[k][0];
  const verdict = name && (!draft.verdict || draft.verdict === "no") ? "yes" : draft.verdict;
  change({ label: name, verdict });
}

document.addEventListener("keydown", (press) => {
  if (!session || $("help").open || press.ctrlKey || press.metaKey || press.altKey) return;
  const typing = press.target.closest("input, textarea");
  if (typing) {
    if (press.key === "Escape" || (press.key === "Enter" && !press.shiftKey && session)) {
      typing.blur();
      press.preventDefault();
    }
    return;
  }
  if (press.target.closest("select")) return;
  // A button that has the focus takes Space and Enter for itself, except where a key decides.
  if (press.target.closest("button") && press.key === " ") return;
  if (press.target.closest("#list button") && press.key === "Enter") return;
  const name = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  const act = keys[name];
  if (!act || press.repeat && !["ArrowRight", "ArrowLeft", ",", "."].includes(press.key)) return;
  press.preventDefault();
  guarded(() => act(performance.now()));
  buttons();
});

document.querySelectorAll("[data-do]").forEach((b) => b.addEventListener("click", () => { guarded(() => actions[b.dataset.do](performance.now())); buttons(); b.blur(); }));
document.querySelectorAll("[data-verdict]").forEach((b) => b.addEventListener("click", () => { decide(b.dataset.verdict, performance.now()); b.blur(); }));
document.querySelectorAll("[data-speed]").forEach((b) => b.addEventListener("click", () => { player.speed = Number(b.dataset.speed); buttons(); }));
document.querySelectorAll("[data-times]").forEach((b) => b.addEventListener("click", () => setMagnification(Number(b.dataset.times))));
document.querySelectorAll("[data-curve]").forEach((b) => b.addEventListener("click", () => { curve.shown = b.dataset.curve; curve.draw(); buttons(); }));
LABELS.forEach(([name, sign], k) => {
  const button = document.createElement("button"), mark = document.createElement("span");
  button.dataset.label = name;
  button.title = `${name} (${k + 1})`;
  mark.className = "sign";
  mark.textContent = sign;
  button.append(mark, name);
  button.addEventListener("click", () => { label(k); button.blur(); });
  $("labels").append(button);
});
$("units").addEventListener("change", () => {
  const { units, wrong } = read($("units").value);
  if (wrong) return say(`${wrong} is no action unit; write them as in 4C+L12B`, true);
  say("");
  change({ units });
});
$("note").addEventListener("change", () => change({ note: $("note").value }));
$("order").addEventListener("change", () => { sort($("order").value); go(Math.max(at, 0)); $("order").blur(); });
$("help-open").addEventListener("click", () => $("help").showModal());
$("to-list").addEventListener("click", () => { player.show(null); session = null; guarded(begin); });

function problem(error) { say(error.message, true); }

async function guarded(work) {
  try { await work(); } catch (error) { problem(error); }
}

buttons();
guarded(async () => {
  await begin();
  document.documentElement.dataset.begun = "yes"; // the tests look for it
});
