// Pictures, videos and the camera: from a file to pixels.

/** Decodes a picture as stored: turned as its EXIF says, its colours as they are. */
export async function readPicture(file) {
  try {
    return await createImageBitmap(file, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new Error(
      `${file.name || "The file"} is no picture that this browser reads, or it is ` +
        "damaged; take a JPEG, PNG or WebP.",
    );
  }
}

/** Returns the pixels of a picture or frame at a size. */
export function pixelsOf(bitmap, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** Starts a video without sound; it begins again at its end. */
export async function openVideo(file) {
  const address = URL.createObjectURL(file);
  const what = `${file.name} is no video that this browser plays; take an MP4 or WebM.`;
  try {
    return await play({ src: address, loop: true }, () => URL.revokeObjectURL(address));
  } catch {
    URL.revokeObjectURL(address);
    throw new Error(what);
  }
}

/** Starts the camera, on a phone the one at its back. */
export async function openCamera() {
  if (!navigator.mediaDevices) {
    throw new Error("The browser gives a camera to pages on this machine or HTTPS only.");
  }
  let stream;
  try {
    const video = { facingMode: "environment", width: { ideal: 1280 } };
    stream = await navigator.mediaDevices.getUserMedia({ video });
  } catch (error) {
    const reasons = {
      NotAllowedError: "The page may not use the camera; allow it in the browser.",
      NotFoundError: "There is no camera.",
      NotReadableError: "Another program uses the camera; end it.",
    };
    throw new Error(reasons[error.name] ?? `The camera does not start: ${error.message}`);
  }
  const end = () => stream.getTracks().forEach((track) => track.stop());
  try {
    return await play({ srcObject: stream }, end);
  } catch {
    end();
    throw new Error("The camera gives no picture.");
  }
}

async function play(settings, close) {
  const video = Object.assign(document.createElement("video"), {
    muted: true,
    playsInline: true,
    ...settings,
  });
  await new Promise((resolve, reject) => {
    video.onloadeddata = resolve;
    video.onerror = reject;
  });
  await video.play();
  return {
    video,
    close() {
      video.pause();
      video.removeAttribute("src");
      video.srcObject = null;
      close();
    },
  };
}

/** Yields the newest frame, as often as it is asked for, until `signal` stops it. */
export async function* framesOf(video, signal) {
  const next = (call) =>
    video.requestVideoFrameCallback?.(call) ?? requestAnimationFrame(call);
  while (!signal.aborted) {
    await new Promise((resolve) => {
      signal.addEventListener("abort", resolve, { once: true });
      next(() => {
        signal.removeEventListener("abort", resolve);
        resolve();
      });
    });
    if (!signal.aborted) yield await createImageBitmap(video);
  }
}
