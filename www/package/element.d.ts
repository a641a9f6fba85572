import type { ImageInput, StyleTagger, Tag, TagAnswer, TaggerError, TaggerErrorCode } from './index.js';

export interface StyleTaggerElementEventMap {
  /** The photo was tagged. */
  tag: CustomEvent<TagAnswer>;
  /** Download of the weights, in bytes. */
  progress: CustomEvent<{ loaded: number; total: number }>;
  /** WebGPU failed, and the CPU is used. */
  fallback: CustomEvent<{ code: TaggerErrorCode; message: string }>;
  /** The photo could not be tagged. */
  error: CustomEvent<TaggerError>;
}

/**
 * The element `<style-tagger>`: a form field that tags a photo on this device. Importing this module defines the element.
 *
 * Attributes: `name`, `required`, `disabled`, `group` (shows and submits the labels of one group only), and the options of the
 * tagger as `base-url`, `manifest-url`, `weights-url`, `module-url`, `worker-url` and `backend`.
 * Slots: `button` and `hint` replace texts, and the default slot comes after the labels.
 * Parts: `drop` (and `over` while a file is dragged over it), `button`, `hint`, `photo`, `status`, `progress`, `tags`, `tag`, and
 * `note`, which says that shown labels were learnt from drawings.
 */
export declare class StyleTaggerElement extends HTMLElement {
  static readonly formAssociated: true;
  /** The tagger in use. By default the element makes one from its attributes. */
  tagger: StyleTagger;
  /** Answer for the photo, or null. */
  readonly result: TagAnswer | null;
  /** Ids of the labels shown, which a form submits as entries of `name`. */
  readonly value: string[];
  /** Names a tag in the page's language. */
  labelText: (tag: Tag) => string;
  name: string;
  readonly form: HTMLFormElement | null;
  readonly validity: ValidityState;
  readonly validationMessage: string;
  readonly willValidate: boolean;
  checkValidity(): boolean;
  reportValidity(): boolean;
  /** Tags an image and shows it. Replaces the photo before, whose work is aborted. */
  tag(image: ImageInput): Promise<TagAnswer>;
  /** Removes the photo and its labels. */
  clear(): void;
  addEventListener<K extends keyof StyleTaggerElementEventMap>(type: K, listener: (this: StyleTaggerElement, event: StyleTaggerElementEventMap[K]) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener<K extends keyof HTMLElementEventMap>(type: K, listener: (this: StyleTaggerElement, event: HTMLElementEventMap[K]) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

declare global {
  interface HTMLElementTagNameMap {
    'style-tagger': StyleTaggerElement;
  }
}
