// The page: what is opened, what is shown of it, and what is saved.

import { Legend, percent } from "./legend.js";
import { Network } from "./network.js";
import { composed, paintLabels, paintPicture, sharesOf } from "./overlay.js";
import { framesOf, openCamera, openVideo, pixelsOf, readPicture } from "./pictures.js";
import { labelsToPng } from "./png.js";
import { followPointer } from "./pointer.js";

const MEGAPIXELS = { picture: 2, video: 0.13 }; // where nobody chose
const SAMPLES = ["sample_1.png", "sample_2.png", "sample_3.png"];
const MODEL = "model.onnx";
const MODEL_FOR_CARDS = "model_webgpu.onnx";

const page = Object.fromEntries(
  [...document.querySelectorAll("[id]")].map((element) => [element.id, element]),
);
let network; // the open `Network`
let opened; // what `openNetwork` was given for it
let shown; // { bitmap, name, kind, labels, width, height } of what is on the screen
let job = new AbortController(); // of what runs; a newer one aborts it

const legend = new Legend(page.legend, () => {
  if (shown) paintLabels(page.overlay, shown, network.palette, legend.hidden);
});
const pointer = followPointer(page, (x, y) => {
  if (!shown?.labels) return "";
  const { labels, width, height } = shown;
  const place = (share, side) => Math.min(side - 1, Math.floor(share * side));
  return network.names[labels[place(y, height) * width + place(x, width)]] ?? "";
});

/** Begins something that ends what runs; returns the signal that says its own end. */
function begin(status) {
  job.abort();
  job = new AbortController();
  page.error.hidden = true;
  page.stop.hidden = true;
  page.camera.hidden = false;
  page.status.textContent = status;
  return job.signal;
}

/** Runs a step of the page; what goes wrong is said in a sentence. */
async function attempt(signal, step) {
  document.body.ariaBusy = "true";
  try {
    await step();
  } catch (error) {
    if (signal.aborted) return;
    page.status.textContent = "";
    page.error.textContent = error.message;
    page.error.hidden = false;
  } finally {
    if (!signal.aborted) document.body.ariaBusy = "false";
  }
}

async function openNetwork(content, name, forCard) {
  const signal = begin("Loading the network…");
  await attempt(signal, async () => {
    const next = await Network.open(content, page.engine.value, forCard);
    if (signal.aborted) return next.close();
    network?.close();
    [network, opened] = [next, [content, name, forCard]];
    legend.clear();
    page.camera.disabled = false;
    if (page.samples.hidden) listSamples();
    const threads = `${network.threads} thread${network.threads > 1 ? "s" : ""}`;
    const places = {
      webgpu: "the graphics card (WebGPU)",
      wasm: `the processor (WebAssembly, ${threads})`,
    };
    const size = (content.length / 1e6).toFixed(1);
    page.network.textContent =
      `${network.variant || name}: ${network.names.length} classes, ${size} MB, ` +
      `on ${places[network.engine]}.`;
    page.status.textContent = "Ready.";
    if (shown) await segmentPicture(signal, shown.bitmap, shown.name);
  });
}

/** Segments a picture or frame and shows it; returns the share of each class. */
async function segment(signal, bitmap, name, kind) {
  const started = performance.now();
  const chosen = { auto: MEGAPIXELS[kind], full: Infinity }[page.detail.value];
  const limit = chosen ?? Number(page.detail.value);
  const size = network.sizeFor(bitmap.width, bitmap.height, limit);
  const pixels = pixelsOf(bitmap, ...size);
  const read = performance.now();
  const found = await network.segment(pixels);
  if (signal.aborted) return null;
  const painted = performance.now();
  const shares = sharesOf(found.labels, network.names.length);
  const old = shown?.bitmap;
  shown = { bitmap, name, kind, ...found };
  paintPicture(page.picture, bitmap);
  paintLabels(page.overlay, found, network.palette, legend.hidden);
  if (old !== bitmap) old?.close();
  legend.update(shares, network.names, network.palette, kind === "video");
  page.frame.style.setProperty("--ratio", bitmap.width / bitmap.height);
  page.hint.hidden = true;
  page.frame.hidden = page.side.hidden = page.keys.hidden = false;
  pointer.refresh();
  const whole = performance.now();
  const milliseconds = (from, to) => `${Math.round(to - from)} ms`;
  page.timings.textContent =
    `${found.width} × ${found.height} pixels: read ${milliseconds(started, read)}, ` +
    `network ${milliseconds(0, found.milliseconds)}, ` +
    `drawn ${milliseconds(painted, whole)}`;
  return shares;
}

async function segmentPicture(signal, bitmap, name) {
  page.status.textContent = `Segmenting ${name}…`;
  const shares = await segment(signal, bitmap, name, "picture");
  if (!shares) return;
  const largest = [...network.names.keys()]
    .filter((label) => shares[label] > 0)
    .sort((one, other) => shares[other] - shares[one])
    .slice(0, 3)
    .map((label) => `${network.names[label]} ${percent(shares[label])}`);
  page.status.textContent = `${name}: ${largest.join(", ")}.`;
  page.frame.ariaLabel = page.status.textContent;
}

function openPicture(file) {
  const signal = begin(`Reading ${file.name}…`);
  return attempt(signal, async () => {
    const bitmap = await readPicture(file);
    if (!signal.aborted) await segmentPicture(signal, bitmap, file.name);
  });
}

/** Segments a video or the camera until something else is opened, or Stop. */
function follow(name, open) {
  const signal = begin(`Starting ${name}…`);
  return attempt(signal, async () => {
    const source = await open();
    try {
      if (signal.aborted) return;
      page.stop.hidden = false;
      page.camera.hidden = true;
      page.status.textContent = `Segmenting ${name}.`;
      page.frame.ariaLabel = name;
      let last = performance.now();
      let interval = null; // between frames, a running mean
      for await (const bitmap of framesOf(source.video, signal)) {
        if (!(await segment(signal, bitmap, name, "video"))) break;
        const now = performance.now();
        interval = interval === null ? now - last : 0.9 * interval + 0.1 * (now - last);
        last = now;
        page.timings.textContent += `; ${(1000 / interval).toFixed(1)} frames a second`;
      }
    } finally {
      source.close();
    }
  });
}

async function openFile(file) {
  if (!file) return;
  if (file.name?.toLowerCase().endsWith(".onnx")) {
    await openNetwork(new Uint8Array(await file.arrayBuffer()), file.name);
  } else if (!network) {
    page.status.textContent = "There is no network yet.";
  } else if (file.type.startsWith("video/")) {
    await follow(file.name, () => openVideo(file));
  } else {
    await openPicture(file);
  }
}

async function openSample(address) {
  const answer = await fetch(address);
  await openFile(new File([await answer.blob()], address, { type: "image/png" }));
}

function save(blob, ending) {
  const stem = shown.name.replace(/\.[^.]*$/, "");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${stem}_${ending}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function listSamples() {
  page.samples.hidden = false;
  SAMPLES.forEach((address, index) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const image = Object.assign(new Image(), { src: address, alt: `Sample ${index + 1}` });
    image.onerror = () => button.remove();
    button.append(image);
    button.onclick = () => openSample(address);
    page.samples.append(button);
  });
}

function listen() {
  page.open.onclick = () => page.file.click();
  page.file.onchange = () => {
    openFile(page.file.files[0]);
    page.file.value = ""; // so that the same file can be chosen again
  };
  page.camera.onclick = () => follow("the camera", openCamera);
  page.stop.onclick = () => {
    begin("Stopped.");
    document.body.ariaBusy = "false";
    page.camera.focus();
  };
  page.opacity.oninput = () => {
    page["opacity-value"].textContent = `${page.opacity.value} %`;
    page.frame.style.setProperty("--opacity", page.opacity.value / 100);
  };
  page.all.onclick = () => legend.showAll(true);
  page.none.onclick = () => legend.showAll(false);
  page.detail.onchange = () => {
    if (shown?.kind !== "picture") return;
    const signal = begin("");
    attempt(signal, () => segmentPicture(signal, shown.bitmap, shown.name));
  };
  page.engine.onchange = () => openNetwork(...opened);
  page["save-labels"].onclick = async () =>
    save(await labelsToPng(shown.labels, shown.width, shown.height), "labels");
  page["save-picture"].onclick = async () =>
    save(await composed(page.picture, page.overlay, page.opacity.value / 100), "overlay");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      document.body.classList.toggle("dropping", kind === "dragover");
    });
  }
  document.addEventListener("drop", (event) => openFile(event.dataTransfer.files[0]));
  document.addEventListener("paste", (event) => openFile(event.clipboardData.files[0]));
}

/** Returns the bytes of a file beside the page; `null` if it is not there. */
async function load(name) {
  const answer = await fetch(name).catch(() => null);
  return answer?.ok ? new Uint8Array(await answer.arrayBuffer()) : null;
}

async function start() {
  listen();
  const content = await load(MODEL);
  if (!content) {
    page.network.textContent = "";
    page.error.textContent =
      `${MODEL} is not beside the page. Drop an .onnx file here, or make the folder with ` +
      "`keras-lraspp demo --weights=best.keras --out=DIR`.";
    page.error.hidden = false;
    return;
  }
  await openNetwork(content, MODEL, () => load(MODEL_FOR_CARDS));
}

await start();
