// Classes and colours out of an ONNX file, which ONNX Runtime does not hand to the page.
//
// The file is a protobuf message: fields, each a number and a value. The entries of its
// metadata are texts by name in field 14, as keras_lraspp/export/metadata.py writes them.

const METADATA = 14;

/** Yields the fields of a message: their numbers, and the bytes of those that have some. */
function* fields(bytes) {
  let offset = 0;
  const varint = () => {
    let value = 0;
    for (let power = 1; ; power *= 128) {
      const byte = bytes[offset++];
      if (byte === undefined || power > 2 ** 56) throw new Error("cut");
      value += (byte & 127) * power;
      if (byte < 128) return value;
    }
  };
  while (offset < bytes.length) {
    const key = varint();
    const kind = key % 8;
    const length = { 0: 0, 1: 8, 5: 4 }[kind] ?? (kind === 2 ? varint() : NaN);
    if (kind === 0) varint();
    if (!(offset + length <= bytes.length)) throw new Error("cut");
    yield [Math.floor(key / 8), bytes.subarray(offset, offset + length)];
    offset += length;
  }
}

/** Returns the texts of the metadata by name; throws if the bytes are no ONNX file. */
function entries(bytes) {
  const text = new TextDecoder();
  const found = {};
  for (const [number, value] of fields(bytes)) {
    if (number !== METADATA) continue;
    const pair = Object.fromEntries(fields(value));
    found[text.decode(pair[1])] = text.decode(pair[2]);
  }
  return found;
}

/**
 * Reads what an exported file says of its network.
 *
 * @param {Uint8Array} bytes The file.
 * @returns {{names: string[], palette: number[][], variant: string, smallest: number}}
 */
export function readMetadata(bytes) {
  let found;
  try {
    found = entries(bytes);
  } catch {
    throw new Error("This is no ONNX file, or it was cut; export the network again.");
  }
  const list = (key) => {
    try {
      return [JSON.parse(found[key])].flat();
    } catch {
      return [];
    }
  };
  const names = list("classes");
  const palette = list("palette");
  const isColor = (color) =>
    color?.length === 3 && color.every((v) => Number.isInteger(v) && v >= 0 && v < 256);
  if (!names.length || names.length !== palette.length || !palette.every(isColor)) {
    throw new Error(
      "The file does not say its classes and their colours; write it with " +
        "`keras-lraspp export --format=onnx`.",
    );
  }
  const pictures = list("picture_palette"); // apart over a photograph, if there
  const isWhole = pictures.length === names.length && pictures.every(isColor);
  return {
    names: names.map(String),
    palette: isWhole ? pictures : palette,
    variant: found.variant ?? "",
    smallest: Number(found.smallest_side) || 1,
  };
}
