// Labelled statements about contexts: what probes are trained and measured on, and the files they come in.
import * as v from 'valibot';
import type { Range } from '../lm/tokenRanges.ts';

export interface ProbeExample {
  readonly id: string;
  /** Examples of one group stay on one side of every split: those of one context. */
  readonly group: string;
  readonly domain: string;
  readonly context: string;
  /** The text after the context, up to the end of the statement. */
  readonly continuation: string;
  /** Where in it the statement begins; what comes before is read, not judged. */
  readonly from: number;
  /** 1: the context does not support the statement. */
  readonly label: 0 | 1;
}

export interface RowProblem {
  readonly line: number;
  readonly message: string;
}

export interface DatasetFile {
  readonly examples: readonly ProbeExample[];
  /** Rows that were left out, and why. */
  readonly problems: readonly RowProblem[];
}

export const statementOf = ({ continuation, from }: Pick<ProbeExample, 'continuation' | 'from'>): string => continuation.slice(from);

const text = v.pipe(v.string(), v.check((value) => value.trim() !== '', 'is empty'));
const identifier = v.pipe(v.union([v.string(), v.number()]), v.transform(String));

const OwnRow = v.object({
  id: v.optional(identifier), group: v.optional(identifier), domain: v.optional(v.string(), 'examples'),
  context: v.string(), continuation: text, from: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  label: v.pipe(v.union([v.picklist([0, 1]), v.boolean()], 'Invalid label: give 0 (supported) or 1 (not supported)'), v.transform((label): 0 | 1 => (Number(label) === 1 ? 1 : 0))),
});

/** JSON lines {context, continuation, label[, id, group, domain, from]}; rows of one context are one group where none is given. */
export function readExamples(content: string): DatasetFile {
  return collected(content, OwnRow, (row, line) => {
    if (statementOf(row).trim() === '') return 'nothing of the continuation is left after “from”';
    return [{ ...row, id: row.id ?? `line ${line}`, group: row.group ?? row.context }];
  });
}

const HaluEvalRow = v.object({ knowledge: text, question: v.string(), right_answer: text, hallucinated_answer: text });

/**
 * HaluEval's question answering rows, JSON lines {knowledge, question, right_answer, hallucinated_answer} (Li et al. 2023):
 * two examples a row, grouped by knowledge. An answer without a final mark gets a full stop, since nearly all hallucinated
 * answers have one and nearly no right one has: a probe reads the last token.
 */
export function readHaluEval(content: string, domain = 'HaluEval QA'): DatasetFile {
  return collected(content, HaluEvalRow, ({ knowledge, question, right_answer: right, hallucinated_answer: hallucinated }, line) => {
    const context = `${knowledge}\nQuestion: ${question}\nAnswer:`;
    return ([right, hallucinated] as const).map((answer, label) => ({
      id: `${domain} ${line} ${label === 1 ? 'hallucinated' : 'right'}`, group: knowledge, domain, context, from: 0,
      continuation: /[.!?]["'”’)]*\s*$/.test(answer) ? answer.trim() : `${answer.trim()}.`, label: label === 1 ? 1 : 0,
    }));
  });
}

const SourceRow = v.object({ source_id: identifier, task_type: v.optional(v.string(), 'unknown task'), source_info: v.union([v.string(), v.record(v.string(), v.unknown())]) });
const Span = v.object({ start: v.number(), end: v.number() });
const ResponseRow = v.object({ id: identifier, source_id: identifier, response: text, labels: v.array(Span) });

/**
 * RAGTruth's two files, response.jsonl and source_info.jsonl (Niu et al. 2024): one example for each sentence of a
 * response, read after the sentences before it, unsupported where an annotated span touches it; grouped by source.
 * @param sentencesOf splits a response
 */
export function readRagTruth(responses: string, sources: string, sentencesOf: (text: string) => readonly Range[]): DatasetFile & { readonly sourceProblems: readonly RowProblem[] } {
  const known = new Map<string, { readonly context: string; readonly domain: string }>();
  const { problems: sourceProblems } = collected(sources, SourceRow, ({ source_id: id, source_info: info, task_type: task }) => {
    known.set(id, { context: typeof info === 'string' ? info : Object.entries(info).map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`).join('\n'), domain: `RAGTruth ${task}` });
    return [];
  });
  const read = collected(responses, ResponseRow, ({ id, source_id: source, response, labels }) => {
    const about = known.get(source);
    if (!about) return `the source ${source} is not in source_info.jsonl`;
    return sentencesOf(response).map(({ start, end }, i) => ({
      id: `${id} ${i}`, group: source, ...about, continuation: response.slice(0, end), from: start, label: labels.some((span) => span.start < end && span.end > start) ? 1 as const : 0 as const,
    }));
  });
  return { ...read, sourceProblems };
}

/** Reads JSON lines; a row that is not as it should be is left out and named. */
function collected<T>(content: string, schema: v.GenericSchema<unknown, T>, examplesOf: (row: T, line: number) => readonly ProbeExample[] | string): DatasetFile {
  const examples: ProbeExample[] = [];
  const problems: RowProblem[] = [];
  content.replace(/^\uFEFF/, '').split('\n').forEach((row, i) => {
    if (row.trim() === '') return;
    const made = rowOf(row, schema);
    const found = typeof made === 'string' ? made : examplesOf(made.value, i + 1);
    if (typeof found === 'string') problems.push({ line: i + 1, message: found });
    else examples.push(...found);
  });
  return { examples, problems };
}

function rowOf<T>(row: string, schema: v.GenericSchema<unknown, T>): { readonly value: T } | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(row);
  } catch {
    return 'is no JSON';
  }
  const result = v.safeParse(schema, parsed);
  if (result.success) return { value: result.output };
  const place = v.getDotPath(result.issues[0]);
  return `${place === null ? '' : `“${place}”: `}${result.issues[0].message}`;
}
