"use strict";
// Real or generated? The reader plays the discriminator, and is then compared with a network.

const startQuiz = (quiz, accuracy, noun) => {
  const canvas = document.querySelector("#quiz-card > canvas"), pixels = Gan.bytesOf(quiz.pixels);
  const size = quiz.height * quiz.width * quiz.channels, rounds = quiz.real.length / quiz.in_round;
  const answers = [byId("quiz-real"), byId("quiz-generated")], again = byId("quiz-again"), dots = byId("quiz-dots");
  let round = 0, given = [];

  const number = () => round * quiz.in_round + given.length;
  const image = (i) => pixels.subarray(i * size, (i + 1) * size);
  const kind = (isReal) => (isReal ? "real" : "generated");
  const isRight = (answer, i) => answer === quiz.real[round * quiz.in_round + i];

  const show = () => {
    paint(canvas, image(number()), quiz.height, quiz.width, quiz.channels);
    byId("quiz-question").textContent = `${noun[0].toUpperCase()}${noun.slice(1)} ${given.length + 1} of ${quiz.in_round}`;
  };

  const answer = (isReal) => {
    const right = isReal === quiz.real[number()];
    given.push(isReal);
    dots.append(element("li", { className: right ? "right" : "wrong", textContent: right ? "right" : "wrong" }));
    const truth = kind(right ? isReal : !isReal);
    byId("quiz-status").textContent = `${right ? "Right" : "Wrong"}: it was ${truth}.`;
    if (given.length < quiz.in_round) show();
    else finish();
  };

  const finish = () => {
    const score = given.filter(isRight).length;
    const percent = Math.round((100 * score) / quiz.in_round);
    const yours = `You were right in ${score} of ${quiz.in_round}, ${percent} %`;
    byId("quiz-question").textContent = "Your score";
    byId("quiz-status").textContent = accuracy === null ? `${yours}.` : `${yours}; the network in ${(100 * accuracy).toFixed(1)} %.`;
    setDone(true);
    if (!again.hidden) again.focus(); // the button that was pressed is hidden now
    byId("quiz-shown").replaceChildren(
      ...[true, false].map((isReal) => element("div", {}, element("h3", { textContent: isReal ? "Real" : "Generated" }), row(isReal)))
    );
  };

  /** All images of a kind, with a mark where the reader was wrong. */
  const row = (isReal) => {
    const list = element("ul");
    given.forEach((told, i) => {
      if (quiz.real[round * quiz.in_round + i] !== isReal) return;
      const small = element("canvas");
      paint(small, image(round * quiz.in_round + i), quiz.height, quiz.width, quiz.channels);
      small.setAttribute("role", "img");
      small.setAttribute("aria-label", `${kind(isReal)}, you said ${kind(told)}`);
      list.append(element("li", { className: isRight(told, i) ? "right" : "wrong" }, small));
    });
    return list;
  };

  const setDone = (isDone) => {
    for (const button of answers) button.hidden = isDone;
    canvas.hidden = isDone;
    again.hidden = !isDone || rounds < 2;
    byId("quiz-shown").hidden = !isDone;
  };

  if (!rounds) {
    byId("quiz-card").replaceChildren(element("p", { textContent: "This run has too few images for a quiz." }));
    return;
  }
  answers[0].addEventListener("click", () => answer(true));
  answers[1].addEventListener("click", () => answer(false));
  again.addEventListener("click", () => {
    [round, given] = [(round + 1) % rounds, []];
    dots.replaceChildren();
    byId("quiz-status").textContent = "";
    setDone(false);
    show();
    answers[0].focus();
  });
  show();
};
