// The TypeScript SDK, 2.x, as it comes: each server once.
import { Report } from './report.mjs';
import { basics } from './typescript/basics.mjs';
import { load } from './world.mjs';

const { Client, StreamableHTTPClientTransport } = load('@modelcontextprotocol/client');

const report = new Report('typescript-v2');
await basics(report, { Client, Transport: StreamableHTTPClientTransport });
report.end();
