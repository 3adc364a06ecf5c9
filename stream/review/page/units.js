// Action units: a pad of buttons, and the text that FACS coders write: 4C+L12B.

export const UPPER = [[1, "inner brow raiser"], [2, "outer brow raiser"], [4, "brow lowerer"], [5, "upper lid raiser"], [6, "cheek raiser"], [7, "lid tightener"]];
export const LOWER = [[9, "nose wrinkler"], [10, "upper lip raiser"], [12, "lip corner puller"], [14, "dimpler"], [15, "lip corner depressor"], [17, "chin raiser"],
  [18, "lip pucker"], [20, "lip stretcher"], [23, "lip tightener"], [24, "lip presser"], [25, "lips part"], [26, "jaw drop"]];
const KNOWN = new Set([1, 2, 4, 5, 6, 7, ...Array.from({ length: 20 }, (_, k) => k + 9), 43, 45, 46]);

export function write(units) {
  return units.map((one) => (one.side === "B" ? "" : one.side) + one.unit + (one.intensity || "")).join("+");
}

// The units, or a word that is none.
export function read(text) {
  const units = [];
  for (const piece of text.split(/[\s+,;]+/).filter(Boolean)) {
    const found = /^(?:AU)?([LRB])?(\d{1,2})([A-E])?$/i.exec(piece);
    if (!found || !KNOWN.has(Number(found[2]))) return { units, wrong: piece };
    const one = { unit: Number(found[2]), side: (found[1] || "B").toUpperCase() };
    if (found[3]) one.intensity = found[3].toUpperCase();
    units.push(one);
  }
  return { units, wrong: "" };
}

// Each press goes on: off, both sides, the person's left, right, off.
export function pad(box, change) {
  const buttons = new Map();
  const row = (name, entries) => {
    const rule = document.createElement("div");
    rule.className = "rule";
    rule.textContent = name;
    box.append(rule);
    for (const [unit, title] of entries) {
      const button = document.createElement("button");
      button.type = "button";
      button.title = `${unit} ${title}: both sides, the person's left, right, off`;
      button.dataset.unit = unit;
      button.addEventListener("click", () => change(unit));
      buttons.set(unit, button);
      box.append(button);
    }
  };
  row("upper face", UPPER);
  row("lower face", LOWER);
  return (units) => {
    for (const [unit, button] of buttons) {
      const one = units.find((other) => other.unit === unit);
      button.textContent = one ? write([one]) : unit;
      button.setAttribute("aria-pressed", one ? "true" : "false");
    }
  };
}

export function pressed(units, unit) {
  const one = units.find((other) => other.unit === unit), rest = units.filter((other) => other.unit !== unit);
  const side = !one ? "B" : { B: "L", L: "R" }[one.side];
  const next = side ? [...rest, { ...one, unit, side }] : rest;
  return next.sort((a, b) => a.unit - b.unit);
}
