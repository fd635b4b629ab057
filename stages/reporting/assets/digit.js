"use strict";
// One image: choose its class and seed, and move along z.

const NUM_DIRECTIONS = 6;
const REACH = 3; // how far a slider goes, in standard deviations of z

const startDigit = (generator, labels, noun) => {
  const canvas = document.querySelector("#digit canvas"), seed = byId("digit-seed"), bars = document.querySelector("#digit .latent");
  const directions = Gan.directions(generator, NUM_DIRECTIONS);
  const chips = byId("digit-class"), sliders = byId("digit-directions");
  const chosen = () => Number(new FormData(form).get("class") ?? 0);
  const form = element("form");
  form.addEventListener("submit", (event) => event.preventDefault());
  labels.forEach((name, label) => {
    const input = element("input", { type: "radio", name: "class", value: label, checked: label === Math.min(3, labels.length - 1) });
    form.append(element("label", { className: "chip" }, input, element("span", { textContent: name })));
  });
  chips.append(form);
  chips.hidden = !labels.length;

  const ranges = directions.map((_, number) => {
    const range = element("input", { type: "range", min: -REACH, max: REACH, step: 0.05, value: 0, id: `digit-direction-${number}` });
    sliders.append(element("label", {}, element("span", { textContent: `${number + 1}` }), range));
    range.setAttribute("aria-label", `Direction ${number + 1}`);
    return range;
  });

  const latent = () => {
    const z = Gan.normal(Number(seed.value) || 0, generator.zDim);
    ranges.forEach((range, number) => directions[number].forEach((part, i) => (z[i] += Number(range.value) * part * 2)));
    return z;
  };

  const draw = oncePerFrame(() => {
    const z = latent();
    paintGenerated(canvas, generator, z, only(chosen(), labels.length));
    showLatent(bars, z);
  });

  const say = () => {
    const name = labels.length ? `${noun} ${labels[chosen()]}` : noun;
    canvas.setAttribute("aria-label", `Generated ${name}, seed ${seed.value}`);
    byId("digit-status").textContent = `${name[0].toUpperCase()}${name.slice(1)} from seed ${seed.value}`;
    draw();
  };
  form.addEventListener("change", say);
  seed.addEventListener("input", say);
  byId("digit-new").addEventListener("click", () => {
    seed.value = Gan.newSeed();
    say();
  });
  byId("digit-reset").addEventListener("click", () => {
    for (const range of ranges) range.value = 0;
    draw();
  });
  for (const range of ranges) range.addEventListener("input", draw);
  say();
};

/** The numbers of a latent as bars above and below a line. */
const showLatent = (svg, z) => {
  const step = 256 / z.length;
  const path = z.map((value, i) => {
    const height = Math.max(-21, Math.min(21, value * 7));
    return `M${((i + 0.5) * step).toFixed(2)} 22v${(-height).toFixed(1)}`;
  });
  let line = svg.firstElementChild;
  if (!line) {
    line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("stroke-width", (step * 0.6).toFixed(2));
    svg.append(line);
  }
  line.setAttribute("d", path.join(""));
};
