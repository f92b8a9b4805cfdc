// The processes behind a session, as the admin API and the operating system know them.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';

import { until } from '../report.mjs';

/** The gateway's admin listener; unset if the gateway is not one of this machine that `run` has started. */
export const admin = process.env.THIRD_PARTY_ADMIN;

/** What the gateway shows of the connection behind a session. */
export async function connectionOf({ transport }) {
  const hash = createHash('sha256').update(transport.sessionId).digest('hex').slice(0, 12);
  const { connections } = await (await fetch(`${admin}/api/v1/connections`)).json();
  return connections.find((connection) => connection.session === hash);
}

/** The process that the gateway has started for a session, once it is there and serves. */
export async function pidOf(session) {
  let found;
  await untilAsync('a ready server', async () => {
    found = await connectionOf(session);
    return found?.phase === 'ready' && found.pid;
  });
  return found.pid;
}

/** Waits until the server has that many calls of the session. */
export function inFlight(session, count) {
  return untilAsync(`${count} calls at the server`, async () => (await connectionOf(session))?.in_flight === count);
}

/** A process and all it has started, parents first. */
export function family(pid) {
  const children = new Map();
  for (const entry of readdirSync('/proc')) {
    const stat = /^\d+$/.test(entry) && statOf(entry);
    if (stat) children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(entry)]);
  }
  const all = [pid];
  for (const one of all) all.push(...(children.get(one) ?? []));
  return all;
}

/** Waits until none of them lives; a zombie is only waiting for the init of this machine. */
export async function gone(pids) {
  await until(`the end of ${pids}`, () => pids.every((pid) => !'RSDTI'.includes(statOf(pid)?.state ?? 'X')));
}

export async function untilAsync(what, probe) {
  let value;
  const ask = async () => void (value = await probe());
  await ask();
  let asking = false;
  await until(what, () => {
    if (!value && !asking) {
      asking = true;
      ask().finally(() => (asking = false));
    }
    return value;
  });
  return value;
}

function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything.
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}
