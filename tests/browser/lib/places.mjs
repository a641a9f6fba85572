// What the tests run against. `./dev test browser` sets these; by hand, the defaults of the checkout do.

import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../../..');

/** The built page (SELVEDGE_SITE). */
export const SITE = process.env.SELVEDGE_SITE ?? join(ROOT, 'dist');
/** The program (SELVEDGE). */
export const PROGRAM = process.env.SELVEDGE ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/selvedge');
/** The tagger's bundle (SELVEDGE_TAGGER). */
export const TAGGER = process.env.SELVEDGE_TAGGER ?? join(ROOT, 'server/bundles/tagger');
/** The retrieval bundle (SELVEDGE_BUNDLE). */
export const RETRIEVAL = process.env.SELVEDGE_BUNDLE ?? join(ROOT, 'server/bundles/retrieval');
/** The query encoder's bundle (SELVEDGE_QUERY_BUNDLE). */
export const QUERY = process.env.SELVEDGE_QUERY_BUNDLE ?? join(ROOT, 'server/bundles/query');
/** The indexed demo shop (SELVEDGE_INDEX). */
export const INDEX = process.env.SELVEDGE_INDEX ?? join(ROOT, 'demo/index');
/** The source of the style names. */
export const TAXONOMY = join(ROOT, 'shared/src/taxonomy.rs');
/** The page's words. */
export const WORDS = join(ROOT, 'www/i18n');

/**
 * Why a test can't run, or false. With SELVEDGE_REQUIRE_ALL set nothing is skipped: what is missing then fails.
 * @param {...string} paths files or folders the test needs
 */
export function missing(...paths) {
  const absent = paths.filter((path) => !existsSync(path));
  if (absent.length === 0 || process.env.SELVEDGE_REQUIRE_ALL) return false;
  return `there is no ${absent.join(', no ')}; run ./dev test browser, which makes it`;
}

/** The native answer for raw pixels: `[{id, prob, …}]`. */
export const nativeTags = (file, width, height) => native(file, width, height, 'tag', '--json', '--bundle', TAGGER);

/** The native embedding of raw pixels: `{model_id, space, values}`. */
export const nativeEmbedding = (file, width, height) => native(file, width, height, 'embed', '--bundle', QUERY);

async function native(file, width, height, command, ...how) {
  const args = [command, ...how, '--device', 'cpu', '--pixels', file, '--width', String(width), '--height', String(height)];
  const { stdout } = await promisify(execFile)(PROGRAM, args);
  return JSON.parse(stdout);
}

/** The real service: SELVEDGE_URL if it is set, else a server of its own on a free port. */
export async function startService() {
  if (process.env.SELVEDGE_URL) return { url: process.env.SELVEDGE_URL.replace(/\/?$/, '/'), close: async () => {} };
  const port = await freePort();
  const url = `http://localhost:${port}/`;
  const args = ['serve', '--device', 'cpu', '--listen', `127.0.0.1:${port}`, '--site', SITE, '--index', INDEX, '--bundle', RETRIEVAL, '--tagger', TAGGER, '--query-bundle', QUERY];
  const child = spawn(PROGRAM, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let talk = '';
  child.stderr.on('data', (data) => (talk += data));
  const ended = new Promise((done) => child.once('exit', done));
  for (let tries = 0; !(await ready(url)); tries++) {
    if (child.exitCode !== null || tries > 300) {
      child.kill();
      throw new Error(`the server did not become ready:\n${talk}`);
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  return {
    url,
    close: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

const ready = (url) => fetch(`${url}readyz`).then((response) => response.ok).catch(() => false);

function freePort() {
  return new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}
