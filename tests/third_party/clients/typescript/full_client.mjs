// A client that offers all that a server may ask of it, and notes what it was asked and told.
import { endpoint } from '../world.mjs';
import { tappedFetch } from './wire.mjs';

export const ROOTS = [
  { uri: 'file:///third-party/one', name: 'root one' },
  { uri: 'file:///third-party/two', name: 'root two' },
];

export async function connectFullClient({ Client, Transport, types }, server) {
  const wire = tappedFetch();
  const transport = new Transport(endpoint(server), { fetch: wire.fetch });
  const client = new Client(
    { name: 'third-party-full', version: '1' },
    { capabilities: { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } } },
  );
  const asked = { sampling: [], elicitation: [], roots: 0 };
  const told = { logs: [], updated: [], listChanged: 0 };
  const roots = [...ROOTS];

  client.setRequestHandler(types.CreateMessageRequestSchema, (request) => {
    asked.sampling.push(request.params);
    const prompt = request.params.messages.at(-1).content.text;
    return {
      model: 'a-model-of-this-test',
      role: 'assistant',
      stopReason: 'endTurn',
      content: { type: 'text', text: `sampled<${prompt}>` },
    };
  });
  client.setRequestHandler(types.ElicitRequestSchema, (request) => {
    asked.elicitation.push(request.params);
    if (request.params.mode === 'url') return { action: 'accept' };
    return { action: 'accept', content: { name: 'Ada Lovelace', check: true, integer: 7 } };
  });
  client.setRequestHandler(types.ListRootsRequestSchema, () => {
    asked.roots += 1;
    return { roots };
  });
  client.setNotificationHandler(types.LoggingMessageNotificationSchema, (n) => void told.logs.push(n.params));
  client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, (n) => void told.updated.push(n.params.uri));
  client.setNotificationHandler(types.ToolListChangedNotificationSchema, () => void (told.listChanged += 1));

  await client.connect(transport);
  return { client, transport, asked, told, roots, wire: wire.seen };
}

export async function close({ client, transport }) {
  await transport.terminateSession();
  await client.close();
}
