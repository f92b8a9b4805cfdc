// What server-everything asks of its client, answered by a client of 2026-07-28: nothing can be sent to it, so it is asked in the
// result of its call and calls again with the answer.
import { expect, expectEqual, textOf } from '../report.mjs';
import { endpoint } from '../world.mjs';

const SERVER = 'everything';
const ROOT = { uri: 'file:///third-party/modern', name: 'a root' };

export async function modern(report, { Client, Transport }) {
  const asked = { sampling: [], elicitation: [] };
  const client = new Client(
    { name: 'third-party-check', version: '1' },
    { capabilities: { sampling: {}, elicitation: { form: {} }, roots: {} }, versionNegotiation: { mode: 'auto' } },
  );
  client.setRequestHandler('roots/list', () => ({ roots: [ROOT] }));
  client.setRequestHandler('elicitation/create', (request) => {
    asked.elicitation.push(request.params);
    return { action: 'accept', content: { name: 'Ada Lovelace', check: true, integer: 7 } };
  });
  client.setRequestHandler('sampling/createMessage', (request) => {
    asked.sampling.push(request.params);
    const prompt = request.params.messages.at(-1).content.text;
    return { model: 'a-model-of-this-test', role: 'assistant', content: { type: 'text', text: `sampled<${prompt}>` } };
  });
  const transport = new Transport(endpoint(SERVER));

  await report.check(SERVER, '2026-07-28: is negotiated by discovery, and there is no session', async () => {
    await client.connect(transport);
    expectEqual(client.getNegotiatedProtocolVersion(), '2026-07-28', 'the revision');
    expectEqual(client.getServerVersion()?.name, 'mcp-servers/everything', 'serverInfo.name');
    expectEqual(transport.sessionId, undefined, 'the Mcp-Session-Id');
  });
  await report.check(SERVER, '2026-07-28: lists the tools that a client with these capabilities is offered', async () => {
    const listed = (await client.listTools()).tools.map((tool) => tool.name);
    for (const tool of ['get-roots-list', 'trigger-elicitation-request', 'trigger-sampling-request']) {
      expect(listed.includes(tool), `${tool} is missing`, listed);
    }
  });
  await report.check(SERVER, '2026-07-28: elicitation: the form that the user filled in comes back', async () => {
    const text = textOf(await client.callTool({ name: 'trigger-elicitation-request', arguments: {} }));
    expect(text.includes('Ada Lovelace') && text.includes('Favorite Integer: 7'), 'not our form', text);
    expectEqual(asked.elicitation.length, 1, 'how often the user was asked');
    expectEqual(asked.elicitation[0].requestedSchema.required, ['name'], 'the schema as the client was asked');
  });
  await report.check(SERVER, '2026-07-28: sampling: the answer of the client comes back in the result', async () => {
    const call = { name: 'trigger-sampling-request', arguments: { prompt: 'a prompt ✓', maxTokens: 17 } };
    const text = textOf(await client.callTool(call));
    expect(text.includes('sampled<Resource trigger-sampling-request context: a prompt ✓>'), 'not our answer', text);
    expect(text.includes('a-model-of-this-test'), 'not our model', text);
    expectEqual(asked.sampling.length, 1, 'how often the client was asked');
    expectEqual(asked.sampling[0].maxTokens, 17, 'maxTokens as the client was asked');
  });
  await report.check(SERVER, '2026-07-28: roots: the tool shows the roots of this client', async () => {
    const text = textOf(await client.callTool({ name: 'get-roots-list', arguments: {} }));
    expect(text.includes(ROOT.uri) && text.includes(ROOT.name), 'the root is missing', text);
  });
  await client.close();
}
