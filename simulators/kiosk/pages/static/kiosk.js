// The keys on the screen, scanners that type, and the screen that clears itself. Everything else is plain pages.
"use strict";

const body = document.body;

// Keys: they type into the one field, wherever its cursor is, and never take the focus from it.
const entry = document.querySelector("form[data-entry]");
if (entry) {
  const field = entry.querySelector("#typed");
  const count = entry.querySelector("#count");
  const go = entry.querySelector("#go");
  let small = false;
  const tell = () => {
    const length = field.value.length;
    count.textContent = length ? count.dataset.text.replace("#", length) : "";
    go.setAttribute("aria-disabled", String(length === 0));
  };
  const type = (sign) => {
    field.setRangeText(sign, field.selectionStart, field.selectionEnd, "end");
    tell();
  };
  const erase = () => {
    if (field.selectionStart === field.selectionEnd && field.selectionStart > 0) {
      field.setSelectionRange(field.selectionStart - 1, field.selectionEnd);
    }
    field.setRangeText("");
    tell();
  };
  entry.addEventListener("pointerdown", (event) => {
    if (event.target.closest(".key")) event.preventDefault();
  });
  entry.addEventListener("click", (event) => {
    const key = event.target.closest(".key");
    if (!key) return;
    if (key.dataset.key) type(small ? key.dataset.key.toLowerCase() : key.dataset.key);
    else if (key.dataset.act === "back") erase();
    else if (key.dataset.act === "clear") { field.value = ""; tell(); }
    else if (key.dataset.act === "shift") {
      small = !small;
      key.setAttribute("aria-pressed", String(small));
      entry.querySelectorAll("[data-key]").forEach((each) => {
        each.textContent = small ? each.dataset.key.toLowerCase() : each.dataset.key;
      });
    }
    field.focus({ preventScroll: true });
  });
  entry.addEventListener("submit", (event) => {
    if (event.submitter && event.submitter.id === "skip") field.value = "";
    else if (!field.value) event.preventDefault();
  });
  field.addEventListener("input", tell);
  // A scanner types wherever the focus is.
  document.addEventListener("keydown", (event) => {
    if (document.activeElement !== field && event.key.length === 1 && !event.ctrlKey && !event.metaKey) field.focus();
  });
  field.focus();
  tell();
}

// A scan where nothing is typed: signs in quick succession, then Enter.
const scan = document.querySelector("form[data-scan]");
if (scan) {
  let typed = "";
  let last = 0;
  document.addEventListener("keydown", (event) => {
    if (event.timeStamp - last > 500) typed = "";
    last = event.timeStamp;
    if (event.key === "Enter" && typed.length > 3) {
      event.preventDefault();
      scan.elements.typed.value = typed;
      scan.requestSubmit();
    } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) typed += event.key;
  });
}

// While the gateway is asked, the screen says so and takes no second touch.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || !event.target.matches("[data-waits]")) return;
  document.getElementById("waiting").hidden = false;
});

// Without a touch the screen asks, and then clears itself and everything that the customer has told it.
const idle = Number(body.dataset.idle) * 1000;
if (idle) {
  const dialog = document.getElementById("idle");
  const text = document.getElementById("idle-text");
  const warning = 15000;
  let touched = Date.now();
  let told = touched;
  const touch = () => {
    touched = Date.now();
    if (touched - told > Number(body.dataset.touchEvery) * 1000) {
      told = touched;
      fetch("/touched", { method: "POST" }).catch(() => {});
    }
  };
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, touch, { capture: true });
  document.getElementById("idle-stay").addEventListener("click", () => dialog.close());
  setInterval(() => {
    const left = idle - (Date.now() - touched);
    if (left <= 0) document.getElementById("end").submit();
    else if (left <= warning) {
      text.textContent = text.dataset.text.replace("#", Math.ceil(left / 1000));
      if (!dialog.open) dialog.showModal();
    } else if (dialog.open) dialog.close();
  }, 500);
}
