// A grey PNG whose values are the classes, as `keras-lraspp predict` writes them.

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  return value;
});

function crc32(bytes) {
  let value = ~0;
  for (const byte of bytes) value = CRC[(value ^ byte) & 255] ^ (value >>> 8);
  return ~value >>> 0;
}

function chunk(kind, content) {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(kind), 4);
  bytes.set(content, 8);
  view.setUint32(bytes.length - 4, crc32(bytes.subarray(4, -4)));
  return bytes;
}

/**
 * Writes labels as a PNG; a canvas can only write colours.
 *
 * @param {Uint8Array | Uint16Array} labels The class of each pixel, row by row.
 * @returns {Promise<Blob>} Of 8 bits a pixel, or 16 where the labels have them.
 */
export async function labelsToPng(labels, width, height) {
  const size = labels.BYTES_PER_ELEMENT;
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = size * 8; // and 0 behind it: grey, no interlacing
  const row = 1 + width * size; // a row begins with the number of its filter, 0
  const raw = new Uint8Array(row * height);
  const rows = new DataView(raw.buffer);
  for (let y = 0; y < height; y++) {
    const line = labels.subarray(y * width, (y + 1) * width);
    const start = y * row + 1;
    if (size === 1) raw.set(line, start);
    else line.forEach((value, x) => rows.setUint16(start + 2 * x, value));
  }
  const packed = new Blob([raw]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  const parts = [chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", [])];
  return new Blob([signature, ...parts], { type: "image/png" });
}
