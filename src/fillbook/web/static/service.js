// Requests to the service: with the token of this tab, always by fetch, the stream too.

const BOOK = document.querySelector('meta[name="book"]').content;
const BASE = `api/v1/accounts/${encodeURIComponent(BOOK)}/`;
const KEY = "fillbook-token";

export const hasToken = () => sessionStorage.getItem(KEY) !== null;
export const keepToken = (token) => sessionStorage.setItem(KEY, token);
export const dropToken = () => sessionStorage.removeItem(KEY);

/** An answer that is an error; `status` 0: there was no answer. */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

function headers(more = {}) {
  const token = sessionStorage.getItem(KEY);
  return token === null ? more : { ...more, Authorization: `Bearer ${token}` };
}

async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(BASE + path, { ...options, headers: headers(options.headers) });
  } catch (error) {
    throw new Problem(0, "the service does not answer");
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Problem(answer.status, problem.detail || `status ${answer.status}`);
  }
  return answer;
}

/** Read one path; null: this token may not see it. */
export async function read(path) {
  try {
    return await (await request(path)).json();
  } catch (problem) {
    if (problem.status === 403) return null;
    throw problem;
  }
}

/** Instruct something, and wait a few seconds for its end. */
export async function instruct(method, path, body) {
  const options = { method, headers: { Prefer: "wait=5" } };
  if (body !== undefined) options.body = JSON.stringify(body);
  return (await request(path, options)).json();
}

/** Follow the stream for ever: `heard()` for every part, `event(kind, id)` for every event. */
export async function follow({ heard, event, lost }) {
  let last = null;
  let pause = 500;
  for (;;) {
    try {
      const answer = await request("events/stream", {
        headers: last === null ? {} : { "Last-Event-ID": last },
      });
      pause = 500;
      event("connected", null);
      for await (const [kind, id] of parts(answer.body, heard)) {
        if (id !== null) last = id;
        if (kind === "reset") last = null;
        event(kind, id);
      }
    } catch (problem) {
      if (problem.status === 401) return lost(problem);
    }
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, 10_000);
  }
}

async function* parts(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let kind = null;
      let id = null;
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) kind = line.slice(7);
        if (line.startsWith("id: ")) id = line.slice(4);
      }
      if (kind !== null) yield [kind, id];
    }
  }
}
