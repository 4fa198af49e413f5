// What a caller in TypeScript writes with the generated types. It compiles only when each type is there and says what it should.
import type { Artifact, Envelope, ErrorDetail, Evidence } from "./envelope";
import type { ArtifactRef, ExecuteRequest, UpstreamStep } from "./execute-request";
import type { Health } from "./health";

const artifact: Artifact = { name: "kpis.json", media_type: "application/json", size_bytes: 2, sha256: "0".repeat(64), text: "{}" };
const reference: ArtifactRef = artifact;
const evidence: Evidence[] = [null, true, 1, "words", [1], { rows: 1 }].map((details) => ({
  id: "e", kind: "dataset", title: "Census", artifact: artifact.name, details,
}));
const step: UpstreamStep = { module: "m", outputs: { gdp: 1 }, artifacts: [reference], evidence };

// @ts-expect-error  a description without its hash is no artifact
export const incomplete: Artifact = { name: "a", media_type: "text/csv", size_bytes: 1 };

export const request = (health: Health): ExecuteRequest => ({
  contract_version: "1.0", run_id: "r", step_id: "s", scenario_id: "c",
  action: health.actions?.[0] ?? "execute", inputs: {}, upstream: { s0: step }, options: { seed: 1 },
});

export function told(envelope: Envelope): string {
  if (envelope.status === "error") {
    const error: ErrorDetail = envelope.error;
    return `${error.code}: ${error.message}`;
  }
  return (envelope.artifacts ?? []).map((each) => each.title ?? each.name).join();
}
