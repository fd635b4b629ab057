"use strict";
// The generator in plain JavaScript: a latent z and a class to an image, as stages/gan/networks/dcgan.py computes it.
// BatchNorm is folded into the weights, which come as half-precision numbers in base64 (stages/reporting/weights.py).

const Gan = {};

/** A half-precision number (IEEE 754 binary16), given as its 16 bits, as a number. */
Gan.fromHalf = (bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};

/** Bytes of a text in base64. */
Gan.bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** The generator of the page's data: { z_dim, num_labels, image_shape, widths, layout, numbers }. */
Gan.Generator = class {
  constructor(described) {
    const view = new DataView(Gan.bytesOf(described.numbers).buffer);
    const numbers = Float32Array.from({ length: view.byteLength / 2 }, (_, i) => Gan.fromHalf(view.getUint16(2 * i, true)));
    this.tensors = {};
    for (const [name, { start, shape }] of Object.entries(described.layout)) {
      this.tensors[name] = numbers.subarray(start, start + shape.reduce((product, size) => product * size, 1));
    }
    this.zDim = described.z_dim;
    this.numLabels = described.num_labels;
    [this.channels, this.height, this.width] = described.image_shape;
    this.widths = described.widths;
    this.kernels = {
      up: Gan.channelsLast(this.tensors.up, this.widths[0], this.widths[1]),
      again: Gan.channelsLast(this.tensors.again, this.widths[1], this.widths[2]),
    };
  }

  /**
   * An image, Float32Array [H * W * C] in [-1, 1], channels last.
   * z: zDim numbers, of which only the direction counts; shares: of each class, such as [0, 0.3, 0.7], to mix them.
   */
  image(z, shares) {
    const [coarse, middle, fine] = this.widths;
    const height = this.height / 4, width = this.width / 4;
    let x = this.projected(this.input(z, shares), height * width, coarse);
    x = Gan.doubled(x, height, width, coarse, this.kernels.up, this.tensors.up_shift, middle);
    x = Gan.doubled(x, 2 * height, 2 * width, middle, this.kernels.again, this.tensors.again_shift, fine);
    return this.pixels(x, fine);
  }

  /** z and the class beside it, each of unit mean square. */
  input(z, shares) {
    const latent = Gan.unitMeanSquare(z);
    if (!this.numLabels) return latent;
    const mixed = new Float64Array(this.zDim);
    shares.forEach((share, label) => {
      for (let i = 0; share && i < this.zDim; i++) mixed[i] += share * this.tensors.embedding[label * this.zDim + i];
    });
    return [...latent, ...Gan.unitMeanSquare(mixed)];
  }

  /** The linear layer and ReLU: [places * channels], channels last. */
  projected(input, places, channels) {
    const out = new Float32Array(places * channels);
    const { project, project_shift: shift } = this.tensors;
    for (let channel = 0; channel < channels; channel++) {
      for (let place = 0; place < places; place++) {
        const row = (channel * places + place) * input.length;
        let sum = shift[channel];
        for (let i = 0; i < input.length; i++) sum += project[row + i] * input[i];
        out[place * channels + channel] = Math.max(0, sum);
      }
    }
    return out;
  }

  /** The last convolution, 3x3, and sqrt(2) tanh, cut off at -1 and 1. */
  pixels(x, inputs) {
    const { last, last_shift: shift } = this.tensors;
    const out = new Float32Array(this.height * this.width * this.channels);
    for (let row = 0; row < this.height; row++) {
      for (let column = 0; column < this.width; column++) {
        for (let channel = 0; channel < this.channels; channel++) {
          let sum = shift[channel];
          for (let dy = 0; dy < 3; dy++) {
            const y = row + dy - 1;
            if (y < 0 || y >= this.height) continue;
            for (let dx = 0; dx < 3; dx++) {
              const from = column + dx - 1;
              if (from < 0 || from >= this.width) continue;
              const start = (y * this.width + from) * inputs;
              const kernel = channel * inputs * 9 + dy * 3 + dx;
              for (let i = 0; i < inputs; i++) sum += x[start + i] * last[kernel + 9 * i];
            }
          }
          const value = Math.SQRT2 * Math.tanh(sum);
          out[(row * this.width + column) * this.channels + channel] = Math.min(1, Math.max(-1, value));
        }
      }
    }
    return out;
  }
};

/** A vector divided by its root mean square. */
Gan.unitMeanSquare = (x) => {
  let squares = 0;
  for (const value of x) squares += value * value;
  const factor = 1 / Math.sqrt(squares / x.length + 1e-8);
  return Array.from(x, (value) => value * factor);
};

/** The kernel [inputs][outputs][4][4] of a transposed convolution as [16][inputs][outputs], to be read in order. */
Gan.channelsLast = (kernel, inputs, outputs) => {
  const moved = new Float32Array(kernel.length);
  for (let i = 0; i < inputs; i++) {
    for (let o = 0; o < outputs; o++) {
      for (let tap = 0; tap < 16; tap++) moved[(tap * inputs + i) * outputs + o] = kernel[(i * outputs + o) * 16 + tap];
    }
  }
  return moved;
};

/** A transposed convolution, 4x4 with stride 2 and padding 1, and ReLU: x [H * W * inputs] to twice the resolution. */
Gan.doubled = (x, height, width, inputs, kernel, shift, outputs) => {
  const out = new Float32Array(4 * height * width * outputs);
  for (let start = 0; start < out.length; start += outputs) out.set(shift, start);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = (row * width + column) * inputs;
      for (let tap = 0; tap < 16; tap++) {
        const y = 2 * row - 1 + (tap >> 2), left = 2 * column - 1 + (tap & 3);
        if (y < 0 || y >= 2 * height || left < 0 || left >= 2 * width) continue;
        const to = (y * 2 * width + left) * outputs;
        for (let i = 0; i < inputs; i++) {
          const value = x[from + i];
          if (value === 0) continue;
          const weights = (tap * inputs + i) * outputs;
          for (let o = 0; o < outputs; o++) out[to + o] += value * kernel[weights + o];
        }
      }
    }
  }
  for (let i = 0; i < out.length; i++) if (out[i] < 0) out[i] = 0;
  return out;
};

/** Values in [-1, 1] as grey levels 0 to 255. */
Gan.toLevels = (image) => Uint8ClampedArray.from(image, (value) => Math.round((value + 1) * 127.5));
