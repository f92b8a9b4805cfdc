// A client that only launches commands: the gateway behind `mcpvisor connect`, over standard input and output.
import { expect, expectEqual, textOf, until } from '../report.mjs';
import { endpoint, load } from '../world.mjs';

const SERVER = 'everything';

export async function launched(report, { Client, types }) {
  const command = process.env.THIRD_PARTY_GATEWAY;
  if (!command) return; // the gateway was not started here
  const { StdioClientTransport } = load('@modelcontextprotocol/sdk/client/stdio.js');
  const args = ['connect', '--url', String(endpoint(SERVER))];
  const transport = new StdioClientTransport({ command, args, stderr: 'ignore' });
  const client = new Client({ name: 'third-party-check', version: '1' }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(types.ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));

  await report.check(SERVER, 'is reached by a command that is launched', async () => {
    await client.connect(transport);
    expectEqual(client.getServerVersion()?.name, 'mcp-servers/everything', 'serverInfo.name');
    expect((await client.listTools()).tools.length > 5, 'there are few tools');
    const sum = await client.callTool({ name: 'get-sum', arguments: { a: 2, b: 40 } });
    expect(textOf(sum).includes('42'), 'the sum', textOf(sum));
  });
  await report.check(SERVER, 'reports progress and asks its user through it', async () => {
    const steps = [];
    const call = { name: 'trigger-long-running-operation', arguments: { duration: 1, steps: 4 } };
    await client.callTool(call, undefined, { onprogress: (step) => steps.push(step.progress) });
    // This SDK forgets who waits for progress as soon as it reads the answer, before it has handed on what it read with it: where both come
    // in one piece, as over stdio, the last step may be missing.
    expectEqual(steps.slice(0, 3), [1, 2, 3], 'the steps');
    const { tools } = await client.listTools();
    expect(tools.some((tool) => tool.name === 'trigger-elicitation-request'), 'the tool that asks is missing');
    const asked = await client.callTool({ name: 'trigger-elicitation-request', arguments: {} });
    expect(textOf(asked).includes('Ada'), 'the answer of the user is missing', textOf(asked));
  });
  await report.check(SERVER, 'ends with its client', async () => {
    const { pid } = transport;
    const start = Date.now();
    await client.close();
    expect(Date.now() - start < 1900, 'it had to be ended by a signal', Date.now() - start);
    await until('the end of the command', () => gone(pid));
  });
}

function gone(pid) {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}
