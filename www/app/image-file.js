// Kind and size of an image file, read from its header without decoding.

const HEIC = ['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs', 'mif1', 'msf1'];
const AVIF = ['avif', 'avis'];

/** Largest number of JPEG segments that are read to find the size. Cameras write about a dozen before it. */
const MAX_SEGMENTS = 500;

/**
 * Reads the header of an image file.
 * @param {Blob} blob
 * @returns {Promise<{kind: 'jpeg'|'png'|'gif'|'webp'|'bmp'|'tiff'|'avif'|'heic'|null, pixels: number}>} `kind` is null for other
 *   files; `pixels` is width × height, or 0 if the header does not state it
 */
export async function inspectImage(blob) {
  const head = await read(blob, 0, 64);
  const text = (at, length) => String.fromCharCode(...head.subarray(at, at + length));
  const u16 = (at) => (head[at] ?? 0) | ((head[at + 1] ?? 0) << 8);
  const u24 = (at) => u16(at) + (head[at + 2] ?? 0) * 0x10000;
  const u32 = (at) => u16(at) + u16(at + 2) * 0x10000;

  if (head[0] === 0xff && head[1] === 0xd8) return { kind: 'jpeg', pixels: await jpegPixels(blob) };
  if (text(1, 3) === 'PNG') return { kind: 'png', pixels: big32(head, 16) * big32(head, 20) };
  if (text(0, 4) === 'GIF8') return { kind: 'gif', pixels: u16(6) * u16(8) };
  if (text(0, 2) === 'BM') {
    const isOs2 = u32(14) === 12; // a BITMAPCOREHEADER
    return { kind: 'bmp', pixels: isOs2 ? u16(18) * u16(20) : Math.abs((u32(18) | 0) * (u32(22) | 0)) };
  }
  if (text(0, 4) === 'RIFF' && text(8, 4) === 'WEBP') {
    const chunk = text(12, 4);
    const bits = u32(21); // if lossless: 14 bits of width − 1, then 14 bits of height − 1
    const sides = {
      'VP8X': [u24(24) + 1, u24(27) + 1],
      'VP8L': [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1],
      'VP8 ': [u16(26) & 0x3fff, u16(28) & 0x3fff],
    }[chunk] ?? [0, 0];
    return { kind: 'webp', pixels: sides[0] * sides[1] };
  }
  if (['II*\0', 'MM\0*'].includes(text(0, 4))) return { kind: 'tiff', pixels: 0 };
  if (text(4, 4) === 'ftyp') {
    const brands = [8, 16, 20, 24, 28, 32, 36].filter((at) => at < big32(head, 0)).map((at) => text(at, 4));
    if (brands.some((brand) => AVIF.includes(brand))) return { kind: 'avif', pixels: 0 };
    if (brands.some((brand) => HEIC.includes(brand))) return { kind: 'heic', pixels: 0 };
  }
  return { kind: null, pixels: 0 };
}

/** Reads the segments of a JPEG up to the frame header, which states the size. */
async function jpegPixels(blob) {
  let at = 2;
  for (let segments = 0; segments < MAX_SEGMENTS && at < blob.size; segments++) {
    const head = await read(blob, at, 10);
    const marker = head[1];
    if (head[0] !== 0xff || marker === 0xda) return 0;
    if (marker === 0xff) at += 1; // a fill byte
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return ((head[5] << 8) | head[6]) * ((head[7] << 8) | head[8]);
    else at += 2 + ((head[2] << 8) | head[3]);
  }
  return 0;
}

const read = async (blob, at, length) => new Uint8Array(await blob.slice(at, at + length).arrayBuffer());

const big32 = (bytes, at) => (bytes[at] ?? 0) * 0x1000000 + (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
