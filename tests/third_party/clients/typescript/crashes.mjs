// Real servers are killed and stopped under a real client: an error at once, or none at all; the session goes on; no
// process stays.
import { expect, expectEqual, textOf, within } from '../report.mjs';
import { servers } from '../world.mjs';
import { close, connectFullClient } from './full_client.mjs';
import { connectionOf, family, gone, inFlight, pidOf, untilAsync } from './processes.mjs';

const AT_ONCE_MS = 5_000;
const LONG = { name: 'trigger-long-running-operation', arguments: { duration: 60, steps: 60 } };
const LOST = -31001;
const SDK_TIMEOUT = -32001;

export async function crashes(report, sdk) {
  const each = ['everything', 'memory', 'time'].map((server) => oneByOne(report, sdk, server));
  await Promise.all([...each, retries(report, sdk)]);
  await wrapped(report, sdk);
}

/** The call that is made of a server; names in it are new each time. */
const specOf = (server) => servers().find((spec) => spec.server === server);

async function oneByOne(report, sdk, server) {
  const check = (what, body) => report.check(server, what, () => withSessions(sdk, server, body));

  await check('kill -9 in a call: an error at once, and the session goes on', async ({ session, works }) => {
    const pid = await pidOf(session);
    // Stopped, it has the call for as long as it takes.
    process.kill(pid, 'SIGSTOP');
    await lostCall(session, specOf(server).call, pid, { signal: 9 });
    await works();
  });
  await check('kill -9 between calls: nobody notices, three times', async ({ session, works }) => {
    for (let i = 0; i < 3; i += 1) {
      const pid = await pidOf(session);
      process.kill(pid, 'SIGKILL');
      await untilAsync('its end to be seen', async () => (await connectionOf(session)).restarts === i + 1);
      await works();
      await gone([pid]);
    }
  });
  await check('SIGSTOP in a call: another session goes on, and SIGCONT has it answered', async ({ session, other, works }) => {
    const [pid, spec] = [await pidOf(session), specOf(server)];
    process.kill(pid, 'SIGSTOP');
    const call = session.client.callTool(spec.call);
    await inFlight(session, 1);
    await other();
    process.kill(pid, 'SIGCONT');
    expect(textOf(await call).includes(spec.expect), 'the answer, late', await call);
    await works();
    expectEqual(await pidOf(session), pid, 'the process');
  });
  await check('SIGSTOP in a call: the client gives up, the server is killed, the session goes on', async ({ session, other, works }) => {
    const pid = await pidOf(session);
    process.kill(pid, 'SIGSTOP');
    const error = await errorOf(session.client.callTool(specOf(server).call, undefined, { timeout: 1_500 }));
    expectEqual(error.code, SDK_TIMEOUT, `the code of "${error.message}"`);
    await other();
    process.kill(pid, 'SIGKILL');
    await untilAsync('its end to be seen', async () => (await connectionOf(session)).restarts === 1);
    await works();
    await gone([pid]);
  });
}

/** A tool that its server's list calls read-only may be called once more, and one that was not listed may not. */
async function retries(report, sdk) {
  const server = 'everything';
  await report.check(server, 'kill -9 in a read-only call: repeated once the client has seen the list', () =>
    withSessions(sdk, server, async ({ session }) => {
      await lostCall(session, LONG, await pidOf(session), { signal: 9 });
      await session.client.listTools();
      const pid = await pidOf(session);
      const call = session.client.callTool({ name: LONG.name, arguments: { duration: 2, steps: 2 } });
      await inFlight(session, 1);
      process.kill(pid, 'SIGKILL');
      expect(textOf(await call).includes('completed'), 'the answer of the new server', await call);
      await gone([pid]);
    }),
  );
}

/** npx stays between the gateway and the server, with a shell: either end may die alone. */
async function wrapped(report, sdk) {
  const server = 'everything-npx';
  const check = (what, body) => report.check(server, what, () => withSessions(sdk, server, body));

  await check('kill -9 of npx alone in a call: an error at once, its server does not stay', async ({ session, works }) => {
    const pid = await pidOf(session);
    const all = family(pid);
    expect(all.length > 1, 'npx has no child', all);
    await lostCall(session, LONG, pid, { signal: 9 }, all);
    await works();
  });
  await check('kill -9 of the server below npx alone: an error at once, npx does not stay', async ({ session, works }) => {
    const all = family(await pidOf(session));
    await lostCall(session, LONG, all.at(-1), {}, all);
    await works();
  });
}

/** A session with its server, one beside it, and what must hold for both at the end: nothing of them stays. */
async function withSessions(sdk, server, body) {
  const [session, neighbour] = await Promise.all([connectFullClient(sdk, server), connectFullClient(sdk, server)]);
  const works = async ({ client } = session) => {
    const spec = specOf(server);
    const text = textOf(await client.callTool(spec.call));
    expect(text.includes(spec.expect), `the result should contain ${JSON.stringify(spec.expect)}`, text);
  };
  const other = async () => {
    const started = performance.now();
    await works(neighbour);
    within(performance.now() - started, AT_ONCE_MS, 'a call of another session');
  };
  await body({ session, works, other });
  await other();
  expectEqual((await connectionOf(neighbour)).total_errors, 0, 'the errors of the other session');
  const left = [...family(await pidOf(session)), ...family(await pidOf(neighbour))];
  await Promise.all([close(session), close(neighbour)]);
  await gone(left);
}

/** Calls, kills a process once the server has the call, and wants the error that is due, at once. */
async function lostCall(session, call, victim, wanted, all = [victim]) {
  const { total_errors: before } = await connectionOf(session);
  const failed = errorOf(session.client.callTool(call));
  await inFlight(session, 1);
  const killed = performance.now();
  process.kill(victim, 'SIGKILL');
  const error = await failed;
  within(performance.now() - killed, AT_ONCE_MS, 'the error');
  expectEqual(error.code, LOST, `the code of "${error.message}"`);
  expect(['signal', 'exit', 'eof'].includes(error.data.reason), 'a reason', error.data);
  for (const [key, value] of Object.entries(wanted)) expectEqual(error.data[key], value, key);
  await gone(all);
  expectEqual((await connectionOf(session)).total_errors, before + 1, 'the errors of the session');
}

async function errorOf(call) {
  const answer = await call.then((result) => ({ result }), (error) => ({ error }));
  expect(answer.error, 'it should have failed', answer.result);
  return answer.error;
}
