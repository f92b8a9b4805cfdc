// The rows and what each cell checks, the same for every client: who it is that answers and by which revision, its tools, and one call
// where the server needs no network for one.
import { expect, expectEqual, textOf } from '../clients/report.mjs';
import { servers } from './world.mjs';

/**
 * `connect(server)` gives `{ revision?, name?, list(), call(call), close() }`: what a client does not tell is not checked of it.
 */
export async function cells(report, revision, connect) {
  for (const spec of servers()) await report.check(spec.server, 'cell', () => cell(spec, revision, connect));
}

async function cell({ server, name, tools, call, ...spec }, revision, connect) {
  const wanted = (revision === '2026-07-28' && spec.expect_modern) || spec.expect;
  const session = await step('connects', () => connect(server));
  try {
    if ('revision' in session) expectEqual(session.revision, revision, 'the revision');
    if ('name' in session) expectEqual(session.name, name, 'serverInfo.name');
    const listed = (await step('lists its tools', () => session.list())).map((tool) => tool.name);
    const missing = tools.filter((tool) => !listed.includes(tool));
    expect(missing.length === 0, `these tools are missing: ${missing}`, listed);
    if (!call) return;
    const text = textOf(await step(`calls ${call.name}`, () => session.call(call)));
    expect(text.includes(wanted), `the result of ${call.name} should contain ${JSON.stringify(wanted)}`, text);
  } finally {
    await session.close?.();
  }
}

/** The error of a step says which one it was. */
async function step(what, body) {
  try {
    return await body();
  } catch (error) {
    throw new Error(`${what}: ${error?.message ?? error}`, { cause: error?.cause });
  }
}
