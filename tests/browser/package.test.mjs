// The package @selvedge/tagger on a page without a bundler: inputs, abort, sharing of the worker, other origins, the element.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch } from './lib/browser.mjs';
import { install, makeFolder, pack, PACKAGE, SEGMENTER, startHost, writeFiles } from './lib/host.mjs';
import { missing, QUERY, SITE, TAGGER } from './lib/places.mjs';
import { PNG, waitUntil } from './lib/setup.mjs';
import { photo } from './mock/shop.mjs';
import { EMPTY_MODULE, fakeModule } from './mock/server.mjs';

const skip = missing(SITE, TAGGER, QUERY, SEGMENTER);
const MODULE = '/node_modules/@selvedge/tagger/index.js';
/** Options of a tagger with fake modules, which are fast and misbehave on demand. */
const fake = (behaviour) => ({ manifestUrl: '/models/tagger/bundle.json', moduleUrl: `/fake/${behaviour}/`, backend: 'cpu' });
const REAL = { manifestUrl: '/models/tagger/bundle.json', encoder: { manifestUrl: '/models/query/bundle.json' }, segmenter: { manifestUrl: '/models/outfit/bundle.json' }, backend: 'cpu' };

let folder;
let host;
let browser;

before(async () => {
  if (skip) return;
  folder = makeFolder();
  install(folder.path, pack(folder.path));
  const page = '<!doctype html><meta charset="utf-8"><title>A site</title><input type="file"><output></output>';
  writeFiles(folder.path, { 'index.html': page, 'photo.png': photo() });
  const modules = {
    works: fakeModule('works').replace('on: prob', 'stated: prob >= 0.4, on: prob'),
    spins: fakeModule('works').replace('async tag({ size, first }) {', "async tag({ size, first }) { if (size === '240x320') for (;;);"),
    reports: fakeModule('reports'),
    'reads-slowly': fakeModule('works').replace('push(rgba) {', `push(rgba) {
      if (this.width === 3000) fetch('/mock/push');
      for (const end = performance.now() + 20; this.width === 3000 && performance.now() < end;);`),
  };
  for (const [behaviour, source] of Object.entries(modules)) {
    writeFiles(folder.path, { [`fake/${behaviour}/selvedge-cpu.js`]: source, [`fake/${behaviour}/selvedge-cpu_bg.wasm`]: EMPTY_MODULE });
  }
  host = await startHost(folder.path);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await host?.close();
  folder?.remove();
});

/** Starts a host that ends with the test. */
async function hostOf(t, ...how) {
  const started = await startHost(...how);
  t.after(() => started.close());
  return started;
}

/** Opens a page of a site. */
async function open(url = host.url, path = '') {
  const page = await (await browser.newContext({ locale: 'en-GB' })).newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
  await page.goto(url + path);
  return page;
}

/** Runs a function in the page with the package's items and the photo as a Blob, and closes the page. */
async function inPage(run, argument, { page = null, module = MODULE } = {}) {
  const shown = page ?? (await open());
  try {
    return await shown.evaluate(`(async () => {
      const items = await import(${JSON.stringify(module)});
      const file = await (await fetch('/photo.png')).blob();
      return (${run})(items, file, ${JSON.stringify(argument)});
    })()`);
  } finally {
    if (!page) await shown.context().close();
  }
}

test('the ten lines of the README work', { skip }, async () => {
  const [, code] = /```js\n([^]*?)```/.exec(readFileSync(join(PACKAGE, 'README.md'), 'utf8'));
  assert.ok(code.trim().split('\n').length <= 11, 'ten lines and one empty line');
  const page = `<!doctype html><meta charset="utf-8"><input type="file"><output></output>
    <script type="importmap">{"imports": {"@selvedge/tagger": "${MODULE}"}}</script><script type="module">${code}</script>`;
  writeFileSync(join(folder.path, 'readme.html'), page);
  const shown = await open(host.url, 'readme.html');
  await shown.setInputFiles('input', PNG);
  await shown.waitForFunction(() => /^[a-z_]+ \d+%|not sure/.test(document.querySelector('output').textContent));
  assert.deepEqual(shown.problems, []);
  await shown.context().close();
});

test('an import downloads nothing and starts no worker', { skip }, async () => {
  const page = await open();
  host.requests.length = 0;
  await page.evaluate(async (module) => {
    const { StyleTagger } = await import(module);
    new StyleTagger({ baseUrl: '/api/v1/' });
  }, MODULE);
  await page.waitForTimeout(300);
  assert.deepEqual(host.requests.map(({ path }) => path), [MODULE]);
  assert.equal(page.workers().length, 0);
  await page.context().close();
});

test('tags are in the order of the bundle, and every kind of input gives the same', { skip }, async () => {
  const answers = await inPage(async ({ StyleTagger, Photo }, file, options) => {
    const tagger = new StyleTagger(options);
    const image = Object.assign(new Image(), { src: '/photo.png' });
    const bitmap = await createImageBitmap(file);
    const canvas = Object.assign(document.createElement('canvas'), { width: bitmap.width, height: bitmap.height });
    const context = canvas.getContext('2d');
    context.drawImage(bitmap, 0, 0);
    const offscreen = new OffscreenCanvas(bitmap.width, bitmap.height);
    offscreen.getContext('2d').drawImage(bitmap, 0, 0);
    const video = Object.assign(document.createElement('video'), { srcObject: canvas.captureStream(), muted: true });
    await video.play();
    const inputs = {
      file, image, bitmap, canvas, offscreen, video, data: context.getImageData(0, 0, bitmap.width, bitmap.height),
      frame: new VideoFrame(canvas, { timestamp: 0 }), photo: await Photo.open(file),
    };
    const found = {};
    for (const [kind, input] of Object.entries(inputs)) found[kind] = (await tagger.tag(input)).tags.map(({ group, id, prob }) => ({ key: `${group}/${id}`, prob }));
    return found;
  }, REAL);
  const { labels, groups } = JSON.parse(readFileSync(join(TAGGER, 'bundle.json'), 'utf8'));
  const names = groups.flatMap(({ name, labels }) => Array(labels).fill(name));
  assert.deepEqual(answers.file.map(({ key }) => key), labels.map((id, at) => `${names[at]}/${id}`));
  assert.ok(Math.max(...answers.file.map(({ prob }) => prob)) > 0.3);
  for (const [kind, tags] of Object.entries(answers)) {
    const difference = Math.max(...tags.map(({ prob }, at) => Math.abs(prob - answers.file[at].prob)));
    assert.ok(difference <= (kind === 'video' ? 0.1 : 1e-6), `${kind} differs by ${difference}`); // a video has other colours
  }
});

test('one worker tags, embeds and finds pieces, and boxes are in pixels of the input', { skip }, async () => {
  const page = await open();
  const found = await inPage(async ({ StyleTagger }, file, options) => {
    const bitmap = await createImageBitmap(file);
    const large = Object.assign(document.createElement('canvas'), { width: 2400, height: 3200 });
    large.getContext('2d').drawImage(bitmap, 0, 0, 2400, 3200);
    const tagger = new StyleTagger(options);
    const [whole, part, { pieces }, { box }] = await Promise.all([
      tagger.embed(large), tagger.embed(large, { box: { x: 0, y: 0, width: 1200, height: 3200 } }), tagger.pieces(large), tagger.propose(large),
    ]);
    const norm = Math.hypot(...whole.values);
    return { norm, cosine: whole.values.reduce((sum, value, at) => sum + value * part.values[at], 0), pieces, box };
  }, REAL, { page });
  assert.ok(Math.abs(found.norm - 1) < 1e-4);
  assert.ok(found.cosine < 0.999, 'the box changes the embedding');
  for (const box of [...found.pieces.map((piece) => piece.box), found.box]) {
    assert.ok(box.x + box.width <= 2400 && box.y + box.height <= 3200 && box.width > 0, JSON.stringify(box));
  }
  assert.ok(found.box.height > 1200, 'not in pixels of the scaled image');
  assert.equal(page.workers().length, 1);
  await page.context().close();
});

test('instances share a worker, which ends with the last one', { skip }, async () => {
  const page = await open();
  await page.evaluate(async ([module, options]) => {
    const { StyleTagger } = await import(module);
    globalThis.taggers = [new StyleTagger(options), new StyleTagger(options)];
    const file = await (await fetch('/photo.png')).blob();
    await Promise.all(globalThis.taggers.map((tagger) => tagger.tag(file)));
  }, [MODULE, fake('works')]);
  assert.equal(page.workers().length, 1);
  await page.evaluate(() => globalThis.taggers[0].dispose());
  await page.waitForTimeout(200);
  assert.equal(page.workers().length, 1);
  const late = await page.evaluate(() => globalThis.taggers[0].load().catch(({ name, code }) => `${name} ${code}`));
  assert.equal(late, 'TaggerError disposed');
  await page.evaluate(() => globalThis.taggers[1].dispose());
  await waitUntil(() => page.workers().length === 0);
  await page.context().close();
});

test('an aborted computation stops, and the next call has a new worker', { skip }, async () => {
  const page = await open();
  const first = page.waitForEvent('worker');
  const tags = inPage(async ({ StyleTagger }, file, options) => {
    const tagger = new StyleTagger(options);
    await tagger.load();
    const controller = new AbortController();
    const call = tagger.tag(file, { signal: controller.signal }).catch((error) => error.name);
    await new Promise((done) => setTimeout(done, 300)); // the worker computes for ever
    const began = performance.now();
    controller.abort();
    const name = await call;
    const rejectedIn = performance.now() - began;
    const small = Object.assign(document.createElement('canvas'), { width: 10, height: 10 });
    const { tags } = await tagger.tag(small);
    return { name, rejectedIn, labels: tags.length };
  }, fake('spins'), { page });
  const worker = await first;
  await new Promise((done) => worker.on('close', done));
  const { name, rejectedIn, labels } = await tags;
  assert.equal(name, 'AbortError');
  assert.ok(rejectedIn < 100, `${rejectedIn} ms`);
  assert.equal(labels, 13);
  assert.equal(page.workers().length, 1);
  await page.context().close();
});

test('a call that has not begun is dropped when it is aborted', { skip }, async () => {
  const page = await open();
  const reported = [];
  await page.route('**/mock/**', async (route) => {
    reported.push(new URL(route.request().url()).search);
    await new Promise((done) => setTimeout(done, 200));
    await route.fulfill({ status: 204 });
  });
  const results = await inPage(async ({ StyleTagger }, file, options) => {
    const tagger = new StyleTagger(options);
    await tagger.load();
    const controller = new AbortController();
    const canvas = (width) => Object.assign(document.createElement('canvas'), { width, height: 20 });
    const calls = [100, 110, 120, 130].map((width) => tagger.tag(canvas(width), width === 110 || width === 120 ? { signal: controller.signal } : {}));
    controller.abort(new Error('not wanted'));
    return (await Promise.allSettled(calls)).map(({ status, reason }) => reason?.message ?? status);
  }, fake('reports'), { page });
  assert.deepEqual(results, ['fulfilled', 'not wanted', 'not wanted', 'fulfilled']);
  assert.deepEqual(reported.filter((size) => size !== '?8x8'), ['?100x20', '?130x20']);
  await page.context().close();
});

test('a call that is aborted while its image is read stops there, and the worker stays', { skip }, async () => {
  const page = await open();
  let strips = 0;
  await page.route('**/mock/push', (route) => (strips++, route.fulfill({ status: 204 })));
  await page.evaluate(async ([module, options]) => {
    const { StyleTagger } = await import(module);
    globalThis.tagger = new StyleTagger(options);
    globalThis.controller = new AbortController();
    globalThis.call = globalThis.tagger.tag(new ImageData(3000, 3000), { signal: globalThis.controller.signal }).catch((error) => error.name);
  }, [MODULE, fake('reads-slowly')]);
  await waitUntil(() => strips > 0);
  const found = await page.evaluate(async () => {
    globalThis.controller.abort();
    const { tags } = await globalThis.tagger.tag(new ImageData(10, 10));
    return [await globalThis.call, tags.length];
  });
  assert.deepEqual(found, ['AbortError', 13]);
  const all = 3000 / Math.floor(2 ** 20 / 12_000);
  assert.ok(strips < all / 2, `${strips} of ${all} strips`);
  assert.equal(page.workers().length, 1);
  await page.context().close();
});

test('an aborted load stops its download, unless another call waits for it', { skip }, async (t) => {
  const slow = await hostOf(t, folder.path, { slow: /weights\.safetensors$/ });
  const page = await open(slow.url);
  const weights = () => slow.requests.filter(({ path }) => path.endsWith('weights.safetensors'));
  await page.evaluate(async ([module, options]) => {
    const { StyleTagger } = await import(module);
    globalThis.tagger = new StyleTagger(options);
    globalThis.controllers = [new AbortController(), new AbortController()];
    globalThis.loads = globalThis.controllers.map(({ signal }) => globalThis.tagger.load('tagger', { signal }).catch((error) => error.name));
  }, [MODULE, fake('works')]);
  await waitUntil(() => weights().length === 1);
  assert.equal(await page.evaluate(() => (globalThis.controllers[0].abort(), globalThis.loads[0])), 'AbortError');
  await page.waitForTimeout(800);
  assert.equal(weights()[0].closed, false, 'the second call waits');
  await page.evaluate(() => globalThis.controllers[1].abort());
  await waitUntil(() => weights()[0].closed);
  assert.equal(weights()[0].complete, false);
  await page.context().close();
});

test('the worker ends when it is not used, and starts again without a download of models', { skip }, async (t) => {
  const page = await open();
  await page.evaluate(async ([module, options]) => {
    const { StyleTagger } = await import(module);
    globalThis.tagger = new StyleTagger({ ...options, idleTimeout: 500 });
    globalThis.file = await (await fetch('/photo.png')).blob();
    await globalThis.tagger.tag(globalThis.file);
  }, [MODULE, REAL]);
  assert.equal(page.workers().length, 1);
  await waitUntil(() => page.workers().length === 0);
  host.requests.length = 0;
  const took = await page.evaluate(async () => {
    const began = performance.now();
    await globalThis.tagger.tag(globalThis.file);
    return performance.now() - began;
  });
  t.diagnostic(`${Math.round(took)} ms from the call to the tags`);
  assert.deepEqual(host.requests.filter(({ path }) => path.startsWith('/models/') || path.endsWith('.wasm')), []);
  await page.context().close();
});

test('the worker of a page that stays hidden ends', { skip }, async () => {
  const page = await open();
  const setHidden = (hidden) => page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await page.evaluate(async ([module, options]) => {
    const { StyleTagger } = await import(module);
    globalThis.tagger = new StyleTagger({ ...options, idleTimeout: 3_000 });
    await globalThis.tagger.load();
  }, [MODULE, fake('works')]);
  await setHidden(true);
  // Calls in a hidden page do not keep the worker, but it is not ended between two of them.
  for (let i = 0; i < 4; i++) {
    await page.evaluate(() => globalThis.tagger.tag(new ImageData(20, 20)));
    await page.waitForTimeout(700);
  }
  assert.equal(page.workers().length, 1);
  await page.waitForTimeout(1_600);
  assert.equal(page.workers().length, 0, 'before 3 s without a call');
  await setHidden(false);
  await page.evaluate(() => globalThis.tagger.tag(new ImageData(20, 20)));
  assert.equal(page.workers().length, 1);
  await page.context().close();
});

test('StyleTagger works in a module worker of the site', { skip }, async () => {
  writeFiles(folder.path, {
    'own.js': `import { StyleTagger } from '${MODULE}';
      const tagger = new StyleTagger(${JSON.stringify(REAL)});
      const file = await (await fetch('photo.png')).blob();
      postMessage((await tagger.tag(file)).tags.length);`,
  });
  const page = await open();
  const labels = await page.evaluate(() => new Promise((done) => {
    const worker = new Worker('own.js', { type: 'module' });
    worker.onmessage = ({ data }) => done(data);
    worker.onerror = ({ message }) => done(message);
  }));
  assert.equal(labels, 83);
  await page.context().close();
});

for (const [what, csp] of [
  ['script-src and blob workers', (cdn) => `default-src 'none'; script-src 'self' ${cdn} 'wasm-unsafe-eval'; worker-src blob: ${cdn}; connect-src 'self' ${cdn}`],
  ['Trusted Types', (cdn) => `default-src 'none'; script-src 'self' ${cdn} 'wasm-unsafe-eval'; worker-src blob: ${cdn}; connect-src 'self' ${cdn}; require-trusted-types-for 'script'; trusted-types selvedge`],
]) {
  test(`the package works from another origin under a policy with ${what}`, { skip }, async (t) => {
    const cdn = await hostOf(t, folder.path, { cors: true });
    const site = makeFolder();
    t.after(site.remove);
    const module = `${cdn.url}${MODULE.slice(1)}`;
    writeFiles(site.path, {
      'index.html': '<!doctype html><meta charset="utf-8"><title>Another origin</title><script type="module" src="main.js"></script><output></output>',
      'main.js': `import { StyleTagger } from '${module}';
        const tagger = new StyleTagger({ manifestUrl: '${cdn.url}models/tagger/bundle.json' });
        const file = await (await fetch('photo.png')).blob();
        document.querySelector('output').textContent = (await tagger.tag(file)).tags.length;`,
      'photo.png': photo(),
    });
    const own = await hostOf(t, site.path, { csp: csp(cdn.url.slice(0, -1)) });
    const page = await open(own.url);
    await page.waitForFunction(() => document.querySelector('output').textContent === '83', null, { timeout: 15_000 }).catch(() => {});
    assert.deepEqual(page.problems, []);
    assert.equal(await page.textContent('output'), '83');
    await page.context().close();
  });
}

for (const [what, options, input, code] of [
  ['a missing manifest', { manifestUrl: '/none.json' }, 'file', 'unexpected'],
  ['a file that is no manifest', { manifestUrl: '/photo.png' }, 'file', 'corrupt'],
  ['a missing worker', { ...REAL, workerUrl: '/none.js' }, 'file', 'worker_failed'],
  ['a model of another task', { manifestUrl: '/models/query/bundle.json', backend: 'cpu' }, 'file', 'bundle_invalid'],
  ['a model that the options do not name', {}, 'file', 'absent'],
  ['a text file', REAL, 'text', 'not_an_image'],
  ['an empty canvas', REAL, 'empty', 'input_invalid'],
  ['a box outside the image', REAL, 'outside', 'input_invalid'],
  ['an image of another origin', REAL, 'foreign', 'cross_origin'],
]) {
  test(`${what} fails with ${code}`, { skip }, async (t) => {
    const other = input === 'foreign' ? await hostOf(t, folder.path, { host: '127.0.0.1' }) : null;
    const error = await inPage(async ({ StyleTagger, TaggerError, ERROR_CODES }, file, [options, input, other]) => {
      const inputs = {
        file, text: new Blob(['text']), empty: Object.assign(document.createElement('canvas'), { width: 0 }), outside: file, foreign: Object.assign(new Image(), { src: `${other}photo.png` }),
      };
      const call = new StyleTagger(options).tag(inputs[input], input === 'outside' ? { box: { x: 200, y: 0, width: 100, height: 10 } } : {});
      const error = await call.then(() => null, (error) => error);
      return { code: error?.code, typed: error instanceof TaggerError && ERROR_CODES.includes(error.code) };
    }, [options, input, other?.url]);
    assert.deepEqual(error, { code, typed: true });
  });
}

test('the element tags a photo as a field of a form', { skip }, async (t) => {
  const csp = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; form-action 'self'";
  writeFiles(folder.path, {
    'element.html': `<!doctype html><html lang="en"><meta charset="utf-8"><title>A form</title><script type="module" src="/node_modules/@selvedge/tagger/element.js"></script>
      <form action="/sent.html"><style-tagger name="style" manifest-url="/models/tagger/bundle.json" module-url="/fake/works/" backend="cpu" required>
      <span slot="button">Add a photo</span></style-tagger><button>Send</button><button type="reset">Reset</button></form></html>`,
    'sent.html': '<!doctype html><title>Sent</title>',
  });
  const own = await hostOf(t, folder.path, { csp });
  const page = await open(own.url, 'element.html');
  await page.waitForFunction(() => customElements.get('style-tagger'));
  const element = page.locator('style-tagger');
  assert.match(await element.innerText(), /Add a photo/);
  assert.equal(await element.evaluate((node) => [node.checkValidity(), node.validationMessage].join(' ')), 'false Choose a photo.');
  await page.click('button');
  assert.match(page.url(), /element\.html$/, 'a required field stops the form');
  await page.evaluate(() => {
    globalThis.seen = [];
    for (const type of ['tag', 'progress', 'input', 'change', 'error']) document.querySelector('style-tagger').addEventListener(type, (event) => globalThis.seen.includes(type) || globalThis.seen.push(event.type));
  });
  await page.setInputFiles('style-tagger input', PNG);
  await page.waitForFunction(() => document.querySelector('style-tagger').value.length > 0);
  assert.deepEqual(await page.evaluate(() => globalThis.seen), ['progress', 'tag', 'input', 'change']);
  assert.deepEqual(await element.evaluate((node) => [...node.shadowRoot.querySelectorAll('[part=tag]')].map((tag) => tag.textContent)), ['natural', 'casual', 'minimalist']);
  assert.equal(await element.evaluate((node) => node.outerHTML.includes('style=') || node.shadowRoot.innerHTML.includes('style=')), false, 'no inline style');
  await page.click('button[type=reset]');
  assert.equal(await element.evaluate((node) => node.value.length + node.shadowRoot.querySelectorAll('canvas').length), 0);
  await page.setInputFiles('style-tagger input', { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('text') });
  await page.waitForFunction(() => /not an image/.test(document.querySelector('style-tagger').shadowRoot.textContent));
  await page.setInputFiles('style-tagger input', PNG);
  await page.waitForFunction(() => document.querySelector('style-tagger').value.length > 0);
  await page.click('button');
  await page.waitForURL(/sent\.html/);
  assert.equal(new URL(page.url()).search, '?style=natural&style=casual&style=minimalist');
  assert.deepEqual(page.problems, []);
  await page.context().close();
});
