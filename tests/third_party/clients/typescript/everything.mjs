// All that server-everything can do, through one session: what the server asks of the client, and
// what it tells by itself, must find the right way back.
import { expect, expectEqual, textOf, until, within } from '../report.mjs';
import { ROOTS, close, connectFullClient } from './full_client.mjs';

const SERVER = 'everything';
const FIRST = 'demo://resource/dynamic/text/1';
const SECOND = 'demo://resource/dynamic/text/2';

export async function everything(report, sdk) {
  const check = (what, body) => report.check(SERVER, what, body);
  await Promise.all([oneSession(check, sdk), byItself(check, sdk), cancellation(check, sdk)]);
}

async function oneSession(check, sdk) {
  const session = await check('initialises with sampling, elicitation and roots', () =>
    connectFullClient(sdk, SERVER),
  );
  if (!session) return;
  await serverRequests(check, session, sdk);
  await logging(check, session);
  await resources(check, session, sdk);
  await promptsAndCompletion(check, session);
  await longOperation(check, session);
  await closing(check, session);
}

async function serverRequests(check, { client, asked, roots, wire }, { types }) {
  await check('GET stream: open, and the roots request with nothing in flight comes over it', async () => {
    const overGet = () => wire.onGet.some((message) => message.method === 'roots/list');
    await until('a roots/list request on the standalone stream', overGet);
    expectEqual(wire.getStreams[0].status, 200, 'the status of the GET');
    expect(asked.roots >= 1, 'the client was not asked for its roots');
  });
  await check('roots: the tool shows the roots of this client', async () => {
    const text = textOf(await client.callTool({ name: 'get-roots-list', arguments: {} }));
    for (const root of ROOTS) expect(text.includes(root.uri) && text.includes(root.name), `${root.uri} is missing`, text);
  });
  await check('roots: list_changed makes the server ask again', async () => {
    const before = asked.roots;
    roots.push({ uri: 'file:///third-party/three', name: 'root three' });
    await client.sendRootsListChanged();
    await until('another roots/list request', () => asked.roots > before);
    let text = '';
    for (let i = 0; i < 50 && !text.includes('three'); i += 1) {
      text = textOf(await client.callTool({ name: 'get-roots-list', arguments: {} }));
    }
    expect(text.includes('file:///third-party/three'), 'the new root is missing', text);
  });
  await check('sampling: the answer of the client comes back in the result', async () => {
    const call = { name: 'trigger-sampling-request', arguments: { prompt: 'a prompt ✓', maxTokens: 17 } };
    const text = textOf(await client.callTool(call));
    expect(text.includes('sampled<Resource trigger-sampling-request context: a prompt ✓>'), 'not our answer', text);
    expect(text.includes('a-model-of-this-test'), 'not our model', text);
    expectEqual(asked.sampling.at(-1).maxTokens, 17, 'maxTokens as the client was asked');
    expectEqual(asked.sampling.at(-1).temperature, 0.7, 'temperature as the client was asked');
  });
  await check('elicitation: the form that the user filled in comes back', async () => {
    const text = textOf(await client.callTool({ name: 'trigger-elicitation-request', arguments: {} }));
    expect(text.includes('Ada Lovelace') && text.includes('Favorite Integer: 7'), 'not our form', text);
    expectEqual(asked.elicitation.at(-1).requestedSchema.required, ['name'], 'the schema as the client was asked');
  });
  await check('elicitation by URL: asked with url and id', async () => {
    const call = { url: 'https://example.invalid/consent', elicitationId: 'consent-1' };
    const text = textOf(await client.callTool({ name: 'trigger-url-elicitation', arguments: call }));
    expect(text.includes('completed the URL elicitation'), 'not accepted', text);
    expectEqual(asked.elicitation.at(-1).elicitationId, 'consent-1', 'the id as the client was asked');
  });
  await check('elicitation by error: -32042 arrives with its data', async () => {
    const call = { url: 'https://example.invalid/first', elicitationId: 'consent-2', errorPath: true };
    const error = await failure(client.callTool({ name: 'trigger-url-elicitation', arguments: call }));
    expectEqual(error.code, types.ErrorCode.UrlElicitationRequired, 'the code of the error');
    expect(error.data?.elicitations?.[0]?.mode === 'url', 'the error carries no elicitation', error.data);
  });
}

async function logging(check, { client, told }) {
  const logged = (uri) => told.logs.some((log) => String(log.data).includes(uri));
  await check('logging: at level debug the log message of a subscription arrives', async () => {
    await client.setLoggingLevel('debug');
    await client.subscribeResource({ uri: FIRST });
    await until('the log message', () => logged(FIRST));
  });
  await check('logging: at level error it does not', async () => {
    await client.setLoggingLevel('error');
    await client.subscribeResource({ uri: SECOND });
    await client.ping();
    expect(!logged(SECOND), 'an info message came at level error', told.logs);
    await client.setLoggingLevel('debug');
  });
}

async function resources(check, { client, told }, { types }) {
  await check('resources: list, templates, read text and blob', async () => {
    const { resources: listed } = await client.listResources();
    expect(listed.length >= 5, 'too few resources', listed.length);
    const { resourceTemplates } = await client.listResourceTemplates();
    expectEqual(resourceTemplates.length, 2, 'the number of templates');
    const [text] = (await client.readResource({ uri: FIRST })).contents;
    expect(text.text.startsWith('Resource 1: This is a plaintext resource'), 'another text', text);
    const [blob] = (await client.readResource({ uri: 'demo://resource/dynamic/blob/3' })).contents;
    const decoded = Buffer.from(blob.blob, 'base64').toString();
    expect(decoded.startsWith('Resource 3: This is a base64 blob'), 'another blob', decoded);
    const [file] = (await client.readResource({ uri: listed[0].uri })).contents;
    expect(file.text.length > 500, 'the file is short', file.text.length);
  });
  await check('errors: an unknown resource and an unknown tool are errors of the server, not of HTTP', async () => {
    const error = await failure(client.readResource({ uri: 'demo://nowhere' }));
    expect(error instanceof types.McpError, 'not a JSON-RPC error', String(error));
    const result = await client.callTool({ name: 'no-such-tool', arguments: {} }).catch((e) => e);
    expect(result.isError || result instanceof types.McpError, 'an unknown tool was no error', result);
  });
  await check('subscription: resources/updated arrives for both subscribed resources', async () => {
    await client.callTool({ name: 'toggle-subscriber-updates', arguments: {} });
    await until('updates', () => told.updated.includes(FIRST) && told.updated.includes(SECOND));
  });
  await check('tools: binary and structured results arrive whole', async () => {
    const image = await client.callTool({ name: 'get-tiny-image', arguments: {} });
    const png = image.content.find((part) => part.type === 'image');
    expectEqual(Buffer.from(png.data, 'base64').subarray(1, 4).toString(), 'PNG', 'the head of the picture');
    const weather = await client.callTool({ name: 'get-structured-content', arguments: { location: 'New York' } });
    expect(typeof weather.structuredContent.temperature === 'number', 'no temperature', weather);
    const long = 'x'.repeat(1_000_000);
    const echoed = textOf(await client.callTool({ name: 'echo', arguments: { message: long } }));
    expectEqual(echoed.length, long.length + 'Echo: '.length, 'the length of a million letters echoed');
  });
  await check('environment: what mcp.json sets is there, what is not for children is not', async () => {
    const env = JSON.parse(textOf(await client.callTool({ name: 'get-env', arguments: {} })));
    expectEqual(env.THIRD_PARTY_CHECK, 'from mcp.json', 'the variable of mcp.json');
    expect(env.PATH && env.HOME !== undefined, 'PATH or HOME is missing', Object.keys(env));
    expectEqual(env.THIRD_PARTY_SECRET, undefined, 'a secret of the gateway in its child');
  });
}

async function promptsAndCompletion(check, { client }) {
  await check('prompts: list, get with arguments', async () => {
    const names = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
    for (const name of ['simple-prompt', 'args-prompt', 'completable-prompt']) {
      expect(names.includes(name), `${name} is missing`, names);
    }
    const prompt = await client.getPrompt({ name: 'args-prompt', arguments: { city: 'Zürich', state: 'ZH' } });
    expectEqual(prompt.messages[0].content.text, "What's weather in Zürich, ZH?", 'the prompt');
  });
  await check('completion: of a prompt argument, with context, and of a resource template', async () => {
    const ref = { type: 'ref/prompt', name: 'completable-prompt' };
    const department = await client.complete({ ref, argument: { name: 'department', value: 'S' } });
    expectEqual(department.completion.values, ['Sales', 'Support'], 'the departments');
    const context = { arguments: { department: 'Sales' } };
    const name = await client.complete({ ref, argument: { name: 'name', value: 'E' }, context });
    expectEqual(name.completion.values, ['Eve'], 'the names');
    const template = { type: 'ref/resource', uri: 'demo://resource/dynamic/text/{resourceId}' };
    const id = await client.complete({ ref: template, argument: { name: 'resourceId', value: '12' } });
    expectEqual(id.completion.values, ['12'], 'the resource ids');
  });
}

async function longOperation(check, { client }) {
  await check('progress: every step, in order, before the result', async () => {
    const steps = [];
    const call = { name: 'trigger-long-running-operation', arguments: { duration: 1, steps: 5 } };
    const result = await client.callTool(call, undefined, {
      onprogress: ({ progress, total }) => steps.push(`${progress}/${total}`),
    });
    expectEqual(steps, ['1/5', '2/5', '3/5', '4/5', '5/5'], 'the progress at the time of the result');
    expect(textOf(result).includes('completed'), 'not completed', result);
  });
  await check('task: a research task is created, asks, reports and gives its result', async () => {
    const kinds = new Set();
    let report = '';
    const params = { name: 'simulate-research-query', arguments: { topic: 'gateways', ambiguous: false } };
    for await (const message of client.experimental.tasks.callToolStream(params, undefined, { task: {} })) {
      kinds.add(message.type);
      if (message.type === 'error') throw message.error;
      if (message.type === 'result') report = textOf(message.result);
    }
    expect(kinds.has('taskCreated') && kinds.has('result'), 'the task had another life', [...kinds]);
    expect(report.includes('gateways'), 'the report is about something else', report);
  });
}

async function closing(check, session) {
  await check('server requests: none came twice', () => {
    const requests = [...session.wire.onGet, ...session.wire.onPost].filter((m) => m.method && m.id !== undefined);
    const ids = requests.map((request) => JSON.stringify(request.id));
    expect(ids.length >= 5, 'there were fewer than the checks above need', ids);
    expectEqual(new Set(ids).size, ids.length, 'the number of different ids of server requests');
  });
  await check('ends its session', () => close(session));
}

/** What comes 5 s after the last request: nothing is in flight, so only the GET stream can carry it. */
async function byItself(check, sdk) {
  const count = (messages, method) => messages.filter((message) => message.method === method).length;
  await check('GET stream: updates and log messages with nothing in flight come over it', async () => {
    const session = await connectFullClient(sdk, SERVER);
    const { client, told, wire } = session;
    await client.setLoggingLevel('debug');
    await client.subscribeResource({ uri: FIRST });
    await client.callTool({ name: 'toggle-subscriber-updates', arguments: {} });
    await client.callTool({ name: 'toggle-simulated-logging', arguments: {} });
    const now = (method) => count(wire.onGet, method);
    const before = { updates: now('notifications/resources/updated'), logs: now('notifications/message') };
    await until('an update on the GET stream', () => now('notifications/resources/updated') > before.updates);
    await until('a log message on the GET stream', () => now('notifications/message') > before.logs);
    expect(told.logs.length > 0 && told.updated.includes(FIRST), 'the client was told nothing', told);
    await close(session);
  });
}

/** In a session of its own: the server never answers a cancelled call, so its stream may stay open. */
async function cancellation(check, sdk) {
  await check('cancellation: a cancelled call ends at once, and the session goes on', async () => {
    const session = await connectFullClient(sdk, SERVER);
    const { client } = session;
    const abort = new AbortController();
    const onprogress = () => abort.abort('enough');
    const started = performance.now();
    const call = { name: 'trigger-long-running-operation', arguments: { duration: 30, steps: 60 } };
    await failure(client.callTool(call, undefined, { onprogress, signal: abort.signal }));
    within(performance.now() - started, 15_000, 'a call of 30 s that was cancelled');
    const echo = textOf(await client.callTool({ name: 'echo', arguments: { message: 'still here' } }));
    expectEqual(echo, 'Echo: still here', 'the echo');
    await close(session);
  });
}

/** The error that `promise` fails with; it is an error of the check if it succeeds. */
async function failure(promise) {
  const value = await promise.then((result) => ({ result }), (error) => ({ error }));
  expect(value.error, 'this should have failed', value.result);
  return value.error;
}
