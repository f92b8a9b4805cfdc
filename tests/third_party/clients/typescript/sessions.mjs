// What must hold within one session and between sessions: requests overlap, state does not leak.
import { expect, expectEqual, textOf, until, within } from '../report.mjs';
import { close, connectFullClient } from './full_client.mjs';

const LONG = 'trigger-long-running-operation';

export async function sessions(report, sdk) {
  await overlap(report, sdk);
  await Promise.all([thoughts(report, sdk), graphs(report, sdk), subscriptions(report, sdk), crowd(report, sdk)]);
}

async function overlap(report, sdk) {
  await report.check('everything', 'requests of one session overlap: 6 calls of 2 s, and a quick one between', async () => {
    const session = await connectFullClient(sdk, 'everything');
    const { client } = session;
    const started = performance.now();
    const progress = Array.from({ length: 6 }, () => []);
    const slow = progress.map((seen, i) =>
      client.callTool({ name: LONG, arguments: { duration: 2, steps: i + 1 } }, undefined, {
        onprogress: (step) => seen.push(`${step.progress}/${step.total}`),
      }),
    );
    const quick = client.callTool({ name: 'echo', arguments: { message: 'quick' } }).then(textOf);
    const first = await Promise.race([...slow.map((call) => call.then(() => 'a slow one')), quick]);
    expectEqual(first, 'Echo: quick', 'the first answer');
    const texts = (await Promise.all(slow)).map(textOf);
    within(performance.now() - started, 8_000, '6 calls of 2 s at once (12 s one after the other)');
    texts.forEach((text, i) => expect(text.includes(`Steps: ${i + 1}.`), `answer ${i} belongs to another call`, text));
    progress.forEach((seen, i) => {
      const wanted = Array.from({ length: i + 1 }, (_, step) => `${step + 1}/${i + 1}`);
      expectEqual(seen, wanted, `the progress of call ${i}`);
    });
    await close(session);
  });
}

async function thoughts(report, sdk) {
  await report.check('sequential-thinking', 'two sessions do not see each other\'s thoughts', async () => {
    const [a, b] = await pair(sdk, 'sequential-thinking');
    const think = async ({ client }, thoughtNumber, branchId) => {
      const branch = { branchFromThought: 1, branchId };
      const call = { thought: `thought ${thoughtNumber}`, thoughtNumber, totalThoughts: 5, nextThoughtNeeded: true, ...branch };
      return (await client.callTool({ name: 'sequentialthinking', arguments: call })).structuredContent;
    };
    for (const number of [1, 2]) await Promise.all([think(a, number, 'of-a'), think(b, number, 'of-b')]);
    const ofA = await think(a, 3, 'of-a');
    const ofB = await think(b, 3, 'of-b');
    expectEqual([ofA.thoughtHistoryLength, ofB.thoughtHistoryLength], [3, 3], 'the thoughts counted by each');
    expectEqual([ofA.branches, ofB.branches], [['of-a'], ['of-b']], 'the branches seen by each');
    await Promise.all([close(a), close(b)]);
  });
}

async function graphs(report, sdk) {
  await report.check('memory-private', 'two sessions, each with its own process and graph', async () => {
    const both = await pair(sdk, 'memory-private');
    const entity = (name) => ({ entities: [{ name, entityType: 'check', observations: [`only ${name}`] }] });
    await Promise.all(
      ['Ada', 'Grace'].map((name, i) => both[i].client.callTool({ name: 'create_entities', arguments: entity(name) })),
    );
    const names = await Promise.all(
      both.map(async ({ client }) => {
        const graph = await client.callTool({ name: 'read_graph', arguments: {} });
        return graph.structuredContent.entities.map((found) => found.name);
      }),
    );
    expectEqual(names, [['Ada'], ['Grace']], 'the entities seen by each');
    await Promise.all(both.map(close));
  });
}

async function subscriptions(report, sdk) {
  await report.check('everything', 'two sessions are told of their own subscriptions only', async () => {
    const [a, b] = await pair(sdk, 'everything');
    const uri = (name) => `demo://resource/dynamic/text/${name}`;
    await Promise.all([a.client.subscribeResource({ uri: uri(11) }), b.client.subscribeResource({ uri: uri(22) })]);
    await Promise.all([a, b].map(({ client }) => client.callTool({ name: 'toggle-subscriber-updates', arguments: {} })));
    await until('an update for each', () => a.told.updated.length > 0 && b.told.updated.length > 0);
    expectEqual([...new Set(a.told.updated)], [uri(11)], 'what the first was told');
    expectEqual([...new Set(b.told.updated)], [uri(22)], 'what the second was told');
    await Promise.all([close(a), close(b)]);
  });
}

async function crowd(report, sdk) {
  await report.check('sequential-thinking', 'eight sessions at once, each with a process of its own', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => connectFullClient(sdk, 'sequential-thinking')));
    const ids = new Set(all.map(({ transport }) => transport.sessionId));
    expectEqual(ids.size, all.length, 'the number of different session ids');
    const lengths = await Promise.all(
      all.map(async ({ client }, i) => {
        const arguments_ = { thought: 'x', thoughtNumber: 1, totalThoughts: 9, nextThoughtNeeded: true };
        const call = () => client.callTool({ name: 'sequentialthinking', arguments: arguments_ });
        for (let n = 0; n < i; n += 1) await call();
        return (await call()).structuredContent.thoughtHistoryLength;
      }),
    );
    expectEqual(lengths, [1, 2, 3, 4, 5, 6, 7, 8], 'the thoughts counted by each');
    await Promise.all(all.map(close));
  });
}

const pair = (sdk, server) => Promise.all([connectFullClient(sdk, server), connectFullClient(sdk, server)]);
