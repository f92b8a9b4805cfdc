// Where things are: packages live in the cache, not beside this file, so they are required from
// there; the base URL is the only argument of every client.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

export const cache = join(resolve(process.env.MCPVISOR_TEST_CACHE ?? join(here, '../../.cache')), 'third_party');
export const load = createRequire(join(cache, 'package.json'));

const base = (process.argv[2] ?? '').replace(/\/$/, '');
if (!/^https?:/.test(base)) {
  console.error('usage: CLIENT BASE_URL (for example http://127.0.0.1:8080)');
  process.exit(2);
}

export const endpoint = (server) => new URL(`${base}/mcp/${server}`);

/** The servers with the one call that every client makes of each; names unique to this run. */
export function servers() {
  const text = readFileSync(join(here, '../servers.json'), 'utf8');
  const known = JSON.parse(text.replaceAll('@UNIQUE@', `entity-${randomUUID()}`));
  return known.filter((server) => !server.only_if || process.env[server.only_if]);
}
