// The box on the photo that says which piece to search for. Mouse, finger or keyboard.

import { announce, el } from './dom.js';
import { percent, t } from './i18n.js';

/** Smallest side of the box, as a share of the photo's. */
const SMALLEST = 0.08;
const STEP = 0.02;
const LARGE_STEP = 0.1;
const CORNERS = ['nw', 'ne', 'se', 'sw'];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** A crop box over a photo; dispatches `change`. The box is kept in shares of the photo, 0..=1. */
export class Crop extends EventTarget {
  #photo;
  #box = { left: 0, top: 0, right: 1, bottom: 1 };
  #area;
  #handles;
  #grip;
  #tapped = false;

  /** @param {import('./photo.js').Photo} photo */
  constructor(photo) {
    super();
    this.#photo = photo;
    this.#area = el('button', { type: 'button', class: 'crop-area', 'aria-describedby': 'crop-help' });
    this.#handles = CORNERS.map((corner) => el('button', { type: 'button', class: `crop-corner ${corner}`, 'aria-describedby': 'crop-help' }));
    // Moves the box by finger; with a mouse the box itself is dragged, with the keyboard the arrows do it.
    this.#grip = el('span', { class: 'crop-grip', 'aria-hidden': 'true' });
    this.element = el('div', { class: 'crop', role: 'group' }, this.#area, this.#grip, ...this.#handles);
    this.#watchKeys();
    this.#watchPointer();
    this.draw();
  }

  /** True where the box is the whole photo. */
  get whole() {
    const { left, top, right, bottom } = this.#box;
    return left <= 0 && top <= 0 && right >= 1 && bottom >= 1;
  }

  /** The box in pixels of the photo, or null where it is all of it. */
  get pixels() {
    if (this.whole) return null;
    const { width, height } = this.#photo;
    const x = Math.floor(this.#box.left * width);
    const y = Math.floor(this.#box.top * height);
    return { x, y, width: Math.max(1, Math.ceil(this.#box.right * width) - x), height: Math.max(1, Math.ceil(this.#box.bottom * height) - y) };
  }

  /** The box as a text, to compare it with another. */
  get key() {
    return JSON.stringify(this.pixels);
  }

  /** Takes a box in pixels of the photo. */
  put({ x, y, width, height }) {
    const { width: w, height: h } = this.#photo;
    this.#set({ left: x / w, top: y / h, right: (x + width) / w, bottom: (y + height) / h });
    announce(this.#words());
  }

  /** Back to the whole photo. */
  reset() {
    this.#set({ left: 0, top: 0, right: 1, bottom: 1 });
    this.#area.focus();
  }

  /** Puts the box and its words on the page. */
  draw() {
    const { left, top, right, bottom } = this.#box;
    const style = this.element.style;
    style.setProperty('--left', left);
    style.setProperty('--top', top);
    style.setProperty('--right', right);
    style.setProperty('--bottom', bottom);
    this.element.classList.toggle('whole', this.whole);
    this.element.setAttribute('aria-label', t('crop.label'));
    this.#area.setAttribute('aria-label', this.#words());
    this.#handles.forEach((handle, index) => handle.setAttribute('aria-label', t(`crop.${CORNERS[index]}`)));
  }

  #words() {
    const { left, top, right, bottom } = this.#box;
    if (this.whole) return t('crop.all');
    return t('crop.size', { width: percent(right - left), height: percent(bottom - top), left: percent(left), top: percent(top) });
  }

  #set(box) {
    this.#box = box;
    this.draw();
    this.dispatchEvent(new Event('change'));
  }

  #move(from, dx, dy) {
    const x = clamp(dx, -from.left, 1 - from.right);
    const y = clamp(dy, -from.top, 1 - from.bottom);
    this.#set({ left: from.left + x, right: from.right + x, top: from.top + y, bottom: from.bottom + y });
  }

  #stretch(from, corner, dx, dy) {
    const box = { ...from };
    if (corner.includes('w')) box.left = clamp(from.left + dx, 0, from.right - SMALLEST);
    if (corner.includes('e')) box.right = clamp(from.right + dx, from.left + SMALLEST, 1);
    if (corner.includes('n')) box.top = clamp(from.top + dy, 0, from.bottom - SMALLEST);
    if (corner.includes('s')) box.bottom = clamp(from.bottom + dy, from.top + SMALLEST, 1);
    this.#set(box);
  }

  #watchKeys() {
    this.element.addEventListener('keydown', (event) => {
      const arrow = ARROWS[event.key];
      if (!arrow) return;
      event.preventDefault();
      const step = event.shiftKey ? LARGE_STEP : STEP;
      const [dx, dy] = arrow.map((way) => way * step);
      const corner = CORNERS[this.#handles.indexOf(event.target)];
      if (corner) this.#stretch(this.#box, corner, dx, dy);
      else this.#move(this.#box, dx, dy);
    });
    this.element.addEventListener('keyup', (event) => {
      if (event.key in ARROWS) announce(this.#words());
    });
  }

  #watchPointer() {
    this.element.addEventListener('pointerdown', (event) => {
      const corner = CORNERS[this.#handles.indexOf(event.target)];
      // A finger on the photo scrolls the page, or taps; only the handles take it.
      this.#tapped = event.pointerType !== 'mouse' && !corner && event.target !== this.#grip;
      if (event.button !== 0 || this.#tapped) return;
      event.preventDefault();
      event.target.focus?.({ preventScroll: true });
      this.element.setPointerCapture(event.pointerId);
      const drag = this.#drag(event, corner);
      const stop = () => {
        this.element.removeEventListener('pointermove', drag);
        this.element.removeEventListener('pointerup', stop);
        this.element.removeEventListener('pointercancel', stop);
      };
      this.element.addEventListener('pointermove', drag);
      this.element.addEventListener('pointerup', stop);
      this.element.addEventListener('pointercancel', stop);
    });
    this.element.addEventListener('click', (event) => {
      if (!this.#tapped || event.detail === 0) return; // a keyboard's click has no place
      this.#tapped = false;
      this.#tap(this.#share(event));
    });
  }

  /** A finger's tap brings the box there: the one there is, or a first one of half the photo a side. */
  #tap({ x, y }) {
    const { left, top, right, bottom } = this.#box;
    if (!this.whole && x >= left && x <= right && y >= top && y <= bottom) return;
    const width = this.whole ? 0.5 : right - left;
    const height = this.whole ? 0.5 : bottom - top;
    const from = { left: clamp(x - width / 2, 0, 1 - width), top: clamp(y - height / 2, 0, 1 - height) };
    this.#set({ ...from, right: from.left + width, bottom: from.top + height });
    announce(this.#words());
  }

  /** A pointer's place in shares of the photo. */
  #share(event) {
    const frame = this.element.getBoundingClientRect();
    return { x: clamp((event.clientX - frame.left) / frame.width, 0, 1), y: clamp((event.clientY - frame.top) / frame.height, 0, 1) };
  }

  /** What a drag from here does: stretch by a corner, draw a first box, or move the one there is. */
  #drag(start, corner) {
    const from = { ...this.#box };
    const a = this.#share(start);
    const draws = !corner && (this.whole || ![this.#area, this.#grip].includes(start.target));
    return (event) => {
      const b = this.#share(event);
      if (corner) this.#stretch(from, corner, b.x - a.x, b.y - a.y);
      else if (!draws) this.#move(from, b.x - a.x, b.y - a.y);
      else if (Math.abs(b.x - a.x) >= SMALLEST && Math.abs(b.y - a.y) >= SMALLEST) {
        this.#set({ left: Math.min(a.x, b.x), right: Math.max(a.x, b.x), top: Math.min(a.y, b.y), bottom: Math.max(a.y, b.y) });
      }
    };
  }
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
