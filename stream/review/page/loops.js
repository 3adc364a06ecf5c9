// Loops of pictures: fetched whole, decoded once, drawn by time.
import { bytes } from "/page/talk.js";

const KEPT = 900; // decoded pictures of 590 KB
const kept = new Map();

async function unpack(path, signal) {
  const data = await bytes(path, signal);
  const length = new DataView(data).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  let place = 4 + length;
  head.pictures = head.bytes.map((size) => {
    const piece = new Blob([new Uint8Array(data, place, size)], { type: "image/jpeg" });
    place += size;
    return piece;
  });
  head.bitmaps = await Promise.all(head.pictures.map((piece) => createImageBitmap(piece)));
  delete head.pictures;
  return head;
}

// A wait that was given up is no error, whoever else was waiting.
addEventListener("unhandledrejection", (event) => { if (event.reason?.name === "AbortError") event.preventDefault(); });

export function loop(path, ahead = false) {
  let entry = kept.get(path);
  if (entry && entry.ahead && !ahead) { // it is wanted now: the server shall hurry
    entry.ahead = false;
    if (!entry.found) fetch(path, { method: "HEAD", signal: entry.stop.signal }).catch(() => {});
  }
  if (!entry) {
    const made = { ahead, stop: new AbortController(), found: null };
    made.promise = unpack(path + (ahead ? (path.includes("?") ? "&ahead" : "?ahead") : ""), made.stop.signal);
    made.promise.then((found) => { made.found = found; shrink(); }, () => { if (kept.get(path) === made) kept.delete(path); });
    entry = made;
  }
  kept.delete(path);
  kept.set(path, entry);
  return entry.promise;
}

// The longest unused go first; the newest few stay whatever their size.
function shrink() {
  let count = 0;
  const entries = [...kept].reverse();
  entries.forEach(([path, { found }], k) => {
    if (!found) return;
    count += found.bitmaps.length;
    if (count <= KEPT || k < 4) return;
    kept.delete(path);
    setTimeout(() => found.bitmaps.forEach((b) => b.close()), 1000);
  });
}

// What is on its way and not among these is not waited for any more.
export function onlyWait(paths) {
  for (const [path, entry] of [...kept]) {
    if (entry.found || paths.has(path)) continue;
    kept.delete(path);
    entry.stop.abort();
  }
}

export function forget(part) {
  for (const path of [...kept.keys()]) if (path.includes(part)) kept.delete(path);
}

// Plays one loop on the plain canvas and its magnified twin on the other, always at the same moment.
export class Player {
  constructor(plain, magnified, onFrame) {
    this.plain = plain.getContext("2d");
    this.magnified = magnified.getContext("2d");
    this.onFrame = onFrame;
    this.speed = 1;
    this.playing = true;
    this.flicker = false;
    this.arrows = false;
    this.loop = this.twin = null;
    this.at = 0;
    this.drawn = -1;
    this.began = 0;
    const tick = (now) => { this.tick(now); requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
  }

  show(loop) {
    this.loop = loop;
    this.twin = null;
    this.at = loop ? loop.times[0] : 0;
    this.began = 0;
    this.drawn = -1;
    if (!loop) for (const one of [this.plain, this.magnified]) one.clearRect(0, 0, 384, 384);
    else { this.magnified.clearRect(0, 0, 384, 384); this.draw(0); }
  }

  // The twin of a long loop has fewer frames.
  add(twin) { this.twin = twin; this.drawn = -1; }

  tick(now) {
    const { loop } = this;
    if (!loop || !loop.times.length) return;
    const first = loop.times[0], last = loop.times[loop.times.length - 1];
    const frame = loop.times.length > 1 ? (last - first) / (loop.times.length - 1) : 0.04;
    if (this.flicker && this.pair) {
      this.draw(this.nearest(Math.floor(now / 420) % 2 ? this.pair[1] : this.pair[0]));
      return;
    }
    if (this.playing) {
      if (this.began) this.at += (this.speed * Math.min(now - this.began, 200)) / 1000;
      this.began = now;
      if (this.at > last + frame) this.at = first;
    } else this.began = 0;
    this.draw(this.nearest(this.at));
  }

  nearest(time, times = this.loop.times) {
    let low = 0, high = times.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (times[middle] <= time + 1e-6) low = middle; else high = middle - 1;
    }
    return low;
  }

  step(way) {
    if (!this.loop) return;
    this.playing = this.flicker = false;
    const count = this.loop.times.length;
    this.at = this.loop.times[(Math.max(this.drawn, 0) + way + count) % count];
  }

  get time() { return this.loop && this.drawn >= 0 ? this.loop.times[this.drawn] : null; }

  draw(k) {
    if (k === this.drawn) return;
    this.drawn = k;
    this.plain.drawImage(this.loop.bitmaps[k], 0, 0);
    if (this.twin && this.twin.bitmaps.length) {
      const j = this.nearest(this.loop.times[k], this.twin.times);
      this.magnified.drawImage(this.twin.bitmaps[j], 0, 0);
      if (this.arrows) this.drawArrows(j);
    }
    this.onFrame(this.loop.times[k]);
  }

  // Of each frame: x, y, and how far the place has moved, in pixels of the picture; drawn ten times as long.
  drawArrows(k) {
    const pen = this.plain, field = this.twin.arrows[k];
    if (!field) return;
    pen.lineWidth = 1.6;
    pen.strokeStyle = pen.fillStyle = "#ffd23f";
    pen.shadowColor = "#000";
    pen.shadowBlur = 2;
    this.twin.places.forEach(([x, y], j) => {
      const dx = 10 * field[2 * j], dy = 10 * field[2 * j + 1], length = Math.hypot(dx, dy);
      if (length < 2) return;
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(x + dx, y + dy);
      const a = Math.atan2(dy, dx), size = Math.min(5, length / 2);
      for (const turn of [2.6, -2.6]) {
        pen.moveTo(x + dx, y + dy);
        pen.lineTo(x + dx + size * Math.cos(a + turn), y + dy + size * Math.sin(a + turn));
      }
      pen.stroke();
    });
    pen.shadowBlur = 0;
  }
}
