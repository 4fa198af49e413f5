// my-module: a module for OpenPolicyStack in plain Node.js, 18 or newer. No framework, no package, this one file.
//
//   node module.mjs                              serve it on port 8080; OPS_PORT is another port, 0 a free one
//   ops-contract check http://localhost:8080     does it follow the contract?
//
// Yours is what comes first: NAME, VERSION, INPUTS and analyse(). What comes after it speaks the contract and can
// stay as it is; the ids in its comments say which requirement a piece of it is there for.

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const NAME = "my-module";
const VERSION = "0.1.0";
const RATE_IN_FORCE = 0.18;

// The inputs that you use. All modules of a run get the same ones, so what is not named here is not looked at.
const INPUTS = object({}, {
  time_horizon_years: integer(1, 30),
  policy_parameters: object({}, { vat_rate: number(0, 0.5) }),
});

// YOUR ANALYSIS GOES HERE: a pure function of the inputs, the seed, and the earlier steps of the run by step id, each
// with `module` and `outputs`. No clock, no Math.random(), no host name: equal arguments, equal result (OPS-DET-001,
// -002). It may take its time. For what makes no sense to it, it throws badInput("/inputs/...", "must be ...").
function analyse(inputs, seed, upstream) {
  const { time_horizon_years: years = 5, policy_parameters: { vat_rate: rate = RATE_IN_FORCE } = {} } = inputs;
  const path = [];
  for (let year = 1; year <= years; year += 1) {
    // Made up: consumers spend 45 % of GDP, and between 60 and 70 % of that is taxed.
    const taxed = 0.45 * (0.6 + 0.1 * draw(seed, year));
    path.push({ year, vat_revenue: rounded(rate * taxed), in_force: rounded(RATE_IN_FORCE * taxed) });
  }
  const last = path[years - 1];
  const rows = path.map((row) => `${row.year},${row.vat_revenue.toFixed(4)},${row.in_force.toFixed(4)}`);
  const table = artifact("vat-revenue.csv", "text/csv", ["year,vat_revenue,in_force", ...rows, ""].join("\n"), {
    title: "VAT revenue by year",
    description: "Shares of GDP at the rate of the scenario and at the rate in force, one row for each year",
  });
  return {
    // The headline figures and their course: pages, reports and comparisons are made from them (OPS-FIG-001).
    outputs: {
      kpis: { vat_revenue: last.vat_revenue },
      units: { vat_revenue: "share of GDP, last year" },
      labels: { vat_revenue: "VAT revenue" },
      baseline: { vat_revenue: last.in_force },
      change: { vat_revenue: rounded(last.vat_revenue - last.in_force) },
      path,
    },
    artifacts: [table],
    // `supports` points into the outputs, `artifact` is one of these; what is made up says so (OPS-EVD-001 to -003).
    evidence: [{
      id: "compliance",
      kind: "computation",
      title: "VAT revenue, with a compliance that is drawn at random",
      supports: ["/kpis/vat_revenue", "/baseline/vat_revenue", "/path"],
      artifact: "vat-revenue.csv",
      synthetic: true,
    }],
    warnings: [],
  };
}

function rounded(share) {
  return Number(share.toFixed(4));
}

// A number from 0 to 1 that depends on the seed and on nothing else.
function draw(seed, number) {
  return createHash("sha256").update(`${seed}:${number}`).digest().readUInt32BE(0) / 2 ** 32;
}

// ==== What follows speaks the contract ================================================================================

const MAX_REQUEST_BYTES = 1024 * 1024;
const MAX_DEPTH = 200;
const MAX_ANSWERS_KEPT = 200;

function serve() {
  const port = Number(process.env.OPS_PORT || 8080);
  const server = createServer(respond);
  server.on("error", (error) => {
    console.error(`cannot listen on port ${port}: ${error.message}; choose another with OPS_PORT`);
    process.exit(1);
  });
  server.listen(port, process.env.OPS_HOST || "0.0.0.0", () => { // OPS-CTR-001
    console.log(`${NAME} listens at http://127.0.0.1:${server.address().port}`);
  });
  // In a container the first process is not stopped by a signal that it does not handle (OPS-CTR-003).
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
}

async function respond(request, response) {
  const arrived = performance.now();
  let answer;
  try {
    answer = { status: 200, body: await route(request, arrived) };
  } catch (error) {
    if (request.errored) return; // the caller has left
    answer = refused(error, request);
  }
  const body = JSON.stringify(answer.body);
  const headers = { ...answer.headers, "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
  response.writeHead(answer.status, headers).end(body); // OPS-EXE-006, OPS-ERR-008
}

async function route(request, arrived) {
  const path = request.url.split("?")[0];
  const method = { "/health": "GET", "/execute": "POST" }[path];
  if (!method) throw new Refusal(404, "NOT_FOUND", "nothing is served at this path; there are GET /health and POST /execute");
  if (request.method !== method) {
    throw new Refusal(405, "METHOD_NOT_ALLOWED", `this path takes ${method}`, { headers: { Allow: method } }); // OPS-ERR-010
  }
  return path === "/health" ? health() : execute(request, arrived);
}

// OPS-HLT-001 to -005.
function health() {
  const profiles = ["artifacts", "deterministic", "idempotent"];
  return { status: "ok", module: NAME, version: VERSION, contract_versions: ["1.0"], profiles, actions: ["execute"] };
}

// OPS-EXE-001 to -003, -007.
async function execute(request, arrived) {
  const body = parse(await read(request));
  checkCall(body);
  const result = await once(body, sha256(canonical(body)), arrived);
  const meta = { duration_ms: Math.round(performance.now() - arrived), ...trace(request) };
  return { status: "success", module: NAME, version: VERSION, contract_version: "1.0", ...result, meta };
}

// An error for the caller: its HTTP status, and the fields of its envelope.
class Refusal extends Error {
  constructor(status, code, message, { pointer, details, headers } = {}) {
    super(message);
    Object.assign(this, { status, code, pointer, details, headers });
  }
}

function badInput(pointer, must, code = "INVALID_INPUT") {
  return new Refusal(422, code, `${pointer || "the body"} ${must}`, { pointer });
}

// OPS-ERR-001, -002. What nobody foresaw is for the log; the caller learns no details of it (OPS-ERR-007).
function refused(error, request) {
  if (!(error instanceof Refusal)) console.error(error);
  const refusal = error instanceof Refusal ? error : new Refusal(500, "INTERNAL", "the module failed; its log says why");
  const { status, code, message, pointer, details, headers } = refusal;
  const fields = { code, message, retryable: status === 503, pointer, details };
  const about = { module: NAME, version: VERSION, contract_version: "1.0" };
  return { status, headers, body: { status: "error", ...about, error: fields, meta: trace(request) } };
}

// OPS-OBS-001.
function trace(request) {
  const sent = request.headers.traceparent ?? "";
  const found = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-|$)/.exec(sent.trim());
  return found ? { trace_id: found[1] } : {};
}

// OPS-ART-001 to -005: text goes as it is, bytes go in base64. Above 256 KiB an artifact has to go by `href` instead.
// `words` are a `title`, the caption of a plot, and a `description` for those who do not see it.
function artifact(name, media_type, content, words = {}) {
  const bytes = Buffer.from(content);
  const delivery = typeof content === "string" ? { text: content } : { data: bytes.toString("base64") };
  return { name, media_type, size_bytes: bytes.length, sha256: sha256(bytes), ...words, ...delivery };
}

function sha256(content) {
  return createHash("sha256").update(content).digest("hex");
}

// ---- Execution -------------------------------------------------------------------------------------------------------

const answers = new Map();

// OPS-IDM-001 to -003: a repeat of the key gets the answer of the first call, also while that is running. The newest
// answers are kept, in memory. Errors are not, so that a call can be tried again.
function once(call, fingerprint, arrived) {
  const key = `${call.run_id}/${call.step_id}`;
  if (!answers.has(key)) {
    const result = analysed(call, arrived);
    result.catch(() => answers.delete(key));
    answers.set(key, { fingerprint, result });
    if (answers.size > MAX_ANSWERS_KEPT) answers.delete(answers.keys().next().value);
  }
  const first = answers.get(key);
  if (first.fingerprint === fingerprint) return first.result;
  throw badInput("/step_id", "was used in this run with another body; take another one", "IDEMPOTENCY_KEY_REUSED");
}

// In a thread of its own, so that health is answered meanwhile (OPS-HLT-003); stopped at the deadline (OPS-LIM-002).
function analysed(call, arrived) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: call });
    const left = (call.options?.deadline_s ?? Infinity) * 1000 - (performance.now() - arrived);
    const timer = setTimeout(() => {
      reject(new Refusal(503, "DEADLINE_EXCEEDED", "the module was not done by the deadline; try again with more time"));
      worker.terminate();
    }, Math.min(left, 2 ** 31 - 1)); // the longest that there is
    worker.once("message", ({ result, refusal }) => (result ? resolve(result) : reject(Object.assign(new Refusal(), refusal))));
    worker.once("error", reject);
    worker.once("exit", () => {
      clearTimeout(timer);
      reject(new Error("the analysis ended without a result"));
    });
  });
}

function work({ inputs, options, upstream }) {
  try {
    const result = analyse(inputs, options?.seed ?? 0, upstream ?? {});
    canonical(result); // throws for a result that JSON cannot carry (OPS-EXE-004)
    parentPort.postMessage({ result });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    parentPort.postMessage({ refusal: { ...error, message: error.message } });
  }
}

// RFC 8785: equal for equal values, in whatever order and notation they were written.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical)}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)}}`;
  }
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`${value} is not a number that JSON can carry`);
  return JSON.stringify(value);
}

// ---- Requests: strict JSON -------------------------------------------------------------------------------------------

async function read(request) {
  const chunks = [];
  let size = 0;
  // Read to its end whatever it is: who closes earlier resets the connection, and the answer may be lost.
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= MAX_REQUEST_BYTES) chunks.push(chunk);
  }
  if (!/^\s*application\/json\s*(;|$)/i.test(request.headers["content-type"])) {
    throw new Refusal(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be sent as application/json"); // OPS-ERR-010
  }
  if (size > MAX_REQUEST_BYTES) throw new Refusal(413, "TOO_LARGE", `the body is larger than ${MAX_REQUEST_BYTES} bytes`); // OPS-LIM-003
  return Buffer.concat(chunks);
}

// OPS-ERR-003, -011.
function parse(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const value = JSON.parse(text);
    refuseWhatParsesAllTheSame(text);
    return value;
  } catch (error) {
    throw new Refusal(400, "MALFORMED_JSON", `the body is not JSON as the contract wants it: ${error.message}`);
  }
}

// Duplicate keys, halves of characters, deep nesting (OPS-LIM-001), and numbers that JavaScript would change.
function refuseWhatParsesAllTheSame(text) {
  const keys = []; // of each object that is open; null for an array
  for (const [token, string, colon] of text.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[[\]{}]|-?\d[^\s,\]}]*/g)) {
    if (string) {
      const value = JSON.parse(string);
      if (/\p{Surrogate}/u.test(value)) throw new Error("a string holds half of a surrogate pair");
      if (colon && keys.at(-1).has(value)) throw new Error(`the key ${shortened(string, 80)} occurs twice in one object`);
      if (colon) keys.at(-1).add(value);
    } else if (token === "{" || token === "[") {
      keys.push(token === "{" ? new Set() : null);
      if (keys.length > MAX_DEPTH) throw new Error(`nested deeper than ${MAX_DEPTH} levels`);
    } else if (token === "}" || token === "]") {
      keys.pop();
    } else if (!(/[.e]/i.test(token) ? Number.isFinite(Number(token)) : Number.isSafeInteger(Number(token)))) {
      throw new Error(`the number ${token.slice(0, 40)} is too large to be read without a change`);
    }
  }
}

// ---- Requests: of the right shape, and nothing coerced (OPS-ERR-004, -005) -------------------------------------------

function checkCall(body) {
  const version = body?.contract_version;
  if (typeof version === "string" && VERSION_FORM.test(version) && !version.startsWith("1.")) { // OPS-VER-001, -002
    const more = { pointer: "/contract_version", details: { supported_versions: ["1.0"] } };
    throw new Refusal(422, "UNSUPPORTED_VERSION", "/contract_version is not served; send 1.0", more);
  }
  REQUEST(body, "", "INVALID_REQUEST");
  if (body.action !== "execute") { // OPS-EXE-005
    const more = { pointer: "/action", details: { known_actions: ["execute"] } };
    throw new Refusal(422, "UNKNOWN_ACTION", `/action ${body.action} is not known; send execute`, more);
  }
  INPUTS(body.inputs, "/inputs", "INVALID_INPUT");
}

// A check takes a value, where it stands, and the code of the error that it throws.
function check(allows, must) {
  return (value, pointer, code) => {
    if (allows(value)) return;
    const is = typeof value === "object" && value !== null ? "" : `, not ${shortened(JSON.stringify(value), 60)}`;
    throw badInput(pointer, `must be ${must}${is}`, code);
  };
}

// Whole characters: half of one is no text (OPS-EXE-004).
function shortened(text, length) {
  return [...text.slice(0, 2 * length)].slice(0, length).join("");
}

function text(pattern, must) {
  return check((value) => typeof value === "string" && pattern.test(value), must);
}

function number(least, most) {
  return check((value) => typeof value === "number" && value >= least && value <= most, `a number from ${least} to ${most}`);
}

function integer(least, most) {
  return check((value) => Number.isInteger(value) && value >= least && value <= most, `an integer from ${least} to ${most}`);
}

function orNull(inner) {
  return (value, ...place) => value === null || inner(value, ...place);
}

// Fields without a name here are ignored (OPS-FWD-001).
function object(required = {}, optional = {}) {
  const isObject = check((value) => typeof value === "object" && value !== null && !Array.isArray(value), "an object");
  return (value, pointer, code) => {
    isObject(value, pointer, code);
    for (const [name, field] of Object.entries({ ...required, ...optional })) {
      if (Object.hasOwn(value, name)) field(value[name], `${pointer}/${name}`, code);
      else if (name in required) throw badInput(`${pointer}/${name}`, "is required", code);
    }
  };
}

function arrayOf(item) {
  const isArray = check(Array.isArray, "an array");
  return (value, pointer, code) => {
    isArray(value, pointer, code);
    value.forEach((one, index) => item(one, `${pointer}/${index}`, code));
  };
}

function mapOf(key, item, most) {
  const isObject = object();
  return (value, pointer, code) => {
    isObject(value, pointer, code);
    if (Object.keys(value).length > most) throw badInput(pointer, `must hold at most ${most}`, code);
    for (const [name, one] of Object.entries(value)) {
      const place = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      key(name, place, code);
      item(one, place, code);
    }
  };
}

const SEGMENT = "(?!\\.\\.?(?:/|$))[^\\u0000-\\u001f\\u007f-\\u009f\\\\/]+";
const VERSION_FORM = /^(?=.{1,16}$)(0|[1-9]\d*)\.(0|[1-9]\d*)$/;
const anyText = text(/^/, "a string");
const someText = text(/^[^]/, "a string that is not empty");
const identifier = text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "an identifier of at most 128 characters"); // OPS-PTH-001
const fileName = text(new RegExp(`^(?![A-Za-z]:)(?=[^]{1,255}$)${SEGMENT}(?:/${SEGMENT})*$`, "u"), "an artifact's name");
const mediaType = text(/^(?=.{1,255}$)[A-Za-z0-9!#$&^_.+-]+\/[A-Za-z0-9!#$&^_.+-]+(; ?[ -~]+)?$/, "a media type");

const UPSTREAM_ARTIFACT = object({
  name: fileName,
  media_type: mediaType,
  size_bytes: integer(0, Number.MAX_SAFE_INTEGER),
  sha256: text(/^[0-9a-f]{64}$/, "64 lower-case hex digits"),
});
const UPSTREAM_EVIDENCE = object({ id: someText, kind: someText, title: someText }, {
  uri: orNull(anyText),
  supports: arrayOf(text(/^(\/([^~/]|~[01])*)*$/, "a JSON pointer")),
  artifact: orNull(fileName),
  synthetic: orNull(check((value) => typeof value === "boolean", "true or false")),
  observed_at: orNull(anyText),
});
const UPSTREAM_STEP = object(
  { module: identifier, outputs: object() },
  { artifacts: arrayOf(UPSTREAM_ARTIFACT), evidence: arrayOf(UPSTREAM_EVIDENCE) },
);
const OPTIONS = object({}, {
  seed: integer(0, 2147483647), // OPS-DET-004
  deadline_s: orNull(check((value) => typeof value === "number" && value > 0, "a number above 0")),
});
const REQUEST = object(
  {
    contract_version: text(VERSION_FORM, "a version like 1.0"),
    run_id: identifier,
    step_id: identifier,
    scenario_id: text(/^[^]{1,200}$/u, "a string of 1 to 200 characters"),
    action: identifier,
    inputs: object(),
  },
  { upstream: mapOf(identifier, UPSTREAM_STEP, 1000), options: OPTIONS },
);

if (isMainThread) serve();
else work(workerData);
