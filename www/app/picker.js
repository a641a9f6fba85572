// The ways a photo comes in: file dialog, camera, drop, paste.

import { byId } from './dom.js';

/** Names of pictures whose type not every system knows. */
const PICTURE = /\.(jpe?g|jfif|png|webp|gif|bmp|avif|hei[cf])$/i;

/**
 * Wires every way in to one function.
 * @param {(file: Blob) => void} take
 */
export function watchPicker(take) {
  const file = byId('file');
  const camera = byId('camera');
  for (const input of [file, camera]) {
    input.addEventListener('change', () => {
      const [picked] = input.files;
      input.value = ''; // the same file may be picked again
      if (picked) take(picked);
    });
  }
  // A desktop's file dialog has no camera behind it.
  const touch = matchMedia('(pointer: coarse)').matches;
  byId('camera-label').hidden = !touch;
  camera.hidden = !touch;

  watchDrop(take);
  document.addEventListener('paste', (event) => {
    const pasted = firstFile(event.clipboardData);
    if (pasted) take(pasted);
  });
}

function watchDrop(take) {
  const drop = byId('drop');
  let depth = 0; // dragenter and dragleave also come from the children
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    drop.classList.toggle('over', depth > 0);
  };
  document.addEventListener('dragenter', (event) => hasFiles(event) && mark(1));
  document.addEventListener('dragleave', (event) => hasFiles(event) && mark(-1));
  document.addEventListener('dragover', (event) => hasFiles(event) && event.preventDefault());
  document.addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // the browser would leave the page for the file
    mark(-depth);
    const dropped = firstFile(event.dataTransfer);
    if (dropped) take(dropped);
  });
}

const hasFiles = (event) => event.dataTransfer?.types.includes('Files') ?? false;

/** The first picture among the files, else the first file: that one is then refused in words. */
function firstFile(transfer) {
  const files = [...(transfer?.files ?? [])];
  return files.find(({ type, name }) => type.startsWith('image/') || (type === '' && PICTURE.test(name))) ?? files[0] ?? null;
}
