// Latency and throughput of POST /api/v1/search with the shop's own sample photos.
//
//   node tests/load/search.mjs http://127.0.0.1:8080 [REQUESTS]
//
// One table row per concurrency on stdout. Only ever talks to this machine.

const [base, requests = '60'] = process.argv.slice(2);
const { hostname } = new URL(base ?? 'missing:');
if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) {
  console.error('usage: node tests/load/search.mjs http://127.0.0.1:PORT [REQUESTS]');
  process.exit(2);
}
const TOTAL = Number(requests);

const { samples } = await (await fetch(`${base}/api/v1/samples`)).json();
const photos = await Promise.all(
  samples.map(async ({ image }) => new Blob([await (await fetch(base + image)).arrayBuffer()])),
);
if (photos.length === 0) throw new Error('the shop has no sample photos');

/** One search; resolves to its duration in milliseconds. */
async function search(photo) {
  const body = new FormData();
  body.set('image', photo, 'photo.jpg');
  const began = performance.now();
  const response = await fetch(`${base}/api/v1/search`, { method: 'POST', body });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${response.status} ${answer.code}`);
  if (answer.hits.length === 0) throw new Error('a search found nothing');
  return performance.now() - began;
}

/** `TOTAL` searches by `width` clients that each wait for their answer. */
async function measure(width) {
  const times = [];
  let sent = 0;
  const client = async () => {
    while (sent < TOTAL) times.push(await search(photos[sent++ % photos.length]));
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: width }, client));
  const seconds = (performance.now() - began) / 1000;
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))];
  return { clients: width, p50_ms: at(0.5), p95_ms: at(0.95), per_second: times.length / seconds };
}

for (const photo of photos) await search(photo);
console.log('clients   p50 ms   p95 ms   searches/s');
for (const width of [1, 4, 16]) {
  const { clients, p50_ms, p95_ms, per_second } = await measure(width);
  console.log(
    `${String(clients).padStart(7)} ${p50_ms.toFixed(1).padStart(8)} ${p95_ms.toFixed(1).padStart(8)} ${per_second.toFixed(1).padStart(12)}`,
  );
}
