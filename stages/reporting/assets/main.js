"use strict";
// Starts the parts of the page that the run has data for.

/** Stop the keyboard at a box, or at what it holds, only where there is something to scroll. */
const makeReachable = (target) => {
  const box = target.closest(".scroll"), scrolls = box.scrollWidth > box.clientWidth;
  const attributes = { tabindex: "0", role: "group", "aria-label": box.dataset.name };
  for (const [name, value] of Object.entries(attributes)) scrolls ? box.setAttribute(name, value) : box.removeAttribute(name);
};

(() => {
  const data = JSON.parse(byId("data").textContent);
  startFilm(data.frames);
  startQuiz(data.quiz, data.network_accuracy, data.noun);
  if (data.generator) {
    Gan.shown = new Gan.Generator(data.generator);
    startDigit(Gan.shown, data.labels, data.noun);
    startWalk(Gan.shown, data.labels, data.noun);
    if (byId("writing")) startWriting(Gan.shown, data.labels);
  }
  const watched = new ResizeObserver((entries) => entries.forEach((entry) => makeReachable(entry.target)));
  document.querySelectorAll(".scroll").forEach((each) => [each, each.firstElementChild].forEach((one) => watched.observe(one)));
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => (each.open = true)));
})();
