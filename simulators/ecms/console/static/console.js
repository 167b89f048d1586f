// Lets the clocks run between two answers of the server: each from the moment at which it appeared, at its speed.
"use strict";
const since = new WeakMap();
const written = new Intl.DateTimeFormat("en-GB", {
  timeZone: "Asia/Manila", weekday: "short", day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit",
  second: "2-digit", hour12: false,
});
function tick() {
  for (const clock of document.querySelectorAll("[data-clock]")) {
    if (!since.has(clock)) since.set(clock, performance.now());
    const passed = (performance.now() - since.get(clock)) * Number(clock.dataset.speed);
    clock.textContent = written.format(Number(clock.dataset.clock) + passed).replace(/,/g, "");
  }
}
tick();
setInterval(tick, 500);
document.addEventListener("htmx:afterSettle", tick);
