// The TypeScript SDKs; and mcp-remote, which a client that only launches commands reaches the gateway by.
//
//   typescript.mjs BASE_URL typescript-v1|typescript-v2-legacy|typescript-v2-modern|mcp-remote
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Report } from '../clients/report.mjs';
import { cells } from './cells.mjs';
import { endpoint, load, matrixCache } from './world.mjs';

const INFO = { name: 'third-party-matrix', version: '1' };
const NAME = process.argv[3];

const report = new Report(NAME);
if (NAME === 'typescript-v1') {
  const { Client } = load('@modelcontextprotocol/sdk/client/index.js');
  const { StreamableHTTPClientTransport: Transport } = load('@modelcontextprotocol/sdk/client/streamableHttp.js');
  await cells(report, '2025-11-25', (server) => connected(new Client(INFO), new Transport(endpoint(server))));
} else if (NAME === 'mcp-remote') {
  const { Client } = load('@modelcontextprotocol/sdk/client/index.js');
  const { StdioClientTransport } = load('@modelcontextprotocol/sdk/client/stdio.js');
  const state = mkdtempSync(join(tmpdir(), 'mcp-remote-'));
  const proxy = join(matrixCache, 'node_modules/mcp-remote/dist/proxy.js');
  await cells(report, '2025-11-25', (server) => {
    const args = [proxy, endpoint(server).href, '--allow-http', '--transport', 'http-only'];
    const env = { ...process.env, MCP_REMOTE_CONFIG_DIR: state };
    return connected(new Client(INFO), new StdioClientTransport({ command: process.execPath, args, env, stderr: 'ignore' }));
  });
  rmSync(state, { recursive: true, force: true });
} else {
  const { Client, StreamableHTTPClientTransport: Transport } = load('@modelcontextprotocol/client');
  const [revision, mode] = NAME === 'typescript-v2-modern' ? ['2026-07-28', 'auto'] : ['2025-11-25', 'legacy'];
  const options = { versionNegotiation: { mode } };
  await cells(report, revision, (server) => connected(new Client(INFO, options), new Transport(endpoint(server))));
}
report.end();

async function connected(client, transport) {
  // The older SDK tells the revision to its transport alone, and only to one that wants to know.
  let told;
  const next = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (revision) => {
    told = revision;
    next?.(revision);
  };
  await client.connect(transport);
  return {
    revision: client.getNegotiatedProtocolVersion?.() ?? told,
    name: client.getServerVersion()?.name,
    list: async () => (await client.listTools()).tools,
    call: (call) => client.callTool(call),
    close: async () => {
      await transport.terminateSession?.();
      await client.close();
    },
  };
}
