// Photos that other apps share with the page, with and without the service worker. A form stands for the other app.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { paste, pngFile, PNG, setUp, works } from './lib/setup.mjs';

const env = setUp();
const { skip } = env;

/** Shares files with the page as Android does: by a form that is sent to the address in the manifest. */
const share = (page, ...files) =>
  page.evaluate((files) => {
    const form = Object.assign(document.createElement('form'), { method: 'post', action: 'share', enctype: 'multipart/form-data' });
    const input = Object.assign(document.createElement('input'), { type: 'file', name: 'image', multiple: true });
    const transfer = new DataTransfer();
    for (const { bytes, name, type } of files) transfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
    input.files = transfer.files;
    form.append(input);
    document.body.append(form);
    form.submit();
  }, files.map(({ buffer, name, mimeType }) => ({ bytes: [...buffer], name, type: mimeType })));

const sharedPosts = () => env.mock.requests.filter(({ method, path }) => method === 'POST' && path === '/share');
const NOTES = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('notes') };

async function openWithWorker() {
  env.mock.set(works);
  env.mock.requests.length = 0;
  const page = await env.open({ serviceWorker: true });
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated');
  return page;
}

test('a shared photo is opened as if it had been chosen, and does not leave the device', { skip }, async () => {
  const page = await openWithWorker();
  await share(page, NOTES, PNG);
  await page.waitForSelector('.verdict');
  assert.equal(page.url(), env.mock.url, 'a reload does not share again');
  assert.deepEqual(sharedPosts(), []);
  assert.equal(await page.evaluate(() => caches.has('selvedge-shared')), false, 'the stored photo is deleted');
  await page.context().close();
});

test('a shared file that is no photo gives the error message of a chosen one', { skip }, async () => {
  const page = await openWithWorker();
  await share(page, NOTES);
  await page.waitForSelector('#photo-error:not([hidden])');
  assert.match(await page.textContent('#photo-error'), /not a photo/);
  await page.context().close();
});

test('without a service worker the page asks to share the photo again', { skip }, async () => {
  env.mock.set(works);
  env.mock.requests.length = 0;
  const page = await env.open();
  await share(page, PNG);
  await page.waitForSelector('#photo-error:not([hidden])');
  assert.match(await page.textContent('#photo-error'), /not received.*share the photo again/);
  assert.equal(sharedPosts().length, 1);
  assert.equal(page.url(), env.mock.url);
  await page.context().close();
});

test('the manifest is linked only with an active service worker, and then the page can be installed', { skip }, async () => {
  env.mock.set(works);
  const without = await env.open();
  await without.waitForTimeout(1_500);
  assert.equal(await without.locator('link[rel=manifest]').count(), 0);
  await without.context().close();

  const page = await openWithWorker();
  await page.waitForSelector('link[rel=manifest]', { state: 'attached' });
  const cdp = await page.context().newCDPSession(page);
  const { data, errors } = await cdp.send('Page.getAppManifest');
  assert.deepEqual(errors, []);
  const { icons, share_target } = JSON.parse(data);
  assert.deepEqual([share_target.action, share_target.method, share_target.params.files[0].name], ['share', 'POST', 'image']);
  // A private window, as in this test, cannot install anything.
  const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
  assert.deepEqual(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito'), []);
  const sizes = await page.evaluate((icons) => Promise.all(icons.filter(({ type }) => type === 'image/png').map(async ({ src, sizes }) => {
    const { width, height } = await createImageBitmap(await (await fetch(src)).blob());
    return [sizes, `${width}x${height}`];
  })), icons);
  assert.equal(sizes.length, 3);
  for (const [stated, actual] of sizes) assert.equal(actual, stated);
  await page.context().close();
});

test('of ten photos pasted at once the last counts, and at most two are computed', { skip }, async () => {
  env.mock.set({ modules: { cpu: 'reports' }, compute: 100 });
  const page = await env.open();
  await page.waitForSelector('.sample');
  env.mock.requests.length = 0;
  await Promise.all(Array.from({ length: 10 }, (_, i) => paste(page, pngFile(100 + i, 100))));
  await page.waitForSelector('.verdict');
  await page.waitForTimeout(1_000);
  const tagged = env.mock.requests.map(({ path }) => path).filter((path) => path.startsWith('/mock/tag') && !path.endsWith('?8x8'));
  assert.equal(tagged.at(-1), '/mock/tag?109x100');
  assert.ok(tagged.length <= 2, String(tagged));
  await page.context().close();
});

test('one paste with several photos opens the first', { skip }, async () => {
  env.mock.set({ modules: { cpu: 'reports' } });
  const page = await env.open();
  env.mock.requests.length = 0;
  await paste(page, NOTES, pngFile(101, 100), pngFile(102, 100));
  await page.waitForSelector('.verdict');
  assert.deepEqual(env.mock.requests.map(({ path }) => path).filter((path) => /^\/mock\/tag\?10/.test(path)), ['/mock/tag?101x100']);
  await page.context().close();
});
