// How sessions begin and end on the wire, as a client finds out that is not well behaved.
import { expect, expectEqual } from '../report.mjs';
import { endpoint } from '../world.mjs';
import { statusOf } from './basics.mjs';
import { close, connectFullClient } from './full_client.mjs';

const SERVER = 'sequential-thinking';

export async function lifecycle(report, sdk) {
  await report.check(SERVER, 'DELETE ends the session for POST, GET and DELETE alike: 404', async () => {
    const session = await connectFullClient(sdk, SERVER);
    const { sessionId } = session.transport;
    expect(/^[\x21-\x7e]+$/.test(sessionId), 'the session id is not visible ASCII', sessionId);
    expectEqual(await statusOf(SERVER, sessionId), 200, 'the status of a ping before');
    await close(session);
    expectEqual(await statusOf(SERVER, sessionId), 404, 'the status of a POST after');
    for (const method of ['GET', 'DELETE']) {
      const headers = { 'mcp-session-id': sessionId, accept: 'text/event-stream', 'mcp-protocol-version': '2025-11-25' };
      const response = await fetch(endpoint(SERVER), { method, headers });
      await response.body?.cancel();
      expectEqual(response.status, 404, `the status of a ${method} after`);
    }
  });
  await report.check(SERVER, 'DELETE of one session leaves its neighbour alone', async () => {
    const [gone, neighbour] = await Promise.all([connectFullClient(sdk, SERVER), connectFullClient(sdk, SERVER)]);
    await close(gone);
    expectEqual(await statusOf(SERVER, gone.transport.sessionId), 404, 'the status of the one that ended');
    await neighbour.client.ping();
    expectEqual((await neighbour.client.listTools()).tools.length, 1, 'the tools of the neighbour');
    await close(neighbour);
  });
  await report.check(SERVER, 'a session id that never was answers 404', async () => {
    expectEqual(await statusOf(SERVER, 'c0ffee00-0000-4000-8000-000000000000'), 404, 'the status');
  });
}
