// What everyone does first: initialise, list, call, close. Broken here = the gateway is of no use.
import { expect, expectEqual, textOf } from '../report.mjs';
import { endpoint, servers } from '../world.mjs';

export async function basics(report, sdk) {
  await Promise.all(servers().map((server) => basic(report, sdk, server)));
}

async function basic(report, { Client, Transport }, { server, name, tools, call, expect: wanted }) {
  const transport = new Transport(endpoint(server));
  const client = new Client({ name: 'third-party-check', version: '1' }, { capabilities: {} });

  await report.check(server, 'initialises', async () => {
    await client.connect(transport);
    expectEqual(client.getServerVersion()?.name, name, 'serverInfo.name');
    expect(transport.sessionId, 'there is no Mcp-Session-Id');
  });
  await report.check(server, 'lists its tools', async () => {
    const listed = (await client.listTools()).tools.map((tool) => tool.name);
    const missing = tools.filter((tool) => !listed.includes(tool));
    expect(missing.length === 0, `these tools are missing: ${missing}`, listed);
  });
  await report.check(server, `calls ${call.name}`, async () => {
    const text = textOf(await client.callTool(call));
    expect(text.includes(wanted), `the result should contain ${JSON.stringify(wanted)}`, text);
  });
  await report.check(server, 'ends its session: the id answers 404 afterwards', async () => {
    const id = transport.sessionId;
    await transport.terminateSession();
    await client.close();
    expectEqual(await statusOf(server, id), 404, 'the status of a request in the ended session');
  });
}

/** The status that a ping in session `id` gets, asked without any SDK. */
export async function statusOf(server, id) {
  const response = await fetch(endpoint(server), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-session-id': id,
      'mcp-protocol-version': '2025-11-25',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 'after', method: 'ping' }),
  });
  await response.body?.cancel();
  return response.status;
}
