// The inspector's command line: a new process and a new session for each request, as people use it
// to look at a server. It runs on the Node that ./install brought if the machine's is too old.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Report, expect, textOf } from './report.mjs';
import { cache, endpoint, servers } from './world.mjs';

const AT_ONCE = 3;
const launcher = join(cache, 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');
const newerNode = join(cache, 'node/node_modules/.bin/node');
const node = existsSync(newerNode) ? newerNode : process.execPath;
const home = mkdtempSync(join(tmpdir(), 'inspector-')); // it writes into its user's home

const report = new Report('inspector');
const waiting = servers();
await Promise.all(Array.from({ length: AT_ONCE }, worker));
rmSync(home, { recursive: true, force: true });
report.end();

async function worker() {
  for (let next = waiting.shift(); next; next = waiting.shift()) await inspect(next);
}

async function inspect({ server, tools, call, expect: wanted }) {
  await report.check(server, 'tools/list', async () => {
    const listed = (await inspector(server, '--method', 'tools/list')).tools.map((tool) => tool.name);
    const missing = tools.filter((tool) => !listed.includes(tool));
    expect(missing.length === 0, `these tools are missing: ${missing}`, listed);
  });
  await report.check(server, `tools/call ${call.name}`, async () => {
    const args = ['--tool-name', call.name, '--tool-args-json', JSON.stringify(call.arguments)];
    const text = textOf(await inspector(server, '--method', 'tools/call', ...args));
    expect(text.includes(wanted), `the result should contain ${JSON.stringify(wanted)}`, text);
  });
}

/** The JSON result that one run of the command prints; its complaint is the error if it fails. */
function inspector(server, ...args) {
  const patience = ['--connect-timeout', '35000']; // a cold start by npx on a busy machine
  const line = [launcher, '--cli', endpoint(server).href, '--transport', 'http', ...patience, '--format', 'json', ...args];
  const child = spawn(node, line, { env: { ...process.env, HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (err += text));
  const limit = setTimeout(() => child.kill('SIGKILL'), 40_000);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      if (code !== 0) return reject(new Error(`exit ${code ?? signal}: ${err || out}`));
      const printed = JSON.parse(out);
      resolve(printed.result ?? printed);
    });
  });
}
