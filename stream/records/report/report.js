// The timeline of the report: draws what #data holds as SVG, and lets it be moved and zoomed.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const box = document.getElementById("timeline");
  const strip = document.getElementById("overview");
  const LEFT = 42, RIGHT = 12, TOP = 26, BOTTOM = 26, SHORTEST = 0.25; // pixels, and seconds in view
  const end = data.duration;
  const curve = data.curve || { time: [], signal: [], threshold: [], face: [] };
  const highest = Math.max(0.5, percentile(curve.signal, 0.999), loudest()) * 1.12;
  const usual = curve.time.length ? end / curve.time.length : 0; // seconds between two samples
  let from = 0, to = end, current = -1;

  function percentile(values, share) {
    const sorted = [...values].sort((a, b) => a - b);
    return sorted.length ? sorted[Math.floor(share * (sorted.length - 1))] : 0;
  }

  function loudest() { // the tallest micro-expression must fit, whatever the percentile says
    let top = 0;
    for (const event of data.events.filter((one) => one.kind === "micro"))
      for (let k = at(event.onset); k < curve.time.length && curve.time[k] <= event.offset; k++)
        top = Math.max(top, curve.signal[k]);
    return top;
  }

  function at(time) { // index of the first sample not before time
    let low = 0, high = curve.time.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (curve.time[middle] < time) low = middle + 1; else high = middle;
    }
    return low;
  }

  function clock(seconds, digits) {
    const minutes = Math.floor(seconds / 60), rest = (seconds - 60 * minutes).toFixed(digits);
    return minutes + ":" + rest.padStart(digits ? digits + 3 : 2, "0");
  }

  function px2(value) { return value === null ? "–" : value.toFixed(2); }

  function escape(text) {
    return String(text).replace(/[&<>"']/g, (c) => "&#" + c.charCodeAt(0) + ";");
  }

  // One path of values between two times; more samples than pixels become their least and greatest.
  function path(values, a, b, x, y, pixels) {
    const first = Math.max(at(a) - 1, 0), last = Math.min(at(b) + 1, values.length);
    const parts = [];
    let pen = "M";
    const step = Math.max(1, Math.floor((last - first) / (pixels * 1.5)));
    for (let k = first; k < last; k += step) {
      if (!curve.face[k] || values[k] === null) { pen = "M"; continue; } // null: not known yet
      if (k > 0 && curve.time[k] - curve.time[Math.max(k - step, 0)] > 0.5 + step * usual) pen = "M"; // a gap
      let low = k, high = k;
      for (let j = k; j < Math.min(k + step, last); j++) {
        if (values[j] === null) continue;
        if (values[j] < values[low]) low = j;
        if (values[j] > values[high]) high = j;
      }
      for (const j of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) {
        parts.push(pen + x(curve.time[j]).toFixed(1) + " " + y(values[j]).toFixed(1));
        pen = "L";
      }
    }
    return parts.join("");
  }

  function withoutFace(a, b) {
    const spans = [];
    let start = null;
    for (let k = Math.max(at(a) - 1, 0); k < curve.time.length && curve.time[k] <= b; k++) {
      if (!curve.face[k] && start === null) start = curve.time[k];
      if (curve.face[k] && start !== null) { spans.push([start, curve.time[k]]); start = null; }
    }
    if (start !== null) spans.push([start, b]);
    return spans;
  }

  function ticks(a, b, pixels) {
    const rough = (b - a) / Math.max(pixels / 95, 2);
    const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
    const step = steps.find((s) => s >= rough) || 7200;
    const found = [];
    for (let t = Math.ceil(a / step) * step; t <= b + 1e-9; t += step) found.push(t);
    return [found, step < 0.1 ? 2 : step < 1 ? 1 : 0];
  }

  function draw() {
    const width = box.clientWidth, height = box.clientHeight;
    const x = (t) => LEFT + ((t - from) / (to - from)) * (width - LEFT - RIGHT);
    const y = (v) => height - BOTTOM - (Math.min(v, highest) / highest) * (height - TOP - BOTTOM);
    const floor = height - BOTTOM, out = [];
    const far = to - from > 120; // seconds: the curve is then a band, and events are lines
    const inView = (one) => one.offset >= from && one.onset <= to;
    const rect = (a, b, rest) => `<rect x="${x(a).toFixed(1)}" width="${Math.max(x(b) - x(a), 1).toFixed(1)}" ` +
      `y="${TOP}" height="${floor - TOP}" ${rest}/>`;
    out.push(`<defs><clipPath id="inside"><rect x="${LEFT}" y="0" width="${width - LEFT - RIGHT}" height="${height}"/>` +
      `</clipPath><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
      `<line x1="0" y1="0" x2="0" y2="7" class="grid" stroke-width="3"/></pattern></defs>`);
    const [times, digits] = ticks(from, to, width);
    for (const t of times)
      out.push(`<line class="grid" x1="${x(t)}" x2="${x(t)}" y1="${TOP}" y2="${floor}"/>` +
        `<text x="${x(t)}" y="${height - 8}" text-anchor="middle">${clock(t, digits)}</text>`);
    const levels = highest > 40 ? highest / 10 : highest > 4 ? 2 : highest > 1.6 ? 1 : highest > 0.8 ? 0.5 : 0.2;
    for (let v = 0; v <= highest; v += levels)
      out.push(`<text x="${LEFT - 7}" y="${y(v) + 4}" text-anchor="end">${v.toFixed(levels < 1 ? 1 : 0)}</text>`);
    out.push(`<text x="${LEFT - 7}" y="15" text-anchor="end">px</text><g clip-path="url(#inside)">`);
    for (const [a, b] of withoutFace(from, to)) out.push(rect(a, b, 'fill="url(#hatch)"'));
    for (const one of data.gaps.filter(inView)) {
      out.push(rect(one.onset, one.offset, 'class="gap" fill="url(#hatch)"'));
      if (x(one.offset) - x(one.onset) > 7 * one.reason.length)
        out.push(`<text x="${Math.max(x(one.onset), LEFT) + 3}" y="${floor - 6}">${escape(one.reason)}</text>`);
    }
    let free = -Infinity;
    for (const one of data.rejected.filter(inView)) {
      out.push(rect(one.onset, one.offset, 'class="rejected"'));
      const left = Math.max(x(one.onset), LEFT);
      if (left > free && (to - from) < 60) {
        out.push(`<text x="${left + 3}" y="${TOP + 14}">${escape(one.reason)}</text>`);
        free = left + 8 + 7 * one.reason.length;
      }
    }
    for (const one of data.marks)
      out.push(`<line class="mark" x1="${x(one.time)}" x2="${x(one.time)}" y1="${TOP}" y2="${floor}"/>` +
        `<text x="${x(one.time) + 4}" y="${floor - 6}">${escape(one.text || "mark")}</text>`);
    free = -Infinity;
    data.events.forEach((one, k) => {
      if (!inView(one)) return;
      out.push(rect(one.onset, one.offset, `fill="${one.colour}" fill-opacity="${k === current ? 0.5 : 0.28}" data-event="${k}"`));
      out.push(`<line x1="${x(one.apex)}" x2="${x(one.apex)}" y1="${TOP}" y2="${floor}" stroke="${one.colour}" stroke-width="${far ? 1 : 2}"/>`);
      const place = x(one.apex), next = data.events[k + 1];
      const roomy = place - 40 > free && !(next && x(next.apex) < place + 52);
      if (place - 7 < free) return;
      out.push(`<text x="${place}" y="16" text-anchor="middle" class="name"><tspan style="fill:${one.colour}">` +
        `${one.symbol}</tspan>${roomy ? " " + escape(one.label) : ""}</text>`);
      free = place + (roomy ? 40 : 7);
    });
    out.push(`<path class="threshold" d="${path(curve.threshold, from, to, x, y, width)}"/>`);
    out.push(`<path class="signal"${far ? ' style="stroke-width:.8"' : ""} d="${path(curve.signal, from, to, x, y, width)}"/></g>`);
    out.push(`<line class="cursor" y1="${TOP}" y2="${floor}" visibility="hidden"/>`);
    box.innerHTML = `<svg>${out.join("")}</svg><div id="tip" hidden></div>`;
    drawOverview();
  }

  function drawOverview() {
    const width = strip.clientWidth, height = strip.clientHeight;
    if (!width) return; // not on paper
    const x = (t) => (t / end) * width;
    const y = (v) => height - 3 - (Math.min(v, highest) / highest) * (height - 8);
    const out = data.events.map((one) => `<rect x="${x(one.onset) - 1}" width="${Math.max(x(one.offset) - x(one.onset), 3)}" ` +
      `y="0" height="${height}" fill="${one.colour}" fill-opacity=".6"/>`);
    out.push(`<path class="signal" style="stroke-width:1" d="${path(curve.signal, 0, end, x, y, width)}"/>`);
    out.push(`<rect class="window" x="${x(from)}" width="${Math.max(x(to) - x(from), 3)}" y=".5" height="${height - 1}"/>`);
    strip.innerHTML = `<svg>${out.join("")}</svg>`;
  }

  function look(a, b) { // show these seconds, as far as there are any
    const span = Math.min(Math.max(b - a, Math.min(SHORTEST, end)), end);
    const middle = (a + b) / 2;
    from = Math.min(Math.max(middle - span / 2, 0), end - span);
    to = from + span;
    draw();
  }

  function zoom(factor, middle) {
    const centre = middle === undefined ? (from + to) / 2 : middle;
    look(centre - (centre - from) * factor, centre + (to - centre) * factor);
  }

  function find(k) {
    if (k < 0 || k >= data.events.length) return;
    current = k;
    const event = data.events[k];
    look(event.apex - 1, event.apex + 1);
    document.querySelectorAll(".card").forEach((card, j) => card.classList.toggle("found", j === k));
  }

  function neighbour(way) {
    if (current >= 0) return find(current + way);
    find(way > 0 ? 0 : data.events.length - 1);
  }

  const actions = {
    before: () => neighbour(-1), after: () => neighbour(1),
    in: () => zoom(0.5), out: () => zoom(2), all: () => { current = -1; look(0, end); },
  };
  document.querySelectorAll("[data-do]").forEach((b) => b.addEventListener("click", () => actions[b.dataset.do]()));
  document.querySelectorAll(".find").forEach((b) => b.addEventListener("click", () => {
    find(Number(b.dataset.event));
    box.scrollIntoView({ block: "center", behavior: "smooth" });
  }));
  box.addEventListener("keydown", (press) => {
    const step = (to - from) / 5;
    const keys = {
      ArrowLeft: () => look(from - step, to - step), ArrowRight: () => look(from + step, to + step),
      "+": actions.in, "-": actions.out, 0: actions.all, n: actions.after, p: actions.before,
    };
    if (keys[press.key] && !press.ctrlKey && !press.metaKey) { keys[press.key](); press.preventDefault(); }
  });

  // A movement of one pixel is visible when the two images alternate, but hardly side by side.
  document.querySelectorAll("figure.apex").forEach((figure) => {
    const own = figure.querySelector("img"), apex = own.src;
    const onset = figure.parentElement.querySelector("figure.onset img").src;
    const words = figure.querySelector("figcaption"), caption = words.innerHTML;
    let turns = null;
    const stop = () => {
      clearInterval(turns);
      turns = null;
      own.src = apex;
      words.innerHTML = caption;
    };
    const begin = () => {
      if (turns) return;
      turns = setInterval(() => {
        own.src = own.src === apex ? onset : apex;
        words.textContent = own.src === apex ? "apex" : "onset";
      }, 350);
    };
    figure.addEventListener("pointerenter", begin);
    figure.addEventListener("pointerleave", stop);
  });

  const timeAt = (clientX) => {
    const area = box.getBoundingClientRect();
    return from + ((clientX - area.left - LEFT) / (area.width - LEFT - RIGHT)) * (to - from);
  };
  const fingers = new Map();
  let start = null;
  box.addEventListener("pointerdown", (pointer) => {
    fingers.set(pointer.pointerId, pointer.clientX);
    start = { a: from, b: to, xs: [...fingers.values()] };
    box.setPointerCapture(pointer.pointerId);
    box.classList.add("held");
  });
  box.addEventListener("pointermove", (pointer) => {
    if (!fingers.has(pointer.pointerId)) return hover(pointer.clientX);
    fingers.set(pointer.pointerId, pointer.clientX);
    const xs = [...fingers.values()], width = box.clientWidth - LEFT - RIGHT, span = start.b - start.a;
    const left = box.getBoundingClientRect().left + LEFT;
    if (xs.length === 1) {
      const shift = ((start.xs[0] - xs[0]) / width) * span;
      return look(start.a + shift, start.b + shift);
    }
    const apart = (values) => Math.max(Math.abs(values[0] - values[1]), 10);
    const factor = apart(start.xs) / apart(xs);
    const centre = start.a + (((start.xs[0] + start.xs[1]) / 2 - left) / width) * span;
    look(centre - (centre - start.a) * factor, centre + (start.b - centre) * factor);
  });
  for (const name of ["pointerup", "pointercancel"])
    box.addEventListener(name, (pointer) => {
      fingers.delete(pointer.pointerId);
      start = { a: from, b: to, xs: [...fingers.values()] };
      if (!fingers.size) box.classList.remove("held");
    });
  box.addEventListener("pointerleave", () => hover(null));
  box.addEventListener("dblclick", (pointer) => zoom(0.4, timeAt(pointer.clientX)));
  box.addEventListener("wheel", (wheel) => {
    if (!wheel.ctrlKey && !wheel.metaKey) return; // the page must scroll
    wheel.preventDefault();
    zoom(Math.exp(wheel.deltaY / 300), timeAt(wheel.clientX));
  }, { passive: false });

  function hover(clientX) {
    const tip = document.getElementById("tip"), line = box.querySelector(".cursor");
    if (!tip || !line) return;
    const time = clientX === null ? -1 : timeAt(clientX);
    const shown = time >= from && time <= to;
    tip.hidden = !shown;
    line.setAttribute("visibility", shown ? "visible" : "hidden");
    if (!shown) return;
    const px = clientX - box.getBoundingClientRect().left;
    line.setAttribute("x1", px);
    line.setAttribute("x2", px);
    const words = [clock(time, 3)];
    const k = Math.min(at(time), curve.time.length - 1);
    if (k >= 0) words.push(curve.face[k] ? `${px2(curve.signal[k])} px, threshold ${px2(curve.threshold[k])}` : "no face");
    const over = (one) => one.onset <= time && time <= one.offset;
    for (const one of data.events.filter(over)) words.push(`${one.symbol} ${one.label}${one.share && ", "}${one.share}`);
    for (const one of data.rejected.filter(over)) words.push(`rejected: ${one.reason}`);
    for (const one of data.gaps.filter(over)) words.push(`nothing seen: ${one.reason}`);
    tip.textContent = words.join("  ·  ");
    tip.style.top = TOP + 4 + "px";
    tip.style.left = Math.min(Math.max(px + 10, 4), box.clientWidth - tip.offsetWidth - 6) + "px";
  }

  const toHere = (pointer) => {
    const area = strip.getBoundingClientRect();
    const time = ((pointer.clientX - area.left) / area.width) * end, half = (to - from) / 2;
    look(time - half, time + half);
  };
  strip.addEventListener("pointerdown", (pointer) => { strip.setPointerCapture(pointer.pointerId); toHere(pointer); });
  strip.addEventListener("pointermove", (pointer) => { if (pointer.buttons) toHere(pointer); });

  new ResizeObserver(draw).observe(box);
  draw();
  document.documentElement.dataset.drawn = "yes"; // the tests look for it
})();
