// The motion around one movement, with onset, apex and offset to be dragged; and the strip of the whole session.

const LEFT = 34, RIGHT = 12, TOP = 20, BOTTOM = 22;
const HANDLES = ["onset", "apex", "offset"];
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7a3fb0", "#a0522d", "#5f6b7a"];
const NS = "http://www.w3.org/2000/svg";

export const clock = (seconds, digits = 1) => {
  const whole = Math.max(seconds, 0), minutes = Math.floor(whole / 60);
  return `${minutes}:${(whole - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
};

function make(name, attributes, parent, text) {
  const one = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  if (text !== undefined) one.textContent = text;
  parent.append(one);
  return one;
}

export class Curve {
  // ``onTimes``: told the times while one is dragged (done: false) and when it is let go (true).
  constructor(svg, key, onTimes, onAdd) {
    Object.assign(this, { svg, key, onTimes, onAdd, shown: "all", data: null, times: null, adding: null, playhead: null });
    new ResizeObserver(() => this.draw()).observe(svg);
    svg.addEventListener("pointerdown", (pointer) => this.take(pointer));
    svg.addEventListener("pointermove", (pointer) => this.move(pointer));
    for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, () => this.drop());
  }

  show(data, times) { Object.assign(this, { data, times: times && only(times), series: null, held: null }); this.draw(); }
  setTimes(times) { this.times = times && only(times); this.draw(); }
  setSeries(series) { this.series = series; this.draw(); }

  x(time) { return LEFT + ((time - this.data.from) / (this.data.to - this.data.from)) * (this.width - LEFT - RIGHT); }
  time(x) { return this.data.from + ((x - LEFT) / (this.width - LEFT - RIGHT)) * (this.data.to - this.data.from); }

  lines() { // name, times, values, colour
    const { curve } = this.data, found = [];
    if (this.shown === "all" || !this.series) {
      if (curve.time.length) found.push(["motion of the face", curve.time, curve.signal, null]);
      return found;
    }
    const wanted = this.series[this.shown];
    const ranked = Object.entries(wanted).map(([name, values]) => [name, values, Math.max(...values.map((v) => v || 0))]);
    ranked.sort((a, b) => b[2] - a[2]);
    ranked.slice(0, 6).forEach(([name, values], k) => found.push([name, this.series.times, values, COLOURS[k]]));
    return found;
  }

  draw() {
    const { svg, data } = this;
    this.width = svg.clientWidth;
    const height = (this.height = svg.clientHeight);
    svg.replaceChildren();
    this.key.replaceChildren();
    if (!data || !this.width) return;
    const floor = height - BOTTOM, lines = this.lines();
    const usual = this.shown === "all" || !this.series;
    let highest = 0.2;
    for (const [, , values] of lines) for (const v of values) if (v !== null && v > highest) highest = v;
    if (usual) for (const v of data.curve.threshold) if (v !== null && v < 3 * highest && v > highest) highest = v;
    highest *= 1.12;
    const y = (v) => floor - (Math.min(v, highest) / highest) * (floor - TOP);
    const step = [0.1, 0.2, 0.5, 1, 2, 5].find((s) => (data.to - data.from) / s <= 12) || 10;
    for (let t = Math.ceil(data.from / step) * step; t <= data.to; t += step) {
      make("line", { class: "grid", x1: this.x(t), x2: this.x(t), y1: TOP, y2: floor }, svg);
      make("text", { x: this.x(t), y: height - 7, "text-anchor": "middle" }, svg, clock(t, step < 1 ? 1 : 0));
    }
    const level = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20].find((s) => highest / s <= 4) || 50;
    for (let v = 0; v <= highest; v += level) make("text", { x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, svg, v.toFixed(level < 1 ? 1 : 0));
    for (const one of data.known || []) make("rect", { class: "shown", x: this.x(one.onset), width: Math.max(this.x(one.offset) - this.x(one.onset), 1), y: TOP, height: floor - TOP }, svg);
    if (this.times) make("rect", { class: "span", x: this.x(this.times.onset), width: Math.max(this.x(this.times.offset) - this.x(this.times.onset), 1), y: TOP, height: floor - TOP }, svg);
    if (usual && data.curve.time.length) make("path", { class: "threshold", d: this.path(data.curve.time, data.curve.threshold, y) }, svg);
    for (const [name, times, values, colour] of lines) {
      const path = make("path", { class: colour ? "series" : "signal", d: this.path(times, values, y) }, svg);
      if (colour) path.setAttribute("stroke", colour);
      const word = document.createElement("span"), line = document.createElement("i");
      line.style.borderColor = colour || "var(--signal)";
      word.append(line, name);
      this.key.append(word);
    }
    this.playline = make("line", { class: "playhead", y1: TOP, y2: floor, visibility: "hidden" }, svg);
    if (this.adding && this.adding.onset !== null) {
      const { onset, offset } = this.adding;
      make("rect", { class: "new", x: Math.min(this.x(onset), this.x(offset)), width: Math.max(Math.abs(this.x(offset) - this.x(onset)), 2), y: TOP, height: floor - TOP }, svg);
    }
    if (this.times) HANDLES.forEach((name) => {
      const group = make("g", { class: `handle ${name}`, "data-handle": name }, svg), x = this.x(this.times[name]);
      make("line", { x1: x, x2: x, y1: TOP - 4, y2: floor }, group);
      const anchor = { onset: "end", apex: "middle", offset: "start" }[name];
      make("text", { x: x + { onset: -3, apex: 0, offset: 3 }[name], y: name === "apex" ? 12 : TOP + 8, "text-anchor": anchor }, group, name);
      make("rect", { class: "grip", x: x - 7, width: 14, y: 0, height: floor }, group);
    });
    this.setPlayhead(this.playhead);
  }

  path(times, values, y) {
    let out = "", pen = false;
    times.forEach((t, k) => {
      if (t < this.data.from || t > this.data.to || values[k] === null || values[k] === undefined) { pen = false; return; }
      out += `${pen ? "L" : "M"}${this.x(t).toFixed(1)} ${y(values[k]).toFixed(1)}`;
      pen = true;
    });
    return out;
  }

  setPlayhead(time) {
    this.playhead = time;
    if (!this.playline || !this.data) return;
    const seen = time !== null && time >= this.data.from && time <= this.data.to;
    this.playline.setAttribute("visibility", seen ? "visible" : "hidden");
    if (!seen) return;
    this.playline.setAttribute("x1", this.x(time));
    this.playline.setAttribute("x2", this.x(time));
  }

  at(pointer) {
    const area = this.svg.getBoundingClientRect();
    return Math.min(Math.max(this.time(pointer.clientX - area.left), this.data.from), this.data.to);
  }

  take(pointer) {
    if (!this.data || pointer.button) return;
    const time = this.at(pointer);
    if (this.adding) {
      this.adding = { onset: time, offset: time };
      this.held = "new";
    } else {
      const group = pointer.target.closest && pointer.target.closest("[data-handle]");
      if (!group) return;
      this.held = group.dataset.handle;
      // Where handles lie on one another, the nearest that can still move that way is meant.
      const near = HANDLES.filter((name) => Math.abs(this.x(this.times[name]) - this.x(time)) < 7);
      if (near.length > 1) this.held = near.includes("apex") ? "apex" : this.held;
    }
    this.svg.setPointerCapture(pointer.pointerId);
    pointer.preventDefault();
  }

  move(pointer) {
    if (!this.held) return;
    const time = this.at(pointer);
    if (this.held === "new") {
      this.adding.offset = time;
      this.draw();
      return;
    }
    this.times = moved(this.times, this.held, time);
    this.draw();
    this.onTimes(this.times, false);
  }

  drop() {
    const { held } = this;
    this.held = null;
    if (held === "new") {
      const { onset, offset } = this.adding;
      if (Math.abs(offset - onset) > 0.02) this.onAdd(Math.min(onset, offset), Math.max(onset, offset));
      else { this.adding = { onset: null, offset: null }; this.draw(); }
    } else if (held) this.onTimes(this.times, true);
  }

  begin() { this.adding = { onset: null, offset: null }; this.svg.classList.add("adding"); this.draw(); }
  end() { this.adding = null; this.svg.classList.remove("adding"); this.draw(); }
}

const only = ({ onset, apex, offset }) => ({ onset, apex, offset });

// One of the three times moved; the others give way, so that they stay in order.
export function moved(times, name, time) {
  const next = { ...only(times), [name]: time };
  if (name === "onset") { next.apex = Math.max(next.apex, time); next.offset = Math.max(next.offset, time); }
  if (name === "apex") { next.onset = Math.min(next.onset, time); next.offset = Math.max(next.offset, time); }
  if (name === "offset") { next.apex = Math.min(next.apex, time); next.onset = Math.min(next.onset, time); }
  return next;
}

export class Strip {
  constructor(svg, onTime) {
    Object.assign(this, { svg, duration: 1, overview: { time: [], signal: [] }, marks: [], here: null });
    new ResizeObserver(() => this.draw()).observe(svg);
    svg.addEventListener("click", (click) => {
      const area = svg.getBoundingClientRect();
      onTime(((click.clientX - area.left) / area.width) * this.duration);
    });
  }

  show(duration, overview) { Object.assign(this, { duration, overview }); this.draw(); }

  // Thousands of movements are one path a state: no page draws ten thousand elements quickly.
  setMarks(marks) { this.marks = marks; this.drawMarks(); }

  draw() {
    const { svg } = this, width = svg.clientWidth, height = svg.clientHeight;
    svg.replaceChildren();
    if (!width) return;
    const { time, signal } = this.overview, highest = Math.max(0.5, ...signal.map((v) => v || 0));
    let d = "";
    time.forEach((t, k) => { d += `${d ? "L" : "M"}${((t / this.duration) * width).toFixed(1)} ${(height - 12 - ((signal[k] || 0) / highest) * (height - 18)).toFixed(1)}`; });
    make("path", { class: "signal", d, "stroke-opacity": 0.45 }, svg).style.strokeWidth = "1";
    this.layer = make("g", {}, svg);
    this.window = make("rect", { class: "here", width: 3, y: 0, height, visibility: "hidden" }, svg);
    this.drawMarks();
    this.setHere(this.here);
  }

  drawMarks() {
    if (!this.layer) return;
    const width = this.svg.clientWidth, height = this.svg.clientHeight, parts = {};
    const seen = new Set();
    for (const { time, state } of this.marks) { // as many as there are pixels, however many movements
      const x = Math.round((time / this.duration) * width) - 1, place = `${state}${x}`;
      if (seen.has(place)) continue;
      seen.add(place);
      parts[state] = (parts[state] || "") + `M${x} ${height - 10}h2v8h-2z`;
    }
    this.layer.replaceChildren();
    for (const [state, d] of Object.entries(parts)) make("path", { class: `m-${state}`, d }, this.layer);
  }

  setHere(time) {
    this.here = time;
    if (!this.window) return;
    this.window.setAttribute("visibility", time === null ? "hidden" : "visible");
    if (time !== null) this.window.setAttribute("x", (time / this.duration) * this.svg.clientWidth - 1.5);
  }
}
