// One line per check, in the form that ../run counts: `ok CLIENT SERVER WHAT`, or
// `FAIL CLIENT SERVER WHAT: REASON`. The last line, `end CLIENT N`, tells that the client came to
// its end: a client that dies half way is a failure, not a shorter list.

const PATIENCE_MS = 45_000; // generous: cold starts of several Node servers share two cores

export class Report {
  #client;
  #checks = 0;

  constructor(client) {
    this.#client = client;
  }

  /** Runs one check and prints its line; a check that throws or hangs has failed. Never throws. */
  async check(server, what, body) {
    this.#checks += 1;
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no end after ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
    });
    try {
      const value = await Promise.race([body(), late]);
      this.#print(`ok ${this.#client} ${server} ${what}`);
      return value;
    } catch (error) {
      this.#print(`FAIL ${this.#client} ${server} ${what}: ${oneLine(error)}`);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Prints the closing line and ends the process: open streams would keep it alive. */
  end() {
    console.log(`end ${this.#client} ${this.#checks}`);
    process.exitCode = 0;
    setTimeout(() => process.exit(), 200).unref();
    process.stdout.write('', () => process.exit());
  }

  #print(line) {
    console.log(line);
  }
}

/** Asserts with the value in the message, which is all that a reader of a CI log has. */
export function expect(condition, message, got) {
  if (condition) return;
  throw new Error(got === undefined ? message : `${message}, got ${JSON.stringify(got)}`.slice(0, 600));
}

export function expectEqual(got, wanted, what) {
  expect(JSON.stringify(got) === JSON.stringify(wanted), `${what} should be ${JSON.stringify(wanted)}`, got);
}

/** The text of a tool result; throws if the result is an error. */
export function textOf(result) {
  const text = (result.content ?? []).map((part) => part.text ?? '').join('\n');
  expect(!result.isError, `the tool answered with an error: ${text}`);
  return text;
}

/** Waits until `probe()` is truthy: for what the server sends on its own. */
export async function until(what, probe, withinMs = 20_000) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const value = probe();
    if (value) return value;
    expect(Date.now() < deadline, `${what} did not come within ${withinMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function within(ms, limit, what) {
  expect(ms < limit, `${what} took ${Math.round(ms)} ms, ${limit} ms would be too long already`);
}

function oneLine(error) {
  const cause = error?.cause ? ` (cause: ${error.cause?.message ?? error.cause})` : '';
  return `${error?.message ?? error}${cause}`.replace(/\s+/g, ' ').slice(0, 700);
}
