// What a till's screen needs beyond htmx: the scan field always has the keyboard, keys do what is written on them,
// and fingers can type. Nothing is decided here; every doing is the server's.
"use strict";

const field = () => document.getElementById("typed");
const isField = (element) => element instanceof HTMLInputElement;
const leaveAlone = () => document.activeElement !== null && isField(document.activeElement) && document.activeElement !== field();

function focus() {
  const wanted = document.querySelector("#stage [data-first]") ?? document.querySelector("#stage [data-focus]") ?? field();
  wanted?.focus({ preventScroll: true });
}

// The name of a key as the buttons have it.
const nameOf = (event) => (event.key === "Escape" ? "Esc" : event.key);

function press(name) {
  const within = (root) => document.querySelector(`${root} [data-key="${name}"]`);
  const button = within("#stage") ?? within(".keys");
  button?.click();
  return button !== null;
}

function moveWithin(event) {
  const rows = [...document.querySelectorAll("#stage [data-list] button:first-child")];
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement);
  const next = event.key === "ArrowDown" ? at + 1 : at - 1;
  (rows[next] ?? field()).focus();
  event.preventDefault();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Escape" || /^F([1-46-9]|10)$/.test(event.key)) {
    event.preventDefault();
    if (!event.repeat) press(nameOf(event));
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (!leaveAlone()) moveWithin(event);
  } else if (event.key === "Enter" && leaveAlone()) {
    nextField(event);
  } else if (event.key.length === 1 && !leaveAlone() && event.key !== " ") {
    // A scan that begins while a button has the focus goes where scans go.
    field()?.focus({ preventScroll: true });
  }
});

// In a form of several fields Enter goes to the next one, as on a keypad; after the last one it is the button's turn.
function nextField(event) {
  const all = [...document.activeElement.form.querySelectorAll("input")];
  const next = all[all.indexOf(document.activeElement) + 1];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
}

// Doings go out from the scan field's form, one after another: it is always there, whereas the key that was pressed
// may have been replaced by the time it is its turn. The field is free for the next scan at once, however long the
// answer takes, and what was half typed into it before another key was pressed does not get before that scan.
function send(doing, values) {
  field().value = "";
  htmx.ajax("POST", `/do/${doing}`, { source: "#scan", target: "#frame", values });
}

document.addEventListener("submit", (event) => {
  const doing = event.target.dataset.do;
  if (doing === undefined) return;
  event.preventDefault();
  send(doing, Object.fromEntries(new FormData(event.target)));
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (button !== null) send(button.dataset.do, JSON.parse(button.dataset.values ?? "{}"));
  const target = event.target.closest("[data-sign], [data-type]");
  if (target?.dataset.sign !== undefined) {
    const sign = target.dataset.sign;
    field().value = sign === "back" ? field().value.slice(0, -1) : field().value + sign;
    field().focus();
  } else if (target?.dataset.type !== undefined) {
    field().value = target.dataset.type;
    field().form.requestSubmit();
  }
});

document.addEventListener("input", (event) => {
  const count = event.target.closest("[data-count]");
  if (count === null) return;
  let centavos = 0;
  for (const each of count.querySelectorAll("[data-worth]")) centavos += Number(each.dataset.worth) * (Number(each.value) || 0);
  const shown = (centavos / 100).toLocaleString("en-PH", { minimumFractionDigits: 2 });
  count.parentElement.querySelector("[data-total]").textContent = `₱${shown}`;
});

// Parts are asked for again whenever the server says that they have changed, and answers may overtake each other:
// the request says what is on the screen, and an older part never takes a newer one's place.
const versionOf = (path) => Number(document.getElementById(path.split("/")[2])?.dataset.version ?? 0);
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.path.startsWith("/part/")) event.detail.parameters.seen = versionOf(event.detail.path);
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  const path = requestConfig.path.startsWith("/part/") ? requestConfig.path : "/part/stage";
  if (Number(xhr.getResponseHeader("Till-Version") ?? 0) < versionOf(path)) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "frame" && !(leaveAlone() && document.activeElement.isConnected)) focus();
});
for (const lost of ["htmx:sseError", "htmx:sendError"]) {
  document.addEventListener(lost, () => document.body.classList.add("lost"));
}
document.addEventListener("htmx:sseOpen", () => document.body.classList.remove("lost"));
window.addEventListener("focus", () => leaveAlone() || focus());
document.addEventListener("DOMContentLoaded", focus);
