// What a file is, and whether it is whole: browsers show a photo that was cut off as far as it goes.

/** @typedef {"JPEG" | "PNG" | "WEBP"} Format */

export class PhotoError extends Error {}

const starts = (bytes, at, ...values) => values.every((value, i) => bytes[at + i] === value);
const ascii = (text) => [...text].map((letter) => letter.charCodeAt(0));

/**
 * The format of a file that is whole. Throws PhotoError in words of `claims`.
 * @param {Uint8Array} bytes @param {{DAMAGED: string}} claims @returns {Format}
 */
export function checkContainer(bytes, claims) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [format, whole] = found(bytes, view);
  if (!whole) throw new PhotoError(claims.DAMAGED);
  return format;
}

function found(bytes, view) {
  if (starts(bytes, 0, 0xff, 0xd8, 0xff)) return ["JPEG", endsAsJpeg(bytes)];
  if (starts(bytes, 0, 0x89, ...ascii("PNG\r\n\x1a\n"))) return ["PNG", endsAsPng(bytes, view)];
  if (starts(bytes, 0, ...ascii("RIFF")) && starts(bytes, 8, ...ascii("WEBP"))) {
    return ["WEBP", view.getUint32(4, true) + 8 <= bytes.length];
  }
  if (starts(bytes, 4, ...ascii("ftyp"))) throw new PhotoError("HEIC, AVIF and video files cannot be read. Save the photo as JPEG.");
  throw new PhotoError("This is not a photo that can be read. Use JPEG, PNG or WebP.");
}

/** Walks the segments and scans of ITU-T T.81 up to the end of the image. */
function endsAsJpeg(bytes) {
  let at = 2;
  while (at + 1 < bytes.length) {
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff) at++; // data of a scan
    else if (marker === 0xd9) return true;
    else if (marker === 0x00 || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else if (marker === 0xff) at++; // fill
    else at += 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
  }
  return false;
}

/** Walks the chunks up to IEND. */
function endsAsPng(bytes, view) {
  let at = 8;
  while (at + 12 <= bytes.length) {
    const next = at + 12 + view.getUint32(at);
    if (starts(bytes, at + 4, ...ascii("IEND"))) return next <= bytes.length;
    at = next;
  }
  return false;
}
