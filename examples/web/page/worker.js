// Runs a network in ONNX Runtime, off the page's own thread.

const RUNTIME = {
  webgpu: "./runtime/ort.webgpu.bundle.min.mjs",
  wasm: "./runtime/ort.wasm.bundle.min.mjs",
};
const MOST_THREADS = 8;

let ort;
let session;

/** Opens the network; returns its threads and the size it takes, if only one. */
async function open({ model, engine }) {
  try {
    ort = await import(RUNTIME[engine]);
  } catch {
    throw new Error("ONNX Runtime is missing beside the page, or damaged: runtime/.");
  }
  const cores = Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS);
  // Memory that threads share is only for pages with the headers that isolate them.
  const threads = self.crossOriginIsolated ? cores : 1;
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  session = await ort.InferenceSession.create(new Uint8Array(model), {
    executionProviders: [engine],
  });
  const [input] = session.inputMetadata;
  const [, height, width, channels] = input?.shape ?? [];
  const isOurs = input?.type === "uint8" && channels === 3;
  if (!isOurs || !session.outputNames.includes("labels")) {
    throw new Error(
      "The page takes networks from RGB pixels to labels, and this is another; write " +
        "it with `keras-lraspp export --format=onnx`.",
    );
  }
  const fixed = [width, height].every(Number.isInteger) ? [width, height] : null;
  return { engine, threads, fixed };
}

/** Segments RGBA pixels; returns a class for each, in 8 bits where they do. */
async function segment({ pixels, width, height, classes }) {
  const rgba = new Uint8Array(pixels);
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    rgb[to++] = rgba[from];
    rgb[to++] = rgba[from + 1];
    rgb[to++] = rgba[from + 2];
  }
  const started = performance.now();
  const image = new ort.Tensor("uint8", rgb, [1, height, width, 3]);
  const found = await session.run({ [session.inputNames[0]]: image }, ["labels"]);
  const values = await found.labels.getData();
  const milliseconds = performance.now() - started;
  found.labels.dispose();
  const labels = classes > 256 ? new Uint16Array(values) : new Uint8Array(values);
  return { labels, milliseconds };
}

const TASKS = { open, segment };
let last = Promise.resolve(); // a session runs one picture at a time

self.onmessage = ({ data: { task, number, ...values } }) => {
  last = last.then(async () => {
    try {
      const answer = await TASKS[task](values);
      const moved = answer.labels ? [answer.labels.buffer] : [];
      self.postMessage({ number, answer }, moved);
    } catch (error) {
      self.postMessage({ number, error: String(error?.message ?? error) });
    }
  });
};
