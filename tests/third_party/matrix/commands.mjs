// Clients that are commands: a process and a session for each request.
//
//   commands.mjs BASE_URL inspector|mcporter
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Report } from '../clients/report.mjs';
import { cells } from './cells.mjs';
import { cache, endpoint, matrixCache } from './world.mjs';

const NAME = process.argv[3];
const newerNode = join(cache, 'node/node_modules/.bin/node');
const node = existsSync(newerNode) ? newerNode : process.execPath;
const home = mkdtempSync(join(tmpdir(), `${NAME}-`)); // they write into their user's home

const commands = {
  inspector: (server) => {
    const launcher = join(cache, 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');
    const to = [launcher, '--cli', endpoint(server).href, '--transport', 'http', '--connect-timeout', '35000', '--format', 'json'];
    const inner = (printed) => printed.result ?? printed;
    return {
      list: async () => inner(await run(...to, '--method', 'tools/list')).tools,
      call: async (call) => {
        const args = ['--tool-name', call.name, '--tool-args-json', JSON.stringify(call.arguments)];
        return inner(await run(...to, '--method', 'tools/call', ...args));
      },
    };
  },
  mcporter: (server) => {
    const cli = join(matrixCache, 'node_modules/mcporter/dist/cli.js');
    const to = ['--http-url', endpoint(server).href, '--allow-http', '--name', server, '--no-oauth', '--timeout', '35000'];
    return {
      list: async () => (await run(cli, 'list', ...to, '--json')).tools,
      // Its JSON is what a result has of structure, if it has some: the text is what every result has.
      call: async (call) => {
        const args = ['--tool', call.name, '--args', JSON.stringify(call.arguments), '--output', 'text'];
        return { content: [{ text: await printed(cli, 'call', ...to, ...args) }] };
      },
    };
  },
};

const report = new Report(NAME);
await cells(report, undefined, commands[NAME]);
rmSync(home, { recursive: true, force: true });
report.end();

async function run(...line) {
  const out = await printed(...line);
  try {
    return JSON.parse(out);
  } catch (error) {
    throw new Error(`not JSON (${error.message}): ${out}`);
  }
}

/** What one run of the command prints; its complaint is the error if it fails. */
function printed(...line) {
  const child = spawn(node, line, { cwd: home, env: { ...process.env, HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] });
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
      resolve(out);
    });
  });
}
