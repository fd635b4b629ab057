"use strict";
// Latents: normal numbers from a seed, ways between them, and the directions in which an image changes most.

/** Uniform numbers in [0, 1) from a seed: mulberry32, which is small and good enough to draw by. */
Gan.uniform = (seed) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** `count` standard normal numbers from a seed (Box and Muller 1958). */
Gan.normal = (seed, count) => {
  const draw = Gan.uniform(Math.imul(seed + 1, 0x9e3779b1));
  return Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw()));
};

/** A seed that was not seen before, most likely. */
Gan.newSeed = () => Math.floor(Math.random() * 1e6);

Gan.dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** The way from a to b along the sphere (Shoemake 1985): a at 0, b at 1. */
Gan.spherical = (a, b, t) => {
  const cosine = Gan.dot(a, b) / Math.sqrt(Gan.dot(a, a) * Gan.dot(b, b));
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const sine = Math.sin(angle);
  const [first, second] = sine < 1e-6 ? [1 - t, t] : [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine];
  return a.map((value, i) => first * value + second * b[i]);
};

/**
 * The directions of z that move the first layer most: the first eigenvectors of A'A, where A is what that layer does
 * to z (Shen and Zhou 2021, "Closed-form factorization of latent semantics"). By the power method.
 */
Gan.directions = (generator, count) => {
  const size = generator.zDim, { project } = generator.tensors;
  const length = generator.numLabels ? 2 * size : size;
  const matrix = Array.from({ length: size }, () => new Float64Array(size));
  for (let row = 0; row < project.length; row += length) {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j <= i; j++) matrix[i][j] += project[row + i] * project[row + j];
    }
  }
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) matrix[j][i] = matrix[i][j];
  const found = [];
  for (let number = 0; number < Math.min(count, size); number++) {
    let vector = Gan.normal(number, size);
    for (let step = 0; step < 200; step++) {
      vector = matrix.map((line) => Gan.dot(line, vector));
      for (const earlier of found) {
        const share = Gan.dot(vector, earlier);
        vector = vector.map((value, i) => value - share * earlier[i]);
      }
      const norm = Math.sqrt(Gan.dot(vector, vector)) || 1;
      vector = Array.from(vector, (value) => value / norm);
    }
    found.push(vector);
  }
  return found;
};
