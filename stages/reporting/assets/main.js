"use strict";
// Starts the parts of the page that the run has data for.

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
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => (each.open = true)));
})();
