// Sites that use the packed package @selvedge/tagger with a bundler, with none, on a server and in TypeScript.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { launch } from './lib/browser.mjs';
import { install, makeFolder, pack, PACKAGE, SEGMENTER, startHost, writeFiles } from './lib/host.mjs';
import { missing, SITE, TAGGER } from './lib/places.mjs';
import { PNG } from './lib/setup.mjs';

/** Folder with the bundlers and checkers. */
const TOOLS = resolve(import.meta.dirname, 'package');
const INSTALL = ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];

const skip = missing(SITE, TAGGER, SEGMENTER) || installTools();
const require = createRequire(join(TOOLS, 'package.json'));
/** Imports a tool that was installed. */
const tool = async (name) => import(pathToFileURL(require.resolve(name)));

/** A page that tags the photo that is chosen, and its script. */
const HTML = (script) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>A sample site</title><link rel="icon" href="data:,"><input type="file"><style-tagger></style-tagger><output></output>${script}</html>`;
const MAIN = `
  import { StyleTagger, TaggerError } from '@selvedge/tagger';
  import { StyleTaggerElement } from '@selvedge/tagger/element';
  const tagger = new StyleTagger({ manifestUrl: '/models/tagger/bundle.json' });
  document.querySelector('style-tagger').tagger = tagger;
  const output = document.querySelector('output');
  document.querySelector('input').addEventListener('change', async (event) => {
    const [file] = event.target.files;
    const aborted = await tagger.tag(file, { signal: AbortSignal.abort() }).catch((error) => error.name);
    try {
      const { tags, backend } = await tagger.tag(file);
      output.textContent = [tags.length, backend, aborted, document.querySelector('style-tagger') instanceof StyleTaggerElement].join(' ');
    } catch (error) {
      output.textContent = error instanceof TaggerError ? error.code : String(error);
    }
  });`;

let folder;
let tarball;
let browser;

before(async () => {
  if (skip) return;
  folder = makeFolder();
  tarball = pack(folder.path);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  folder?.remove();
});

/** Installs the bundlers where they are missing. Returns the reason to skip the tests, or false. */
function installTools() {
  const marker = join(TOOLS, 'node_modules/.package-lock.json');
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(join(TOOLS, 'package-lock.json')).mtimeMs) return false;
  try {
    execFileSync('npm', INSTALL, { cwd: TOOLS, stdio: ['ignore', 'ignore', 'inherit'] });
    return false;
  } catch (error) {
    if (process.env.SELVEDGE_REQUIRE_ALL) throw error;
    return `npm cannot install the bundlers of ${TOOLS}`;
  }
}

/** Makes a site that has installed the package. */
function makeSite(name, files) {
  const path = join(folder.path, name);
  mkdirSync(path);
  install(path, tarball);
  writeFiles(path, files);
  return path;
}

/** Chooses a photo on a site and checks that it is tagged. */
async function tagOn(url) {
  const page = await (await browser.newContext()).newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await page.goto(url);
  await page.setInputFiles('input', PNG);
  await page.waitForFunction(() => document.querySelector('output').textContent !== '');
  assert.equal(await page.textContent('output'), '83 cpu AbortError true');
  assert.equal(page.workers().length, 1);
  assert.deepEqual(problems, []);
  await page.context().close();
}

test('a site without a bundler tags a photo', { skip }, async (t) => {
  const map = { imports: { '@selvedge/tagger': '/node_modules/@selvedge/tagger/index.js', '@selvedge/tagger/element': '/node_modules/@selvedge/tagger/element.js' } };
  const site = makeSite('plain', { 'index.html': HTML(`<script type="importmap">${JSON.stringify(map)}</script><script type="module" src="main.js"></script>`), 'main.js': MAIN });
  const host = await startHost(site);
  t.after(() => host.close());
  await tagOn(host.url);
});

test('a site of Vite tags a photo, in development and after a build', { skip }, async (t) => {
  const site = makeSite('vite', { 'index.html': HTML('<script type="module" src="/main.js"></script>'), 'main.js': MAIN });
  cpSync(TAGGER, join(site, 'public/models/tagger'), { recursive: true });
  const vite = await tool('vite');
  const config = { root: site, configFile: false, logLevel: 'error', cacheDir: join(site, '.cache') };
  const server = await vite.createServer({ ...config, server: { port: 0, host: '127.0.0.1' } });
  t.after(() => server.close());
  await server.listen();
  await tagOn(server.resolvedUrls.local[0]);
  await vite.build(config);
  const host = await startHost(join(site, 'dist'));
  t.after(() => host.close());
  await tagOn(host.url);
});

test('a site of webpack 5 tags a photo', { skip }, async (t) => {
  const site = makeSite('webpack', { 'main.js': MAIN, 'out/index.html': HTML('<script src="main.js"></script>') });
  const { default: webpack } = await tool('webpack');
  const stats = await new Promise((done, fail) => webpack({ context: site, mode: 'production', entry: './main.js', output: { path: join(site, 'out') }, performance: false }, (error, result) => (error ? fail(error) : done(result))));
  assert.deepEqual(stats.toJson({ errors: true, warnings: true }).errors.concat(stats.toJson().warnings).map(({ message }) => message), []);
  const host = await startHost(join(site, 'out'));
  t.after(() => host.close());
  await tagOn(host.url);
});

test('a site of esbuild tags a photo', { skip }, async (t) => {
  const site = makeSite('esbuild', { 'main.js': MAIN, 'out/index.html': HTML('<script type="module" src="main.js"></script>') });
  const { build } = await tool('esbuild');
  await build({ absWorkingDir: site, entryPoints: ['main.js'], bundle: true, format: 'esm', minify: true, outfile: 'out/main.js', logLevel: 'error' });
  // esbuild copies no file that a module names by `new URL`.
  for (const path of ['worker.js', 'wasm']) cpSync(join(site, 'node_modules/@selvedge/tagger', path), join(site, 'out', path), { recursive: true });
  const host = await startHost(join(site, 'out'));
  t.after(() => host.close());
  await tagOn(host.url);
});

test('a server imports the package and makes a tagger without an effect', { skip }, () => {
  const script = `
    const before = Object.keys(globalThis).length;
    const { StyleTagger, ERROR_CODES } = await import('@selvedge/tagger');
    const { StyleTaggerElement } = await import('@selvedge/tagger/element');
    const tagger = new StyleTagger({ baseUrl: '/api/v1/' });
    tagger.dispose();
    console.log(Object.keys(globalThis).length - before, ERROR_CODES.length, typeof StyleTaggerElement);`;
  const site = makeSite('server', { 'main.mjs': script });
  assert.equal(execFileSync(process.execPath, ['main.mjs'], { cwd: site, encoding: 'utf8' }).trim(), '0 23 function');
});

test('the declarations describe the package', { skip }, () => {
  const site = makeSite('types', {
    'main.ts': `
      import { ERROR_CODES, Photo, StyleTagger, TaggerError, type TagAnswer, type TaggerErrorCode } from '@selvedge/tagger';
      import { StyleTaggerElement } from '@selvedge/tagger/element';
      const controller = new AbortController();
      const tagger = new StyleTagger({ manifestUrl: new URL('https://models.example/bundle.json'), backend: 'cpu', signal: controller.signal });
      tagger.addEventListener('progress', ({ detail }) => { const share: number = detail.loaded / detail.total; void share; });
      export async function run(file: File, video: HTMLVideoElement): Promise<string[]> {
        try {
          const photo = await Photo.open(file);
          const answer: TagAnswer = await tagger.tag(photo, { box: { x: 0, y: 0, width: photo.width, height: photo.height }, signal: controller.signal });
          const { values }: { values: Float32Array } = await tagger.embed(video);
          const { pieces } = await tagger.pieces(photo.canvas);
          return [...answer.tags.map((tag) => tag.id), ...pieces.map((piece) => piece.class), String(values.length)];
        } catch (error) {
          const code: TaggerErrorCode | null = error instanceof TaggerError ? error.code : null;
          return code === 'heic' ? [] : [...ERROR_CODES];
        }
      }
      const element: StyleTaggerElement | null = document.querySelector('style-tagger');
      element?.addEventListener('tag', (event) => { const { tags } = event.detail; void tags; });
      // @ts-expect-error: there is no such backend
      new StyleTagger({ backend: 'gpu' });
      // @ts-expect-error: a text is no image
      void tagger.tag('photo.jpg');`,
  });
  for (const resolution of ['bundler', 'nodenext']) {
    const module = resolution === 'nodenext' ? 'nodenext' : 'esnext';
    execFileSync(process.execPath, [join(TOOLS, 'node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022,dom,dom.iterable', '--types', '', '--module', module, '--moduleResolution', resolution, 'main.ts'], { cwd: site, stdio: ['ignore', 'inherit', 'inherit'] });
  }
  const declared = /export type TaggerErrorCode =([^;]+);/.exec(readFileSync(join(PACKAGE, 'index.d.ts'), 'utf8'))[1].match(/'[a-z_]+'/g).map((text) => text.slice(1, -1));
  const stated = /ERROR_CODES = Object\.freeze\(\[([^\]]+)\]/.exec(readFileSync(join(PACKAGE, '../app/errors.js'), 'utf8'))[1].match(/'[a-z_]+'/g).map((text) => text.slice(1, -1));
  assert.deepEqual(declared, stated);
});

test('publint and arethetypeswrong find nothing', { skip }, async () => {
  const site = makeSite('checks', {});
  const { publint } = await tool('publint');
  const { messages } = await publint({ pkgDir: join(site, 'node_modules/@selvedge/tagger'), strict: true, pack: false });
  assert.deepEqual(messages.map(({ code, path }) => `${code} ${path.join('.')}`), []);
  execFileSync(process.execPath, [join(TOOLS, 'node_modules/@arethetypeswrong/cli/dist/index.js'), '--profile', 'esm-only', '--exclude-entrypoints', './wasm/*', '--no-emoji', tarball], { stdio: ['ignore', 'pipe', 'inherit'] });
});

test('the tarball holds only what a site needs', { skip }, () => {
  const path = join(makeSite('content', {}), 'node_modules/@selvedge/tagger');
  const files = readdirSync(path, { recursive: true }).filter((file) => statSync(join(path, file)).isFile()).sort();
  assert.ok(files.length <= 25, String(files));
  assert.deepEqual(files.filter((file) => !/^(LICENSE-(APACHE|MIT)|README\.md|package\.json|(index|element|worker)\.(js|d\.ts)|wasm\/selvedge-(cpu|webgpu)(_bg\.wasm|\.js))$/.test(file)), []);
  assert.ok(statSync(tarball).size <= 4_400_000, `${statSync(tarball).size} bytes`);
  for (const [file, limit] of [['index.js', 40_000], ['worker.js', 32_000], ['element.js', 16_000], ['wasm/selvedge-cpu_bg.wasm', 3_400_000]]) {
    assert.ok(statSync(join(path, file)).size <= limit, `${file}: ${statSync(join(path, file)).size} bytes`);
  }
  for (const file of files.filter((name) => /\.(js|json|d\.ts)$/.test(name))) assert.doesNotMatch(readFileSync(join(path, file), 'utf8'), /sourceMappingURL|\/(root|home|work|tmp)\//, file);
});
