"use strict";
// Images on canvases, and the small things that every part of the page needs.

const byId = (id) => document.getElementById(id);

/** A new element with these properties and children. */
const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

/** Paint grey levels or colours [H * W * C] onto a canvas, a pixel a pixel; the style enlarges them. */
const paint = (canvas, levels, height, width, channels) => {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = channels === 1 ? levels[i] : c < channels ? levels[i * channels + c] : 0;
    picture.data[4 * i + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
};

/** Paint what the generator makes of a latent and of shares of classes. */
const paintGenerated = (canvas, generator, z, shares) =>
  paint(canvas, Gan.toLevels(generator.image(z, shares)), generator.height, generator.width, generator.channels);

/** Shares of all classes: all of one. */
const only = (label, count) => Array.from({ length: count }, (_, i) => (i === label ? 1 : 0));

/** Call a function once before the next frame, however often it is asked for. */
const oncePerFrame = (draw) => {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
};

/** A button that starts and stops: step(seconds) moves on and returns whether to go on. */
const startStop = (button, words, step) => {
  let last = null;
  const isRunning = () => button.getAttribute("aria-pressed") === "true";
  const set = (running) => {
    button.setAttribute("aria-pressed", String(running));
    button.textContent = running ? "Pause" : words;
    last = null;
    if (running) requestAnimationFrame(frame);
  };
  const frame = (now) => {
    if (!isRunning()) return;
    const goesOn = step(last === null ? 0 : Math.min(0.1, (now - last) / 1000));
    last = now;
    if (goesOn) requestAnimationFrame(frame);
    else set(false);
  };
  button.addEventListener("click", () => set(!isRunning()));
  return { stop: () => isRunning() && set(false) };
};
