// A repair run as it is kept in a file: what it was about, its course and its result. Knows no VS Code.
import * as v from 'valibot';

/** Raised when the shape changes; records of another version are skipped. */
const version = 1;

const number = v.pipe(v.number(), v.finite());
const span = v.object({ file: v.string(), start: number, end: number });
const edit = v.object({ span, newText: v.string() });
const patch = v.object({ edits: v.array(edit), source: v.string(), unifiedDiff: v.string(), summary: v.string() });
const suspect = v.object({ span, label: v.string(), score: number });
const point = v.object({ step: number, stage: v.string(), loss: v.nullable(number), accuracy: number, millis: number });
const value = v.nullable(v.union([v.number(), v.string(), v.boolean()]));
const values = v.array(value);
const sample = v.object({ input: values, target: values, before: v.nullable(values), output: v.nullable(values) });

/** What is told of a trained model; the model itself is a file beside the record. */
const model = v.object({ parameters: number, steps: number, rows: v.object({ training: number, validation: number }), exact: v.object({ examples: number, validation: number, test: v.nullable(number) }) });

const outcome = v.object({
  method: v.nullable(v.picklist(['search', 'edits', 'tables', 'weights'])),
  exact: v.object({ examples: number, test: v.nullable(number) }),
  patch: v.nullable(patch),
  model: v.optional(model),
  tried: v.array(v.string()),
  evaluations: number,
  millis: number,
  provider: v.string(),
});

export const runRecord = v.object({
  version: v.literal(version),
  id: v.pipe(v.string(), v.regex(/^[\w-]+$/u)),
  /** Milliseconds since 1970. */
  startedAt: number,
  /** The process that runs it, to tell an interrupted run from one under way in another window. */
  pid: number,
  uri: v.string(),
  /** As it is named to the user. */
  file: v.string(),
  language: v.string(),
  /** The program as it was. */
  text: v.string(),
  /** The method that was asked for. */
  method: v.string(),
  status: v.picklist(['running', 'repaired', 'partial', 'unrepairable', 'correct', 'refused', 'cancelled', 'failed']),
  stage: v.string(),
  message: v.string(),
  suspects: v.array(suspect),
  moving: v.array(span),
  points: v.array(point),
  sample: v.nullable(sample),
  /** Null until there is a result, and where there was none. */
  outcome: v.nullable(outcome),
});

export type RunRecord = v.InferOutput<typeof runRecord>;
export type RunOutcome = v.InferOutput<typeof outcome>;

export const recordVersion = version;

/** The record in a file's text, or what is wrong with it. */
export function parseRecord(text: string): { readonly record: RunRecord } | { readonly problem: string } {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
  const parsed = v.safeParse(runRecord, data);
  if (parsed.success) return { record: parsed.output };
  const [issue] = parsed.issues;
  return { problem: `${v.getDotPath(issue) ?? 'the record'}: ${issue.message}` };
}
