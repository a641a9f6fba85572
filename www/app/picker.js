// Sources of photos: file dialog, camera, drag and drop, clipboard.

import { byId } from './dom.js';

/** File names of images. Not every system knows the media type of every image. */
const IMAGE_NAME = /\.(jpe?g|jfif|png|webp|gif|bmp|avif|hei[cf])$/i;

/**
 * Calls `onFile` for every file that is chosen, dropped or pasted, unless another element has taken it.
 * @param {(file: Blob) => void} onFile
 */
export function watchPicker(onFile) {
  const file = byId('file');
  const camera = byId('camera');
  for (const input of [file, camera]) {
    input.addEventListener('change', () => {
      const [picked] = input.files;
      input.value = ''; // the same file may be picked again
      if (picked) onFile(picked);
    });
  }
  watchDrop(onFile);
  document.addEventListener('paste', (event) => {
    const pasted = !event.defaultPrevented && firstFile(event.clipboardData);
    if (pasted) onFile(pasted);
  });
}

function watchDrop(onFile) {
  const drop = byId('drop');
  let depth = 0; // dragenter and dragleave also come from child elements
  const changeDepth = (change) => {
    depth = Math.max(0, depth + change);
    drop.classList.toggle('over', depth > 0);
  };
  document.addEventListener('dragenter', (event) => hasFiles(event) && changeDepth(1));
  document.addEventListener('dragleave', (event) => hasFiles(event) && changeDepth(-1));
  document.addEventListener('dragover', (event) => hasFiles(event) && event.preventDefault());
  document.addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    const taken = event.defaultPrevented;
    event.preventDefault(); // otherwise the browser opens the file instead of the page
    changeDepth(-depth);
    const dropped = !taken && firstFile(event.dataTransfer);
    if (dropped) onFile(dropped);
  });
}

const hasFiles = (event) => event.dataTransfer?.types.includes('Files') ?? false;

/** Returns the first image among the files, or else the first file, which then gives an error message. */
function firstFile(transfer) {
  const files = [...(transfer?.files ?? [])];
  return files.find(({ type, name }) => type.startsWith('image/') || (type === '' && IMAGE_NAME.test(name))) ?? files[0] ?? null;
}
