// A fetch that notes what arrived on which kind of stream, so that a check can tell the
// standalone GET stream from the answer of a POST. The SDK sees the response unchanged.

export function tappedFetch() {
  const seen = { getStreams: [], onGet: [], onPost: [] };
  const tapped = async (url, init) => {
    const response = await fetch(url, init);
    const type = response.headers.get('content-type') ?? '';
    const isGet = init?.method === 'GET';
    if (isGet) seen.getStreams.push({ status: response.status, type });
    if (!response.body || !type.startsWith('text/event-stream')) return response;
    const [ours, theirs] = response.body.tee();
    note(ours, isGet ? seen.onGet : seen.onPost);
    return new Response(theirs, { status: response.status, headers: response.headers });
  };
  return { seen, fetch: tapped };
}

/** Parses only what it needs of SSE: whole `data:` lines, which is how JSON-RPC messages come. */
async function note(stream, into) {
  let rest = '';
  try {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith('data:') && line.slice(5).trim()) into.push(JSON.parse(line.slice(5)));
      }
    }
  } catch {
    // The stream ends with its session; the SDK reports what matters.
  }
}
