// A network in its worker: open it, segment pictures, close it.

import { readMetadata } from "./onnx_metadata.js";

const CERTAIN = 0.999; // share of equal labels, which every export must reach

/** Finds a graphics card. */
async function findCard() {
  return (await navigator.gpu?.requestAdapter().catch(() => null)) ?? null;
}

/** Whether two engines give a network's labels: on a picture of blocks with noise. */
async function agree(one, other) {
  const [width, height] = one.sizeFor(256, 128, 1);
  const picture = new ImageData(width, height);
  const random = (place) => (Math.imul(place + 1, 0x9e3779b1) >>> 16) & 255;
  picture.data.forEach((_, place) => {
    const [channel, pixel] = [place % 4, Math.floor(place / 4)];
    const [row, column] = [Math.floor(pixel / width), pixel % width];
    const block = random((row >> 4) * 9973 + (column >> 4) * 31 + channel);
    picture.data[place] = block * 0.9 + random(place) * 0.1;
  });
  const copy = new ImageData(picture.data.slice(), width, height);
  const { labels } = await one.segment(picture);
  const expected = (await other.segment(copy)).labels;
  const equal = labels.reduce((sum, label, place) => sum + (label === expected[place]), 0);
  return equal >= CERTAIN * labels.length;
}

export class Network {
  #worker;
  #waiting = new Map();
  #count = 0;

  /**
   * Opens an exported network.
   *
   * A graphics card is taken if it gives the labels that the processor does: its driver,
   * or what ONNX Runtime does on it, may be wrong and raise no error.
   *
   * @param {Uint8Array} bytes The ONNX file.
   * @param {"auto" | "webgpu" | "wasm"} engine
   * @param {() => Promise<Uint8Array | null>} forCard Gets the same network as a file for
   *   graphics cards, if there is one.
   */
  static async open(bytes, engine = "auto", forCard = async () => null) {
    const about = readMetadata(bytes);
    const start = (where, file = bytes) => new Network(about, file)._start(where);
    const adapter = engine === "wasm" ? null : await findCard();
    if (engine === "webgpu" && !adapter) {
      throw new Error("The browser gives this page no graphics card; take the processor.");
    }
    // A card that the processor plays is slower than itself.
    const isPlayed = adapter?.info?.isFallbackAdapter;
    if (!adapter || (engine === "auto" && isPlayed)) return start("wasm");
    const processor = await start("wasm");
    const card = await start("webgpu", (await forCard()) ?? bytes).catch(() => null);
    if (card && (await agree(card, processor).catch(() => false))) {
      processor.close();
      return card;
    }
    card?.close();
    if (engine === "auto") return processor;
    processor.close();
    throw new Error("The graphics card gives other labels, or none; take the processor.");
  }

  constructor(about, bytes) {
    Object.assign(this, about, { bytes }); // names, palette, variant, smallest
  }

  async _start(engine) {
    this.#worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data: { number, answer, error } }) => {
      const { resolve, reject } = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (error === undefined) resolve(answer);
      else reject(new Error(error));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      for (const { reject } of this.#waiting.values()) {
        reject(new Error("The page's worker.js does not start."));
      }
    };
    try {
      Object.assign(this, await this.#ask("open", { model: this.bytes, engine }));
    } catch (error) {
      this.close();
      throw error;
    }
    return this;
  }

  #ask(task, values, moved = []) {
    const number = this.#count++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ task, number, ...values }, moved);
    });
  }

  /**
   * Finds the class of each pixel.
   *
   * @param {ImageData} image Of the size of `sizeFor`; it is gone afterwards.
   * @returns {Promise<{labels: Uint8Array | Uint16Array, milliseconds: number}>}
   */
  async segment({ data, width, height }) {
    if (Math.min(width, height) < this.smallest) {
      throw new Error(
        `The picture has ${width} × ${height} pixels, and the network takes those of ` +
          `${this.smallest} × ${this.smallest} on; take a larger one.`,
      );
    }
    const classes = this.names.length;
    const values = { pixels: data.buffer, width, height, classes };
    return { ...(await this.#ask("segment", values, [data.buffer])), width, height };
  }

  /** Returns the width and height to segment at: of so many megapixels, or fewer. */
  sizeFor(width, height, megapixels) {
    if (this.fixed) return this.fixed;
    const scale = Math.min(1, Math.sqrt((megapixels * 2 ** 20) / (width * height)));
    return [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  }

  close() {
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(new Error("closed"));
    this.#waiting.clear();
  }
}
