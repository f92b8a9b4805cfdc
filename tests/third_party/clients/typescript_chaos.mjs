// The TypeScript SDK, 1.x, while its servers are killed and stopped.
import { Report } from './report.mjs';
import { crashes } from './typescript/crashes.mjs';
import { load } from './world.mjs';

const { Client } = load('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = load('@modelcontextprotocol/sdk/client/streamableHttp.js');
const types = load('@modelcontextprotocol/sdk/types.js');

const report = new Report('typescript-chaos');
await crashes(report, { Client, Transport: StreamableHTTPClientTransport, types });
report.end();
