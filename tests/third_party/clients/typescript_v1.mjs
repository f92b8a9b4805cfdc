// The TypeScript SDK, 1.x: each server once, all of them as one, then everything that server-everything can do, then
// what holds between sessions.
import { Report } from './report.mjs';
import { basics } from './typescript/basics.mjs';
import { everything } from './typescript/everything.mjs';
import { launched } from './typescript/launched.mjs';
import { lifecycle } from './typescript/lifecycle.mjs';
import { oldTransport } from './typescript/old_transport.mjs';
import { sessions } from './typescript/sessions.mjs';
import { unified } from './typescript/unified.mjs';
import { load } from './world.mjs';

const { Client } = load('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = load('@modelcontextprotocol/sdk/client/streamableHttp.js');
const types = load('@modelcontextprotocol/sdk/types.js');

const report = new Report('typescript-v1');
const sdk = { Client, Transport: StreamableHTTPClientTransport, types };
await Promise.all([
  basics(report, sdk),
  everything(report, sdk),
  lifecycle(report, sdk),
  launched(report, sdk),
  oldTransport(report, sdk),
  unified(report, sdk),
]);
// By itself: it takes times.
await sessions(report, sdk);
report.end();
