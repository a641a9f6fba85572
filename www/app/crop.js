// Crop box on the photo: the area to search for. It works with mouse, touch and keyboard.

import { announce, el } from './dom.js';
import { formatPercent, t } from './i18n.js';

/** Smallest side of the box, as a fraction of the photo's side. */
const SMALLEST = 0.08;
const STEP = 0.02;
const LARGE_STEP = 0.1;
const CORNERS = ['nw', 'ne', 'se', 'sw'];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Crop box over a photo. The box is stored in fractions of the photo's sides, 0–1. Dispatches `change`, and the cancelable
 * CustomEvent `tap` with the position of a tap or of a click without a drag.
 */
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
    // Moves the box by touch. With a mouse the box itself is dragged, with the keyboard the arrow keys move it.
    this.#grip = el('span', { class: 'crop-grip', 'aria-hidden': 'true' });
    this.element = el('div', { class: 'crop', role: 'group' }, this.#area, this.#grip, ...this.#handles);
    this.#watchKeys();
    this.#watchPointer();
    this.draw();
  }

  /** True if the box is the whole photo. */
  get isWhole() {
    const { left, top, right, bottom } = this.#box;
    return left <= 0 && top <= 0 && right >= 1 && bottom >= 1;
  }

  /** Box in pixels of the photo, or null if it is the whole photo. */
  get pixels() {
    if (this.isWhole) return null;
    const { width, height } = this.#photo;
    const x = Math.floor(this.#box.left * width);
    const y = Math.floor(this.#box.top * height);
    return { x, y, width: Math.max(1, Math.ceil(this.#box.right * width) - x), height: Math.max(1, Math.ceil(this.#box.bottom * height) - y) };
  }

  /** Text that is equal for equal boxes. */
  get key() {
    return JSON.stringify(this.pixels);
  }

  /** Sets the box in pixels of the photo. */
  setPixels({ x, y, width, height }) {
    const { width: w, height: h } = this.#photo;
    this.#set({ left: x / w, top: y / h, right: (x + width) / w, bottom: (y + height) / h });
    announce(this.#description());
  }

  /** Resets the box to the whole photo. */
  reset() {
    this.#set({ left: 0, top: 0, right: 1, bottom: 1 });
    this.#area.focus();
  }

  /** Makes the box larger or smaller around its centre. */
  scale(factor) {
    const resize = (low, high) => {
      const half = clamp((high - low) * factor, SMALLEST, 1) / 2;
      const middle = clamp((low + high) / 2, half, 1 - half);
      return [middle - half, middle + half];
    };
    const [left, right] = resize(this.#box.left, this.#box.right);
    const [top, bottom] = resize(this.#box.top, this.#box.bottom);
    this.#set({ left, top, right, bottom });
    announce(this.#description());
    if (this.isWhole) this.#area.focus(); // the buttons are hidden then
  }

  /** Draws the box and sets its labels. */
  draw() {
    const { left, top, right, bottom } = this.#box;
    const style = this.element.style;
    style.setProperty('--left', left);
    style.setProperty('--top', top);
    style.setProperty('--right', right);
    style.setProperty('--bottom', bottom);
    this.element.classList.toggle('whole', this.isWhole);
    this.element.setAttribute('aria-label', t('crop.label'));
    this.#area.setAttribute('aria-label', this.#description());
    this.#handles.forEach((handle, index) => handle.setAttribute('aria-label', t(`crop.${CORNERS[index]}`)));
  }

  #description() {
    const { left, top, right, bottom } = this.#box;
    if (this.isWhole) return t('crop.all');
    return t('crop.size', {
      width: formatPercent(right - left),
      height: formatPercent(bottom - top),
      left: formatPercent(left),
      top: formatPercent(top),
    });
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

  #resize(from, corner, dx, dy) {
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
      const [dx, dy] = arrow.map((direction) => direction * step);
      const corner = CORNERS[this.#handles.indexOf(event.target)];
      if (corner) this.#resize(this.#box, corner, dx, dy);
      else this.#move(this.#box, dx, dy);
    });
    this.element.addEventListener('keyup', (event) => {
      if (event.key in ARROWS) announce(this.#description());
    });
  }

  #watchPointer() {
    this.element.addEventListener('pointerdown', (event) => {
      const corner = CORNERS[this.#handles.indexOf(event.target)];
      // A touch on the photo scrolls the page or is a tap. Only the handles can be dragged by touch.
      this.#tapped = event.pointerType !== 'mouse' && !corner && event.target !== this.#grip;
      if (event.button !== 0 || this.#tapped) return;
      event.preventDefault();
      event.target.focus?.({ preventScroll: true });
      this.element.setPointerCapture(event.pointerId);
      const drag = this.#startDrag(event, corner);
      const before = this.key;
      const stop = (end) => {
        this.element.removeEventListener('pointermove', drag);
        this.element.removeEventListener('pointerup', stop);
        this.element.removeEventListener('pointercancel', stop);
        if (end.type !== 'pointerup' || corner || event.target === this.#grip || this.key !== before) return;
        const position = this.#position(end);
        if (!this.isWhole || !this.#isTaken(position)) this.#tap(position);
      };
      this.element.addEventListener('pointermove', drag);
      this.element.addEventListener('pointerup', stop);
      this.element.addEventListener('pointercancel', stop);
    });
    this.element.addEventListener('click', (event) => {
      if (!this.#tapped || event.detail === 0) return; // a click by keyboard has no position
      this.#tapped = false;
      const position = this.#position(event);
      if (!this.#isTaken(position)) this.#tap(position);
    });
  }

  /** Dispatches `tap`. Returns true if a listener took the tap. */
  #isTaken(position) {
    return !this.dispatchEvent(new CustomEvent('tap', { detail: position, cancelable: true }));
  }

  /** Centres the box on a tap outside it. If there is no box yet, it gets half of the photo's width and height. */
  #tap({ x, y }) {
    const { left, top, right, bottom } = this.#box;
    if (!this.isWhole && x >= left && x <= right && y >= top && y <= bottom) return;
    const width = this.isWhole ? 0.5 : right - left;
    const height = this.isWhole ? 0.5 : bottom - top;
    const from = { left: clamp(x - width / 2, 0, 1 - width), top: clamp(y - height / 2, 0, 1 - height) };
    this.#set({ ...from, right: from.left + width, bottom: from.top + height });
    announce(this.#description());
  }

  /** Position of a pointer in fractions of the photo's sides. */
  #position(event) {
    const frame = this.element.getBoundingClientRect();
    return { x: clamp((event.clientX - frame.left) / frame.width, 0, 1), y: clamp((event.clientY - frame.top) / frame.height, 0, 1) };
  }

  /** Returns the listener for the moves of a drag. A drag resizes by a corner, draws a new box, or moves the box. */
  #startDrag(start, corner) {
    const from = { ...this.#box };
    const a = this.#position(start);
    const draws = !corner && (this.isWhole || ![this.#area, this.#grip].includes(start.target));
    return (event) => {
      const b = this.#position(event);
      if (corner) this.#resize(from, corner, b.x - a.x, b.y - a.y);
      else if (!draws) this.#move(from, b.x - a.x, b.y - a.y);
      else if (Math.abs(b.x - a.x) >= SMALLEST && Math.abs(b.y - a.y) >= SMALLEST) {
        this.#set({ left: Math.min(a.x, b.x), right: Math.max(a.x, b.x), top: Math.min(a.y, b.y), bottom: Math.max(a.y, b.y) });
      }
    };
  }
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
