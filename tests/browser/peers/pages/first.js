// Time from the start of the navigation to the first tags, and repeated tags.

/**
 * Opens a library and tags `window.photo`, a promise of a Blob. Sets `window.first` to `{ms, tags}`, or to `{error}`.
 * @param {(how: object) => {tag: (image: Blob|ImageBitmap) => Promise<object[]>}} open
 */
export async function start(open, how) {
  try {
    const { tag } = open(how);
    window.tag = tag;
    const tags = await tag(await window.photo);
    window.first = { ms: performance.now(), tags: tags.map(({ prob }) => prob) };
  } catch (error) {
    window.first = { error: String(error?.stack ?? error) };
  }
}

/** Tags the photo's file, or its decoded picture. Returns the time of each run, ms. */
window.repeat = async (runs, kind) => {
  window.picture ??= await createImageBitmap(await window.photo);
  const image = kind === 'file' ? await window.photo : window.picture;
  const times = [];
  for (let run = 0; run < runs; run++) {
    const begin = performance.now();
    await window.tag(image);
    times.push(performance.now() - begin);
  }
  return times;
};
