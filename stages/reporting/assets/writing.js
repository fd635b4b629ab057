"use strict";
// A text in the generator's hand: an image for each character that is the name of a class.

const startWriting = (generator, labels) => {
  const text = byId("writing-text"), out = byId("writing-out"), one = byId("writing-one");
  let seed = 5;

  const draw = () => {
    const written = [...text.value].filter((character) => labels.includes(character));
    const images = written.map((character, i) => {
      const canvas = element("canvas");
      const z = Gan.normal(one.checked ? seed : seed + 1000 * (i + 1), generator.zDim);
      paintGenerated(canvas, generator, z, only(labels.indexOf(character), labels.length));
      return canvas;
    });
    out.replaceChildren(...images);
    const left = [...text.value].length - written.length;
    const said = written.length ? `Written: ${written.join("")}` : "Nothing to write yet";
    out.setAttribute("aria-label", said);
    byId("writing-status").textContent = left ? `${said}; it knows only ${labels.join(" ")}` : said;
  };
  text.addEventListener("input", draw);
  one.addEventListener("change", draw);
  byId("writing-new").addEventListener("click", () => {
    seed = Gan.newSeed();
    draw();
  });
  draw();
};
