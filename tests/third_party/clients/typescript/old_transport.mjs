// A client of the older HTTP+SSE (2024-11-05).
import { expect, expectEqual, textOf } from '../report.mjs';
import { endpoint, load } from '../world.mjs';

const SERVER = 'everything';

export async function oldTransport(report, { Client }) {
  const { SSEClientTransport } = load('@modelcontextprotocol/sdk/client/sse.js');
  await report.check(SERVER, 'is used over HTTP+SSE', async () => {
    const url = new URL(String(endpoint(SERVER)).replace('/mcp/', '/sse/'));
    const client = new Client({ name: 'third-party-check', version: '1' }, { capabilities: {} });
    await client.connect(new SSEClientTransport(url));
    expectEqual(client.getServerVersion()?.name, 'mcp-servers/everything', 'serverInfo.name');
    expect((await client.listTools()).tools.length > 5, 'there are few tools');
    const steps = [];
    const call = { name: 'trigger-long-running-operation', arguments: { duration: 1, steps: 4 } };
    textOf(await client.callTool(call, undefined, { onprogress: (step) => steps.push(step.progress) }));
    // This SDK forgets who waits for progress as soon as it reads the answer, before it has handed on what it read with it: where both come
    // in one piece, as over a transport with one stream, the last step may be missing.
    expectEqual(steps.slice(0, 3), [1, 2, 3], 'the steps');
    await client.close();
  });
}
