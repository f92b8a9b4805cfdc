// The servers of the matrix: those of the ordinary run that are one program each, and those of its own. Clients of 2026-07-28 without a
// key are one principal and share a process, so the thoughts that it counts are those of all of them.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { cache, servers as ordinary } from '../clients/world.mjs';

export { cache, endpoint, load } from '../clients/world.mjs';

const LEFT_OUT = ['everything-npx', 'everything-sse', 'sequential-thinking']; // server-everything by other ways; told anew
const here = dirname(fileURLToPath(import.meta.url));

export const matrixCache = join(cache, 'matrix');

export function servers() {
  const text = readFileSync(join(here, 'servers.json'), 'utf8');
  const own = JSON.parse(text.replaceAll('@REPOSITORY@', process.env.THIRD_PARTY_REPOSITORY));
  return [...ordinary().filter(({ server }) => !LEFT_OUT.includes(server)), ...own];
}
