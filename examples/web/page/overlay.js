// Classes as colours over a picture, and their shares of it.

/** Returns the share of each class, 0 to 1. */
export function sharesOf(labels, classes) {
  const counts = new Uint32Array(Math.max(classes, 256));
  for (const label of labels) counts[label]++;
  return Array.from(counts.subarray(0, classes), (count) => count / labels.length);
}

/** Paints labels on a canvas of their size; hidden classes stay clear. */
export function paintLabels(canvas, { labels, width, height }, palette, hidden) {
  const picture = new ImageData(width, height);
  const colors = new Uint32Array(65536);
  const bytes = new Uint8Array(colors.buffer);
  palette.forEach(([red, green, blue], label) => {
    if (!hidden.has(label)) bytes.set([red, green, blue, 255], 4 * label);
  });
  const pixels = new Uint32Array(picture.data.buffer);
  for (let place = 0; place < pixels.length; place++) pixels[place] = colors[labels[place]];
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** Draws a picture on a canvas of its size. */
export function paintPicture(canvas, bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}

/** Returns the picture with the colours over it, as a PNG of the picture's size. */
export function composed(picture, overlay, opacity) {
  const { width, height } = picture;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = false;
  context.drawImage(overlay, 0, 0, width, height);
  return canvas.convertToBlob({ type: "image/png" });
}
