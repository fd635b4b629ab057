"use strict";
// The training as a film that one can stop, with a mark on the curve of the distance.

const FRAMES_PER_SECOND = 3;

const startFilm = (frames) => {
  const picture = byId("film-picture"), place = byId("film-place"), mark = document.querySelector("#film .mark");
  const points = mark.dataset.points.split(" ").map((point) => point.split(","));

  const show = () => {
    const frame = frames[Number(place.value)];
    picture.src = frame.uri;
    [mark.cx.baseVal.value, mark.cy.baseVal.value] = points[frame.row].map(Number);
    const text = `after ${frame.kimg} thousand images, distance ${frame.distance}`;
    byId("film-status").textContent = text;
    place.setAttribute("aria-valuetext", text);
  };
  let passed = 0;
  const playing = startStop(byId("film-play"), "Play", (seconds) => {
    if (seconds === 0) {
      passed = 0;
      if (Number(place.value) === frames.length - 1) place.value = 0;
    }
    passed += seconds;
    if (passed >= 1 / FRAMES_PER_SECOND) {
      passed = 0;
      place.value = Number(place.value) + 1;
    }
    show();
    return Number(place.value) < frames.length - 1;
  });
  place.addEventListener("input", () => {
    playing.stop();
    show();
  });
  show();
};
