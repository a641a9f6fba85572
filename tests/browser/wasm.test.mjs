// Functions of the CPU module outside the browser. Its prepared images have the same digest as those of the native program.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { missing, SITE } from './lib/places.mjs';

const GOLDEN = resolve(import.meta.dirname, '../golden');

/** Starts the CPU module. */
async function startModule() {
  const script = readdirSync(SITE, { recursive: true }).find((path) => path.endsWith('selvedge-cpu.js'));
  assert.ok(script, `no selvedge-cpu.js in ${SITE}`);
  const path = join(SITE, script);
  const module = await import(pathToFileURL(path));
  await module.default({ module_or_path: readFileSync(path.replace('.js', '_bg.wasm')) });
  return module;
}

/** Pushes a picture into an intake, in strips of `rows` rows. */
function feed(intake, { data, width, channels = 4 }, rows) {
  const [x, y, columns, lines] = intake.window();
  for (let first = 0; first < lines; first += rows) {
    const strip = new Uint8Array(4 * columns * Math.min(rows, lines - first));
    for (let at = 0; at < strip.length; at++) {
      const pixel = (y + first + Math.floor(at / 4 / columns)) * width + x + (Math.floor(at / 4) % columns);
      strip[at] = at % 4 < channels ? data[pixel * channels + (at % 4)] : 255;
    }
    intake.push(strip);
  }
  return intake;
}

test('wasm proposes a box around an object, and none for a plain image', { skip: missing(SITE) }, async () => {
  const { Intake, proposeBox } = await startModule();
  const [width, height] = [200, 240];
  const within = (x, y) => x >= 60 && x < 120 && y >= 40 && y < 180;
  const pixels = (colour) => Uint8Array.from({ length: width * height * 4 }, (_, at) => colour(Math.floor(at / 4) % width, Math.floor(at / 4 / width))[at % 4]);
  const propose = (data) => proposeBox(feed(Intake.forSubject(width, height), { data, width }, 50));
  const object = pixels((x, y) => (within(x, y) ? [180, 30, 40, 255] : [230, 230, 230, 255]));
  const box = JSON.parse(propose(object));
  const corners = [box.x, box.y, box.x + box.width, box.y + box.height];
  for (const [at, corner] of [60, 40, 120, 180].entries()) assert.ok(Math.abs(corners[at] - corner) < 14, `${corners}`);
  assert.equal(propose(pixels(() => [230, 230, 230, 255])), undefined);
  assert.throws(() => proposeBox(Intake.forSubject(width, height)), { name: 'input_invalid' }, 'rows are missing');
});

test('wasm prepares images to the recorded bits', { skip: missing(SITE) }, async (t) => {
  const module = await startModule();
  const { mean, std, pictures, cases } = JSON.parse(readFileSync(join(GOLDEN, 'input.json')));
  const hash = createHash('sha256');
  for (const { picture, crop, fit, width, height, expected } of cases) {
    const source = pictures[picture];
    const spec = JSON.stringify({ width, height, fit, mean, std });
    const cropJson = crop ? JSON.stringify(crop) : undefined;
    const values = feed(new module.Intake(spec, source.width, source.height, cropJson), source, 3).values();
    assert.equal(values.length, expected.length);
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  t.diagnostic(`${cases.length} images`);
  assert.equal(hash.digest('hex'), readFileSync(join(GOLDEN, 'input.bits.sha256'), 'utf8').trim());
});
