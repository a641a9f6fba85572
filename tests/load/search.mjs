// Measures the latency and the throughput of POST /api/v1/search with the sample photos of the shop.
//
//   node tests/load/search.mjs http://127.0.0.1:8080 [REQUESTS]
//
// Prints one table row per number of clients on stdout. Sends requests only to the local machine.

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
if (photos.length === 0) throw new Error('the catalog has no sample photos: list some in samples.txt and index the dataset again');

/** Sends one search. Resolves to its duration in milliseconds. */
async function search(photo) {
  const body = new FormData();
  body.set('image', photo, 'photo.jpg');
  const started = performance.now();
  const response = await fetch(`${base}/api/v1/search`, { method: 'POST', body });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${response.status} ${answer.code}`);
  if (answer.hits.length === 0) throw new Error('a search returned no products');
  return performance.now() - started;
}

/** Sends `TOTAL` searches from several clients. Each client waits for the answer before it sends the next search. */
async function measure(clients) {
  const times = [];
  let sent = 0;
  const client = async () => {
    while (sent < TOTAL) times.push(await search(photos[sent++ % photos.length]));
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  const quantile = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))];
  return { p50: quantile(0.5), p95: quantile(0.95), perSecond: times.length / seconds };
}

for (const photo of photos) await search(photo);
console.log('clients   p50 ms   p95 ms   searches/s');
for (const clients of [1, 4, 16]) {
  const { p50, p95, perSecond } = await measure(clients);
  const columns = [String(clients).padStart(7), p50.toFixed(1).padStart(8), p95.toFixed(1).padStart(8), perSecond.toFixed(1).padStart(12)];
  console.log(columns.join(' '));
}
