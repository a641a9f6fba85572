/** Where a model is. */
export interface ModelUrls {
  /** URL of the model's manifest, `bundle.json`. Relative URLs are relative to the page. */
  manifestUrl: string | URL;
  /**
   * URL of the weights. `{sha256}` in it becomes the checksum that the manifest states. By default the file that the manifest names,
   * next to the manifest.
   */
  weightsUrl?: string | URL;
}

export type Backend = 'webgpu' | 'cpu';

/** Name of a model. */
export type ModelName = 'tagger' | 'encoder' | 'segmenter';

export interface StyleTaggerOptions extends Partial<ModelUrls> {
  /** API of a Selvedge service, such as `https://shop.example/api/v1/`. It names the URLs of all models that are not given. */
  baseUrl?: string | URL;
  /** The query encoder, for `embed`. */
  encoder?: ModelUrls;
  /** The segmentation network, for `pieces`. */
  segmenter?: ModelUrls;
  /** Folder of the wasm modules. By default the folder `wasm` next to this module. */
  moduleUrl?: string | URL;
  /** Script of the worker. By default `worker.js` next to this module. It may be of another origin that allows it by CORS. */
  workerUrl?: string | URL;
  /** `auto` uses WebGPU if there is a hardware adapter, and the CPU if there is none or if WebGPU fails. Default: `auto`. */
  backend?: Backend | 'auto';
  /**
   * With `auto`: compares WebGPU and the CPU once, when the page is idle after the first answer, and remembers the faster one in
   * localStorage for the next visit. Default: true.
   */
  rememberBackend?: boolean;
  /** Disposes of the tagger when it is aborted. */
  signal?: AbortSignal;
  /** Longest wait for progress of a load, ms. Default: 60,000. */
  loadTimeout?: number;
  /** Time limit of the computation of a call on the CPU, ms. Default: 20,000. */
  tagTimeout?: number;
  /** Time limit of WebGPU for adapter, device and first answer, without downloads, ms. Then the CPU is used. Default: 5,000. */
  gpuLoadTimeout?: number;
  /** Time limit of a call on WebGPU, ms. Then the CPU is used. Default: 5,000. */
  gpuTagTimeout?: number;
  /** Time without calls, or in a hidden page, after which the models are freed, ms. The next call loads them again. Default: 60,000. */
  idleTimeout?: number;
}

/** Rectangle in pixels. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Upright photo with a picture of at most 1024 pixels per side to show. Models read the file in its full size. */
export declare class Photo {
  private constructor();
  /** Decodes an image file. */
  static open(file: Blob, signal?: AbortSignal): Promise<Photo>;
  readonly canvas: HTMLCanvasElement;
  /** Size of `canvas`. Boxes of a Photo are in its pixels. */
  readonly width: number;
  readonly height: number;
  /** Upright size of the file. */
  readonly full: { width: number; height: number };
}

/**
 * Image to work on. Files are decoded upright, with their transparent parts on white. All other inputs are copied when the method
 * is called. Nothing is scaled before the preparation of the model. Image elements may still be loading.
 */
export type ImageInput = Blob | Photo | ImageData | ImageBitmap | HTMLImageElement | HTMLVideoElement | HTMLCanvasElement | OffscreenCanvas | VideoFrame;

export interface CallOptions {
  /** Aborts the call. The promise is rejected with the signal's reason, and the computation stops. */
  signal?: AbortSignal;
}

export interface BoxOptions extends CallOptions {
  /** Part of the image, in pixels of the input. */
  box?: Box | null;
}

export interface ModelInfo {
  backend: Backend;
  /** Id of the model. A search by embedding sends it. */
  modelId: string;
}

export interface Answer extends ModelInfo {
  /** Time of the computation, ms. */
  ms: number;
}

export interface Tag {
  /** Id of the label, such as `casual`. */
  id: string;
  /** Name of the label's group. */
  group: string;
  /** Probability, 0–1. */
  prob: number;
  /** Probability from which the label is predicted. */
  threshold: number;
  /** Probability from which the label is certain, or null if the bundle states none. */
  precise: number | null;
  /** True if the label is predicted. */
  on: boolean;
  /** True if the label is certain. */
  stated: boolean;
}

/** Group of labels that answer one question. */
export interface Group {
  name: string;
  /** `one`: the labels exclude each other. */
  kind: 'one' | 'several';
  /** True if the labels were learnt from drawings. */
  drawn: boolean;
}

export interface TagAnswer extends Answer {
  /** All labels, in the order of the bundle. */
  tags: Tag[];
  /** Groups of the labels, in the order of the bundle. Empty if the bundle names none. */
  groups: Group[];
  /** True if the bundle states precise thresholds. Then `stated` decides which labels to show, otherwise `on`. */
  statesPrecise: boolean;
}

export interface EmbedAnswer extends Answer {
  /** Embedding of unit length. */
  values: Float32Array;
}

/** Piece of an outfit. */
export interface Piece {
  /** Class of the piece, such as `top` or `shoes`. */
  class: string;
  /** Box in pixels of the input. */
  box: Box;
  /** Share of the image, 0–1. */
  share: number;
  /** Mean probability of the class on the piece, 0–1. */
  score: number;
}

export interface PiecesAnswer extends Answer {
  /** Pieces, largest first. */
  pieces: Piece[];
  /** Box of the person, or null if the image shows none. */
  person: Box | null;
}

export interface ProposeAnswer extends Answer {
  /** Box around the subject in pixels of the input, or null if nothing stands out. */
  box: Box | null;
}

/**
 * Code of a TaggerError.
 *
 * | code | meaning |
 * |---|---|
 * | `absent` | there is no such model |
 * | `unreachable` | a file could not be fetched |
 * | `unexpected` | a file was answered with an error status |
 * | `corrupt` | a file is damaged or does not match its checksum |
 * | `renewed` | the wasm module of this release is gone |
 * | `bundle_invalid` | the model cannot be used, or it is for another task |
 * | `backend_missing` | the wasm module has no WebGPU |
 * | `backend_unknown` | the option `backend` is invalid |
 * | `device_failed` | WebGPU failed |
 * | `wrong_answer` | WebGPU gives other numbers than the CPU |
 * | `inference_failed` | the computation failed |
 * | `crashed` | the worker crashed |
 * | `timeout` | there was no answer in time |
 * | `worker_failed` | the worker did not start, for example because of the Content-Security-Policy |
 * | `disposed` | the tagger was disposed of |
 * | `not_an_image` | the file is not an image |
 * | `unreadable` | the image cannot be decoded |
 * | `heic` | the browser cannot decode HEIC |
 * | `too_large` | the image has more than 100 megapixels |
 * | `memory` | there is not enough memory for the image |
 * | `input_invalid` | the input is not an image, is empty, or the box is not inside it |
 * | `cross_origin` | the image is of another origin, which does not allow to read it |
 * | `pixels_hidden` | the browser hides the pixels of a canvas, or changes them |
 */
export type TaggerErrorCode =
  | 'absent' | 'unreachable' | 'unexpected' | 'corrupt' | 'renewed'
  | 'bundle_invalid' | 'backend_missing' | 'backend_unknown' | 'device_failed' | 'wrong_answer' | 'inference_failed' | 'crashed' | 'timeout' | 'worker_failed' | 'disposed'
  | 'not_an_image' | 'unreadable' | 'heic' | 'too_large' | 'memory' | 'input_invalid' | 'cross_origin' | 'pixels_hidden';

/** All codes. */
export declare const ERROR_CODES: readonly TaggerErrorCode[];

/** Failure of the tagger. An aborted call fails with the reason of its signal instead. */
export declare class TaggerError extends Error {
  private constructor();
  readonly code: TaggerErrorCode;
}

export interface StyleTaggerEventMap {
  /** Download of a model's weights, in bytes. */
  progress: CustomEvent<{ model: ModelName; loaded: number; total: number }>;
  /** WebGPU failed, and all models use the CPU from now on. */
  fallback: CustomEvent<{ code: TaggerErrorCode; message: string }>;
  /** The browser's storage has no room for the weights. The next visit downloads them again. */
  storagefull: Event;
}

/**
 * Tags, embeds and finds pieces in photos on this device. Nothing is downloaded before the first call. Instances with equal options
 * for module, worker, backend and times share one worker. Calls run one after the other.
 */
export declare class StyleTagger extends EventTarget {
  constructor(options?: StyleTaggerOptions);
  /** Backend in use, or `auto` until the first model is loaded. */
  readonly backend: Backend | 'auto';
  /** Loads a model before its first use. Default: the tagger. */
  load(model?: ModelName, options?: CallOptions): Promise<ModelInfo>;
  /** Tags an image or a box on it. */
  tag(image: ImageInput, options?: BoxOptions): Promise<TagAnswer>;
  /** Embeds an image or a box on it, with the query encoder. */
  embed(image: ImageInput, options?: BoxOptions): Promise<EmbedAnswer>;
  /** Finds the pieces of the outfit in an image, with the segmentation network. */
  pieces(image: ImageInput, options?: CallOptions): Promise<PiecesAnswer>;
  /** Proposes a box around the subject of an image. Loads the tagger. */
  propose(image: ImageInput, options?: CallOptions): Promise<ProposeAnswer>;
  /** Aborts all calls and frees the models, unless another instance uses them. */
  dispose(): void;
  addEventListener<K extends keyof StyleTaggerEventMap>(type: K, listener: (event: StyleTaggerEventMap[K]) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof StyleTaggerEventMap>(type: K, listener: (event: StyleTaggerEventMap[K]) => void, options?: boolean | EventListenerOptions): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;
}
