"use strict";
// A walk from one image to another: along the sphere of latents, and from class to class.

const STRIP = 7; // images that show the whole way
const WALK_SECONDS = 4;

const startWalk = (generator, labels, noun) => {
  const canvas = document.querySelector("#walk > canvas"), place = byId("walk-place");
  const from = byId("walk-from"), to = byId("walk-to"), strip = byId("walk-strip");
  const small = Array.from({ length: STRIP }, () => element("canvas"));
  strip.append(...small);
  const ends = labels.length > 8 ? [3, 8] : [0, labels.length - 1];
  for (const [select, label] of [[from, ends[0]], [to, ends[1]]]) {
    labels.forEach((name, i) => select.append(element("option", { value: i, textContent: name, selected: i === label })));
  }
  byId("walk-ends").hidden = !labels.length;
  let seeds = [7, 11];

  const at = (t) => {
    const ends = seeds.map((seed) => Gan.normal(seed, generator.zDim));
    const shares = only(Number(from.value), labels.length).map((share) => share * (1 - t));
    if (labels.length) shares[Number(to.value)] += t;
    return [Gan.spherical(ends[0], ends[1], t), shares];
  };
  const draw = oncePerFrame(() => paintGenerated(canvas, generator, ...at(Number(place.value) / 100)));
  const names = () => (labels.length ? `${noun} ${labels[from.value]} to ${labels[to.value]}` : `one ${noun} to another`);
  const drawAll = () => {
    small.forEach((each, i) => paintGenerated(each, generator, ...at(i / (STRIP - 1))));
    canvas.setAttribute("aria-label", `Generated image on the way from ${names()}`);
    byId("walk-status").textContent = `From ${names()}`;
    draw();
  };

  let way = 0, direction = 1;
  const walking = startStop(byId("walk-play"), "Walk", (seconds) => {
    if (seconds === 0) {
      way = Number(place.value);
      if (way >= 100) direction = -1;
      if (way <= 0) direction = 1;
    }
    way = Math.min(100, Math.max(0, way + (direction * 100 * seconds) / WALK_SECONDS));
    place.value = way;
    draw();
    return direction > 0 ? way < 100 : way > 0;
  });
  place.addEventListener("input", () => {
    walking.stop();
    draw();
  });
  for (const select of [from, to]) select.addEventListener("change", drawAll);
  byId("walk-new").addEventListener("click", () => {
    seeds = [Gan.newSeed(), Gan.newSeed()];
    drawAll();
  });
  drawAll();
};
