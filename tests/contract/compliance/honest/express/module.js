// Harvest: what a drought does to crops. An honest module in Express; profiles: core, artifacts, deterministic, idempotent.
//
// It reads requests with express.json(), as most do, and so cannot see duplicate keys, bytes that are not UTF-8, a byte order mark,
// or the digits of a large integer, which SPEC.md asks for with SHOULD (OPS-ERR-011).

"use strict";

const { createHash } = require("node:crypto");
const { setTimeout: pause } = require("node:timers/promises");
const express = require("express");

const [NAME, VERSION, CONTRACT] = ["harvest-model", "1.4.0", "1.0"];
const PROFILES = ["artifacts", "deterministic", "idempotent"];
const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const CONTRACT_VERSION = /^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$/;
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const MEDIA_TYPE = /^[A-Za-z0-9!#$&^_.+-]+\/[A-Za-z0-9!#$&^_.+-]+(; ?[ -~]+)?$/;
const MODEL_MS = 30;

const calls = new Map(); // by run and step: { body, answer: a promise of the answer's fields }
const files = new Map(); // by href

class Refused extends Error {
  constructor(status, code, message, more = {}) {
    super(message);
    Object.assign(this, { status, error: { code, message, retryable: false, ...more } });
  }
}

// Requests

const invalid = (pointer, what) => {
  throw new Refused(422, "INVALID_REQUEST", `${pointer || "the body"} ${what}`, { pointer });
};
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const codePoints = (text) => [...text].length;
const escaped = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");

function object(value, at) {
  if (value === undefined) invalid(at, "is missing");
  if (!isObject(value)) invalid(at, "must be an object");
  return value;
}

function array(value, at) {
  if (!Array.isArray(value)) invalid(at, "must be an array");
  return value;
}

function text(value, at, least = 0, most = Infinity) {
  if (value === undefined) invalid(at, "is missing");
  if (typeof value !== "string") invalid(at, "must be a string");
  const length = codePoints(value);
  if (length < least || length > most) invalid(at, `must have ${least} to ${most} characters`);
  return value;
}

function identifier(value, at) {
  if (!IDENTIFIER.test(text(value, at))) invalid(at, "must be an identifier: 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'");
  return value;
}

function count(value, at, most = Infinity) {
  if (!Number.isInteger(value) || value < 0 || value > most) invalid(at, `must be an integer from 0 to ${most}`);
  return value;
}

function fileName(value, at) {
  text(value, at, 1, 255);
  const parts = value.split("/");
  const odd = parts.some((part) => ["", ".", ".."].includes(part) || Buffer.byteLength(part) > 255);
  if (odd || /^[A-Za-z]:|[\u0000-\u001f\u007f-\u009f\\]/.test(value)) invalid(at, "is not the name of an artifact");
}

function judgeStep(step, at) {
  object(step, at);
  identifier(step.module, `${at}/module`);
  object(step.outputs, `${at}/outputs`);
  array(step.artifacts === undefined ? [] : step.artifacts, `${at}/artifacts`).forEach((one, number) => {
    const here = `${at}/artifacts/${number}`;
    object(one, here);
    fileName(one.name, `${here}/name`);
    if (!MEDIA_TYPE.test(text(one.media_type, `${here}/media_type`, 3, 255))) invalid(`${here}/media_type`, "is no media type");
    count(one.size_bytes, `${here}/size_bytes`);
    if (!/^[0-9a-f]{64}$/.test(text(one.sha256, `${here}/sha256`))) invalid(`${here}/sha256`, "must be 64 hex digits");
  });
  array(step.evidence === undefined ? [] : step.evidence, `${at}/evidence`).forEach((one, number) => judgeEvidence(one, `${at}/evidence/${number}`));
}

function judgeEvidence(one, at) {
  object(one, at);
  for (const field of ["id", "kind", "title"]) text(one[field], `${at}/${field}`, 1);
  for (const field of ["uri", "observed_at"]) if (one[field] != null) text(one[field], `${at}/${field}`);
  if (one.artifact != null) fileName(one.artifact, `${at}/artifact`);
  if (one.synthetic != null && typeof one.synthetic !== "boolean") invalid(`${at}/synthetic`, "must be true, false or null");
  array(one.supports === undefined ? [] : one.supports, `${at}/supports`).forEach((pointer, number) => {
    if (!/^(\/([^~/]|~[01])*)*$/.test(text(pointer, `${at}/supports/${number}`))) invalid(`${at}/supports/${number}`, "is no JSON pointer");
  });
}

/** What JSON.parse accepts and the contract does not; looked for without recursion, since a body may be nested deeply. */
function judgeJson(value) {
  let level = [value];
  for (let depth = 0; level.length; depth += 1) {
    const below = [];
    for (const one of level) {
      if (one === Infinity || one === -Infinity) throw new Refused(400, "MALFORMED_JSON", "a number is beyond the range of a double");
      if (typeof one === "string" && !one.isWellFormed()) throw new Refused(400, "MALFORMED_JSON", "a string holds half of a surrogate pair");
      if (typeof one !== "object" || one === null) continue;
      if (depth >= 200) throw new Refused(400, "MALFORMED_JSON", "the body nests deeper than 200 levels");
      if (!Array.isArray(one)) for (const key of Object.keys(one)) below.push(key);
      for (const child of Object.values(one)) below.push(child);
    }
    level = below;
  }
}

function judge(body) {
  object(body, "");
  const version = text(body.contract_version, "/contract_version", 1, 16);
  if (!CONTRACT_VERSION.test(version)) invalid("/contract_version", "must be MAJOR.MINOR");
  if (version.split(".")[0] !== "1") {
    const details = { supported_versions: [CONTRACT] };
    throw new Refused(422, "UNSUPPORTED_VERSION", `version ${version} is not served; 1.0 is`, { pointer: "/contract_version", details });
  }
  for (const field of ["run_id", "step_id", "action"]) identifier(body[field], `/${field}`);
  text(body.scenario_id, "/scenario_id", 1, 200);
  object(body.inputs, "/inputs");
  const upstream = object(body.upstream === undefined ? {} : body.upstream, "/upstream");
  if (Object.keys(upstream).length > 1000) invalid("/upstream", "holds more than 1000 steps");
  for (const [step, answer] of Object.entries(upstream)) {
    identifier(step, `/upstream/${escaped(step)}`);
    judgeStep(answer, `/upstream/${escaped(step)}`);
  }
  const options = object(body.options === undefined ? {} : body.options, "/options");
  const seed = count(options.seed === undefined ? 0 : options.seed, "/options/seed", 2147483647);
  const deadline = options.deadline_s ?? null;
  if (deadline !== null && !(typeof deadline === "number" && deadline > 0)) invalid("/options/deadline_s", "must be a number above 0, or null");
  if (body.action !== "execute") {
    const details = { known_actions: ["execute"] };
    throw new Refused(422, "UNKNOWN_ACTION", "the one action is execute", { pointer: "/action", details });
  }
  return { seed, deadline };
}

// The model

function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function artifact(name, mediaType, content, delivery) {
  const bytes = Buffer.from(content);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { name, media_type: mediaType, size_bytes: bytes.length, sha256, ...delivery(bytes) };
}

async function analyse(call, seed) {
  const severity = call.inputs.severity ?? 0.5;
  if (typeof severity !== "number" || severity < 0 || severity > 1) {
    throw new Refused(422, "INVALID_INPUT", "/inputs/severity must be a number from 0 to 1", { pointer: "/inputs/severity" });
  }
  await pause(MODEL_MS);
  const draw = random(seed);
  const path = [2026, 2027, 2028].map((year) => ({ year, harvest: Number((100 * (1 - severity * (0.5 + draw() / 2))).toFixed(3)) }));
  const harvest = path.at(-1).harvest;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 100"><path d="M0 0${path.map((one, x) => `L${x * 10} ${one.harvest}`).join("")}"/></svg>`;
  const href = `artifacts/${call.run_id}/${call.step_id}/path.json`;
  const table = Buffer.from(JSON.stringify(path));
  files.set(`/${href}`, table);
  return {
    outputs: { kpis: { harvest }, units: { harvest: "index, normal year = 100" }, labels: { harvest: "Harvest" }, path },
    artifacts: [
      artifact("plots/harvest.svg", "image/svg+xml", svg, (bytes) => ({ data: bytes.toString("base64"), description: "Harvest by year" })),
      artifact("path.json", "application/json", table, () => ({ href })),
    ],
    evidence: [{ id: "e1", kind: "computation", title: "A toy model of yields", supports: ["/kpis/harvest", "/path/0"], synthetic: true, observed_at: new Date().toISOString() }],
  };
}

// Idempotency

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`;
}

function answerOf(call, seed) {
  const [key, body] = [`${call.run_id}/${call.step_id}`, canonical(call)];
  const first = calls.get(key);
  if (first && first.body !== body) throw new Refused(422, "IDEMPOTENCY_KEY_REUSED", "this run and step were asked something else before");
  if (first) return first.answer;
  const answer = analyse(call, seed);
  calls.set(key, { body, answer });
  answer.catch(() => calls.delete(key));
  return answer;
}

async function inTime(answer, deadline, arrived) {
  if (deadline === null) return answer;
  const over = new AbortController();
  const late = pause(Math.min(deadline * 1000 - (Date.now() - arrived), 2 ** 31 - 1), null, { signal: over.signal }).then(() => {
    throw new Refused(503, "DEADLINE_EXCEEDED", "the deadline passed; give more time", { retryable: true });
  });
  late.catch(() => {});
  return Promise.race([answer, late]).finally(() => over.abort());
}

// The application

const app = express();
app.disable("x-powered-by");

const envelope = (request, status, fields) => {
  const trace = TRACEPARENT.exec(request.get("traceparent") ?? "");
  const meta = { duration_ms: Date.now() - request.arrived, ...(trace && { trace_id: trace[1] }) };
  return { status, module: NAME, version: VERSION, contract_version: CONTRACT, ...fields, meta };
};
const only = (...methods) => (request, response) => {
  response.set("Allow", methods.join(", "));
  throw new Refused(405, "METHOD_NOT_ALLOWED", `use ${methods.join(" or ")}`);
};

app.use((request, response, next) => {
  request.arrived = Date.now();
  next();
});

app
  .route("/health")
  .get((request, response) => {
    response.json({ status: "ok", module: NAME, version: VERSION, contract_versions: [CONTRACT], profiles: PROFILES, actions: ["execute"] });
  })
  .all(only("GET", "HEAD"));

/** express.json() takes an empty body for {}. */
const notEmpty = (request, response, bytes) => {
  if (!bytes.length) throw new Refused(400, "MALFORMED_JSON", "the body is empty");
};

app
  .route("/execute")
  .post(express.json({ limit: "8mb", strict: false, verify: notEmpty }), async (request, response) => {
    if (!request.is("application/json")) throw new Refused(415, "UNSUPPORTED_MEDIA_TYPE", "send application/json");
    if (request.body === undefined) throw new Refused(400, "MALFORMED_JSON", "the body is empty");
    judgeJson(request.body);
    const { seed, deadline } = judge(request.body);
    const answer = await inTime(answerOf(request.body, seed), deadline, request.arrived);
    response.json(envelope(request, "success", answer));
  })
  .all(only("POST"));

app.get("/artifacts/:run/:step/:name", (request, response, next) => {
  const bytes = files.get(request.path);
  if (bytes === undefined) return next();
  return response.type("application/json").send(bytes);
});

app.use(() => {
  throw new Refused(404, "NOT_FOUND", "nothing is served here");
});

const PARSER = { "entity.parse.failed": [400, "MALFORMED_JSON"], "entity.too.large": [413, "TOO_LARGE"] };

app.use((error, request, response, next) => {
  if (response.headersSent) return next(error);
  if (error instanceof Refused) return response.status(error.status).json(envelope(request, "error", { error: error.error }));
  if (error.status >= 400 && error.status < 500) {
    const [status, code] = PARSER[error.type] ?? [error.status, "BAD_REQUEST"];
    const message = { 400: "the body is not JSON", 413: "the body is too large", 415: "the body's encoding is not read" }[status] ?? "the request cannot be read";
    return response.status(status).json(envelope(request, "error", { error: { code, message, retryable: false } }));
  }
  console.error(error);
  const failure = { code: "INTERNAL", message: "the module failed", retryable: false };
  return response.status(500).json(envelope(request, "error", { error: failure }));
});

const server = app.listen(Number(process.env.OPS_PORT ?? 8080), "127.0.0.1", () => {
  console.log(`listening at http://127.0.0.1:${server.address().port}`);
});
