// Count of the content that leaves the page. It wraps the one `fetch` of the page, so no request with a body escapes it.
// The workers only fetch files.

/** Counted content by kind: `numbers` computed from a photo, a `photo` or a part of it, and `other` content. */
const counts = { numbers: { requests: 0, bytes: 0 }, photo: { requests: 0, bytes: 0 }, other: { requests: 0, bytes: 0 } };

let onChange = () => {};

/** Returns the counts by kind, in bytes of the requests' bodies. */
export const trafficCounts = () => counts;

/**
 * Counts the bodies of all requests from now on. A body counts when its request begins.
 * @param {() => void} listener called after every change
 */
export function countTraffic(listener) {
  onChange = listener;
  const send = globalThis.fetch;
  globalThis.fetch = async (input, init = {}) => {
    if (init.body === undefined || init.body === null) return send(input, init);
    // A form is packed here, so that its size is known.
    const packed = new Request(input, { method: init.method, body: init.body, headers: init.headers });
    const body = await packed.blob();
    count(kindOf(packed.headers.get('content-type') ?? '', init.body), body.size);
    return send(input, { ...init, headers: packed.headers, body });
  };
}

function kindOf(type, body) {
  if (/^(multipart|image)\//.test(type)) return 'photo';
  return typeof body === 'string' && body.includes('"embedding"') ? 'numbers' : 'other';
}

function count(kind, bytes) {
  counts[kind].requests += 1;
  counts[kind].bytes += bytes;
  onChange();
}
