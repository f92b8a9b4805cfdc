// The TypeScript SDK, 2.x, as it comes: each server once, and all of them as one; and told to negotiate 2026-07-28.
import { Report } from './report.mjs';
import { basics } from './typescript/basics.mjs';
import { modern } from './typescript/modern.mjs';
import { unified } from './typescript/unified.mjs';
import { load } from './world.mjs';

const { Client, StreamableHTTPClientTransport } = load('@modelcontextprotocol/client');

const report = new Report('typescript-v2');
const sdk = { Client, Transport: StreamableHTTPClientTransport };
await Promise.all([basics(report, sdk), unified(report, sdk)]);
// After them: a list of all servers waits only so long for servers that start, and this starts more.
await modern(report, sdk);
report.end();
