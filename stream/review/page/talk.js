// Talks to the server of this page, and shows what it says.

export class Refused extends Error {}

export async function get(path) {
  return answer(await fetch(path).catch(gone));
}

// ``keepalive``: it arrives although the page is closed.
export async function post(path, body, keepalive = false) {
  const headers = { "Content-Type": "application/json" };
  return answer(await fetch(path, { method: "POST", headers, body: JSON.stringify(body), keepalive }).catch(gone));
}

export async function bytes(path, signal) {
  const response = await fetch(path, { signal }).catch((error) => {
    if (error.name === "AbortError") throw error;
    return gone();
  });
  if (!response.ok) await answer(response);
  return response.arrayBuffer();
}

async function answer(response) {
  if (response.ok) return response.json();
  let words = `${response.status} ${response.statusText}`;
  try { words = JSON.parse(await response.text()).error; } catch { /* not one of ours */ }
  throw new Refused(words || "the server refused");
}

function gone() {
  throw new Refused("The review has ended or does not answer. Start atme review again: all that was decided is kept.");
}

const box = document.getElementById("message");

export function say(words, bad = false) {
  box.textContent = words;
  box.className = bad ? "bad" : "";
  box.hidden = !words;
}

export function ask(words, label, placeholder, done) {
  say(words);
  const field = document.createElement("input"), button = document.createElement("button");
  field.placeholder = placeholder;
  field.setAttribute("aria-label", label);
  button.textContent = label;
  const give = () => field.value.trim() && done(field.value.trim());
  button.addEventListener("click", give);
  field.addEventListener("keydown", (press) => { if (press.key === "Enter") give(); });
  box.append(" ", field, button);
}
