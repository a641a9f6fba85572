// The element <style-tagger>: a form field that tags a photo on this device.
//
// Its value in a form is the ids of the labels that it shows. The element has no inline style and no inline script. Its style
// sheet is a constructed one, so that it works under `style-src 'self'`.

import { Photo, StyleTagger, TaggerError } from './index.js';

/** Largest number of labels of a group that are shown. */
const MAX_SHOWN = 3;

/** URLs and options of the tagger, by the attribute that states them. */
const OPTIONS = { 'base-url': 'baseUrl', 'manifest-url': 'manifestUrl', 'weights-url': 'weightsUrl', 'module-url': 'moduleUrl', 'worker-url': 'workerUrl', backend: 'backend' };

const TEXTS = {
  en: {
    choose: 'Choose a photo', hint: 'or drop or paste one here. It stays on this device.', loading: 'Loading {share}', busy: 'Recognising…', none: 'Not sure',
    required: 'Choose a photo.', labels: 'Labels', photo: 'The photo', drawn: 'Styles were learnt from drawings.',
    failed: 'The photo was not recognised. Try again.', unreadable: 'The photo could not be read.', unreachable: 'No connection. Try again.', not_an_image: 'This file is not an image.', heic: 'This browser cannot open HEIC photos.',
    too_large: 'This photo is too large.', memory: 'This photo needs too much memory.', pixels_hidden: 'This browser does not let pages read photos.',
  },
  zh: {
    choose: '选择照片', hint: '也可拖放或粘贴到这里。照片留在本机。', loading: '正在加载 {share}', busy: '正在识别…', none: '不太确定',
    required: '请选择照片。', labels: '标签', photo: '照片', drawn: '风格是从绘图中学到的。',
    failed: '无法识别这张照片，请重试。', unreadable: '无法读取这张照片。', unreachable: '网络没有响应，请重试。', not_an_image: '这个文件不是图片。', heic: '此浏览器无法打开 HEIC 照片。',
    too_large: '这张照片太大。', memory: '内存不足，无法打开这张照片。', pixels_hidden: '此浏览器不允许网页读取照片。',
  },
};

const STYLE = `
  :host { display: block; }
  :host([hidden]) { display: none; }
  [part~=drop] { border: 1px dashed currentColor; border-radius: 0.5rem; padding: 1rem; }
  [part~=over] { border-style: solid; }
  [part=button] { display: inline-block; min-block-size: 1.5rem; border: 1px solid currentColor; border-radius: 0.25rem; padding: 0.5rem 1rem; cursor: pointer; }
  [part=button]:focus-within { outline: 2px solid; outline-offset: 2px; }
  :host(:disabled) [part=button] { cursor: not-allowed; opacity: 0.6; }
  input { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
  [part=photo] { margin-block-start: 0.75rem; }
  [part=photo] canvas { display: block; max-inline-size: 100%; max-block-size: 20rem; border-radius: 0.25rem; }
  [part=tags] { display: flex; flex-wrap: wrap; gap: 0.5rem; list-style: none; margin: 0.5rem 0; padding: 0; }
  [part=tag] { border: 1px solid currentColor; border-radius: 1rem; padding: 0.125rem 0.75rem; }
  [part=note] { margin-block: 0.5rem; font-size: 0.875em; }
  [hidden] { display: none; }
`;

let sheet = null;

/** Makes an element of the shadow tree. */
function make(name, properties, ...children) {
  const { part, ...rest } = properties;
  const element = Object.assign(document.createElement(name), rest);
  if (part) element.setAttribute('part', part);
  element.append(...children);
  return element;
}

// A server has no HTMLElement. There the module only has to load.
const Base = globalThis.HTMLElement ?? class {};

/**
 * Form field that tags a photo. Dispatches `tag` ({detail: TagAnswer}), `progress`, `fallback` and `error` ({detail: TaggerError}), and
 * the events `input` and `change` of a form field.
 */
export class StyleTaggerElement extends Base {
  static formAssociated = true;
  static observedAttributes = ['group', 'required', 'lang', ...Object.keys(OPTIONS)];

  /** Function that names a tag in the page's language. By default the id in words. */
  labelText = ({ id }) => id.replaceAll('_', ' ');

  #internals;
  #tagger = null;
  #given = null; // the tagger that the page gave
  #work = new AbortController();
  #result = null;
  #message = null; // key of the text shown, or null
  #share = null; // downloaded share, 0–1
  #parts = {};

  constructor() {
    super();
    this.#internals = this.attachInternals();
    const root = this.attachShadow({ mode: 'open', delegatesFocus: true });
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
    }
    root.adoptedStyleSheets = [sheet];
    const slot = (name) => Object.assign(document.createElement('slot'), { name });
    const input = make('input', { type: 'file', accept: 'image/*' });
    const parts = {
      input,
      drop: make('div', { part: 'drop' }),
      choose: slot('button'),
      hint: slot('hint'),
      photo: make('div', { part: 'photo', hidden: true }),
      status: make('p', { part: 'status', role: 'status' }),
      progress: make('progress', { part: 'progress', max: 1, hidden: true }),
      tags: make('ul', { part: 'tags', hidden: true }),
      note: make('p', { part: 'note', hidden: true }),
    };
    this.#parts = parts;
    parts.drop.append(make('label', { part: 'button' }, input, parts.choose), ' ', make('span', { part: 'hint' }, parts.hint));
    root.append(
      parts.drop, parts.photo, parts.status, parts.progress, parts.tags, parts.note, document.createElement('slot'),
    );
    input.addEventListener('change', () => {
      const [file] = input.files;
      input.value = ''; // the same file may be chosen again
      if (file) this.tag(file).catch(() => {});
    });
    input.addEventListener('input', (event) => event.stopPropagation()); // the element dispatches its own after the photo was tagged
    const take = (event, transfer) => {
      const file = [...(transfer?.files ?? [])].find(({ type }) => type === '' || type.startsWith('image/')) ?? transfer?.files[0];
      if (!file || this.#isDisabled) return;
      event.preventDefault();
      this.tag(file).catch(() => {});
    };
    const over = (is) => (event) => {
      if (is && event.dataTransfer?.types.includes('Files')) event.preventDefault();
      parts.drop.part.toggle('over', is);
    };
    this.addEventListener('dragover', over(true));
    this.addEventListener('dragleave', over(false));
    this.addEventListener('drop', (event) => {
      over(false)(event);
      take(event, event.dataTransfer);
    });
    this.addEventListener('paste', (event) => take(event, event.clipboardData));
  }

  connectedCallback() {
    this.#draw();
  }

  disconnectedCallback() {
    // A moved element is connected again at once.
    queueMicrotask(() => this.isConnected || this.#forgetTagger());
  }

  attributeChangedCallback(name) {
    if (name in OPTIONS) this.#forgetTagger();
    this.#draw();
  }

  /** The tagger in use. By default the element makes one from its attributes. */
  get tagger() {
    return this.#given ?? (this.#tagger ??= this.#makeTagger());
  }

  set tagger(tagger) {
    this.#forgetTagger();
    this.#given = tagger;
  }

  /** Answer for the photo, or null. */
  get result() {
    return this.#result;
  }

  /** Ids of the labels shown. */
  get value() {
    return this.#shownTags().map(({ id }) => id);
  }

  get name() {
    return this.getAttribute('name') ?? '';
  }

  set name(name) {
    this.setAttribute('name', name);
  }

  get form() {
    return this.#internals.form;
  }

  get validity() {
    return this.#internals.validity;
  }

  get validationMessage() {
    return this.#internals.validationMessage;
  }

  get willValidate() {
    return this.#internals.willValidate;
  }

  checkValidity() {
    return this.#internals.checkValidity();
  }

  reportValidity() {
    return this.#internals.reportValidity();
  }

  /** Tags a file or another input and shows it. Replaces the photo before, whose work is aborted. */
  async tag(image) {
    this.#work.abort();
    const { signal } = (this.#work = new AbortController());
    const { tagger } = this;
    const onProgress = ({ detail }) => this.#onProgress(detail, signal);
    tagger.addEventListener('progress', onProgress);
    this.#parts.photo.replaceChildren(); // only files have a picture of their own
    this.#set({ message: 'busy' });
    try {
      tagger.load('tagger', { signal }).catch(() => {}); // in parallel to the decoding; `tag` reports a failure
      const photo = image instanceof Blob ? await Photo.open(image, signal) : image;
      if (photo instanceof Photo) this.#show(photo);
      const result = await tagger.tag(photo, { signal });
      this.#set({ result });
      this.#dispatch('tag', result);
      this.#dispatch('input');
      this.#dispatch('change');
      return result;
    } catch (error) {
      if (signal.aborted) throw error;
      const code = error instanceof TaggerError ? error.code : 'failed';
      this.#set({ message: code in TEXTS.en ? code : 'failed' });
      this.#dispatch('error', error);
      throw error;
    } finally {
      tagger.removeEventListener('progress', onProgress);
    }
  }

  /** Removes the photo and its labels. */
  clear() {
    this.#work.abort();
    this.#parts.photo.replaceChildren();
    this.#set({});
  }

  formResetCallback() {
    this.clear();
  }

  formDisabledCallback() {
    this.#draw();
  }

  get #isDisabled() {
    return this.matches(':disabled');
  }

  get #texts() {
    const language = this.closest('[lang]')?.lang ?? '';
    return /^zh\b/i.test(language) ? TEXTS.zh : TEXTS.en;
  }

  #makeTagger() {
    const options = {};
    for (const [attribute, option] of Object.entries(OPTIONS)) if (this.hasAttribute(attribute)) options[option] = this.getAttribute(attribute);
    const tagger = new StyleTagger(options);
    tagger.addEventListener('fallback', ({ detail }) => this.#dispatch('fallback', detail));
    return tagger;
  }

  #forgetTagger() {
    this.#work.abort();
    this.#tagger?.dispose();
    this.#tagger = null;
  }

  #onProgress({ model, loaded, total }, signal) {
    if (signal.aborted || model !== 'tagger') return;
    this.#dispatch('progress', { loaded, total });
    this.#set({ message: loaded < total ? 'loading' : 'busy', share: loaded < total ? loaded / total : null });
  }

  /** Shows a photo. An aborted call never reaches this. */
  #show({ canvas }) {
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', this.#texts.photo);
    this.#parts.photo.replaceChildren(canvas);
  }

  #set({ result = null, message = null, share = null }) {
    this.#result = result;
    this.#message = message;
    this.#share = share;
    this.#draw();
  }

  /** Labels to show: per group the most probable ones that are certain, or predicted if the bundle states no precise thresholds. */
  #shownTags() {
    if (!this.#result) return [];
    const { tags, statesPrecise } = this.#result;
    const passing = tags.filter(({ stated, on }) => (statesPrecise ? stated : on)).sort((a, b) => b.prob - a.prob);
    const group = this.getAttribute('group');
    const counts = new Map();
    return passing.filter((tag) => {
      const count = (counts.get(tag.group) ?? 0) + 1;
      counts.set(tag.group, count);
      return count <= MAX_SHOWN && (group === null || tag.group === group);
    });
  }

  #draw() {
    const { input, choose, hint, photo, status, progress, tags, note } = this.#parts;
    const texts = this.#texts;
    const shown = this.#shownTags();
    choose.textContent = texts.choose;
    hint.textContent = texts.hint;
    input.disabled = this.#isDisabled;
    photo.hidden = photo.childElementCount === 0;
    const share = this.#share === null ? '' : `${Math.round(100 * this.#share)}%`;
    status.textContent = this.#message ? texts[this.#message].replace('{share}', share) : this.#result && shown.length === 0 ? texts.none : '';
    progress.hidden = this.#share === null;
    progress.value = this.#share ?? 0;
    tags.hidden = shown.length === 0;
    tags.setAttribute('aria-label', texts.labels);
    tags.replaceChildren(...shown.map((tag) => make('li', { part: 'tag' }, this.labelText(tag))));
    note.textContent = texts.drawn;
    note.hidden = !this.#result?.groups.some(({ name, drawn }) => drawn && shown.some(({ group }) => group === name));
    const data = new FormData();
    for (const { id } of shown) data.append(this.name, id);
    this.#internals.setFormValue(this.name && this.#result ? data : null);
    const missing = this.hasAttribute('required') && !this.#result;
    this.#internals.setValidity(missing ? { valueMissing: true } : {}, missing ? texts.required : '', missing ? input : undefined);
  }

  #dispatch(type, detail) {
    this.dispatchEvent(detail === undefined ? new Event(type, { bubbles: true }) : new CustomEvent(type, { detail }));
  }
}

globalThis.customElements?.define('style-tagger', StyleTaggerElement);
