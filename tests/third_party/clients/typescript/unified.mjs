// All servers as one: what each can do alone, it can do beside the others.
import { expect, expectEqual, textOf } from '../report.mjs';
import { endpoint, servers } from '../world.mjs';

export async function unified(report, { Client, Transport }) {
  const client = new Client({ name: 'third-party-check', version: '1' }, { capabilities: {} });
  const transport = new Transport(endpoint(''));
  await report.check('all', 'initialises', async () => {
    await client.connect(transport);
    expectEqual(client.getServerVersion()?.name, 'mcpvisor', 'serverInfo.name');
  });
  await report.check('all', 'lists the tools of every server', async () => {
    const wanted = servers().flatMap(({ server, tools }) => tools.map((tool) => `${server}__${tool}`));
    // A list does not wait for a server that takes long to start: it names it, and the next one has it.
    for (const start = Date.now(); ; await new Promise((resolve) => setTimeout(resolve, 1000))) {
      const { tools, _meta } = await client.listTools();
      const listed = tools.map((tool) => tool.name);
      const missing = wanted.filter((tool) => !listed.includes(tool));
      if (missing.length === 0) break;
      const away = (_meta?.['mcpvisor/unavailable'] ?? []).map(({ backend }) => backend);
      const unnamed = missing.filter((tool) => !away.includes(tool.split('__')[0]));
      expect(unnamed.length === 0, `these tools are missing without a word: ${unnamed}`, listed);
      expect(Date.now() - start < 60_000, `these tools are missing: ${missing}`, listed);
    }
  });
  for (const { server, call, expect: wanted } of servers()) {
    await report.check('all', `calls ${server}__${call.name}`, async () => {
      const text = textOf(await client.callTool({ ...call, name: `${server}__${call.name}` }));
      expect(text.includes(wanted), `the result should contain ${JSON.stringify(wanted)}`, text);
    });
  }
  await transport.terminateSession?.();
  await client.close();
}
