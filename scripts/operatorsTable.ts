// docs/operators.md: what the gradient engine does with each operator, from its registries and the conformance record.
import { expansions } from '../src/onnx/expand.ts';
import { rules, steps } from '../src/onnx/rules.ts';
import { convolutionRules } from '../src/onnx/rules/convolution.ts';
import type { ConformanceRecord, OperatorRecord } from '../test/support/operatorConformance.ts';

type Kind = 'rule' | 'written out' | 'steps' | 'none';

interface Row {
  readonly op: string;
  readonly domain: string;
  readonly kind: Kind;
  readonly cases: OperatorRecord | undefined;
}

const ours = 'ai.onnx';

function rowsOf({ operators }: ConformanceRecord): readonly Row[] {
  const row = (op: string, domain: string, kind: Kind): Row => ({ op, domain: domain || ours, kind, cases: domain === '' ? operators[op] : undefined });
  const known = [
    ...Object.keys(rules).map((op) => row(op, '', 'rule')),
    ...Object.entries(expansions).flatMap(([domain, table]) => Object.keys(table).map((op) => row(op, domain, 'written out'))),
    ...[...steps].map((op) => row(op, '', 'steps')),
  ];
  const names = new Set(known.filter(({ domain }) => domain === ours).map(({ op }) => op));
  const others = Object.keys(operators).filter((op) => !names.has(op) && !(op in upgraded)).map((op) => row(op, '', 'none'));
  const renamed = Object.keys(operators).filter((op) => op in upgraded).map((op) => row(op, '', 'rule'));
  return [...known, ...others, ...renamed].sort((a, b) => (a.domain === b.domain ? (a.op < b.op ? -1 : 1) : a.domain < b.domain ? -1 : 1));
}

/** Operators that older sets have and `upgradeOpset` renames. */
const upgraded: Readonly<Record<string, string>> = { Scatter: 'ScatterElements', Upsample: 'Resize' };

const kinds: Readonly<Record<Kind, string>> = { rule: 'rule', 'written out': 'written out, then rules', steps: 'none passes: it changes in steps', none: 'refused by name' };

function checkedBy({ op, kind }: Row): string {
  if (kind === 'written out') return 'the operator itself in ONNX Runtime; differences in float64';
  if (kind !== 'rule') return '';
  if (op in upgraded) return `${upgraded[op]}, which it is upgraded to`;
  if (op in convolutionRules) return 'differences at whole numbers, where float32 is exact';
  return op === 'Cast' || op === 'CastLike' ? 'the cases' : 'differences in float64, first and second order';
}

const share = (passed: number, all: number): string => (all === 0 ? '' : `${passed} of ${all}`);

function casesOf(row: Row): readonly string[] {
  const { cases } = row;
  if (!cases) return ['', '', '', ''];
  const gradient = row.kind === 'steps' || row.kind === 'none' ? '' : share(cases.gradient + cases.twinGradient, cases.cases + cases.twins);
  const reasons = Object.entries(cases.leftOut).map(([reason, count]) => `${count} × ${reason}`);
  return [
    share(cases.operator + cases.twinOperator, cases.cases + cases.twins),
    row.kind === 'written out' ? share(cases.expansion, cases.cases) : '',
    gradient,
    reasons.join('; '),
  ];
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}

const total = (rows: readonly Row[], count: (cases: OperatorRecord) => number): number =>
  rows.reduce((sum, { cases }) => sum + (cases ? count(cases) : 0), 0);

/** The page as Markdown. */
export function operatorsPage(record: ConformanceRecord): string {
  const rows = rowsOf(record);
  const ofKind = (kind: Kind): number => rows.filter((row) => row.kind === kind && !(row.op in upgraded)).length;
  const unread = Object.entries(record.unread);
  return `# Operators

Made by \`npm run docs:operators\` from the registries in \`src/onnx\` and from a run of the ONNX standard's operator cases; a unit test fails when it is out of date.

A gradient graph is made of the operators of ONNX itself. An operator with a **rule** is kept, and its rule adds the nodes of its derivative. One that is **written out** is replaced by simpler operators where a gradient passes it, and nowhere else. Where an operator **changes in steps**, its gradient is zero and nothing is added. All others, among them If, Loop, Scan, MoE, sequences and operators of unknown domains, are **refused by name** with the path that they lie on, before anything runs.

Rules: ${ofKind('rule')}. Written out: ${ofKind('written out')}. Changing in steps: ${ofKind('steps')}.

## The cases of the standard

${record.cases} cases; ${unread.reduce((sum, [, count]) => sum + count, 0)} of them cannot be read. Of the ${total(rows, ({ cases }) => cases)} others, ${total(rows, ({ operator }) => operator)} run in ONNX Runtime with the standard's outputs; ${total(rows, ({ expansion }) => expansion)} of ${total(rows.filter(({ kind }) => kind === 'written out'), ({ cases }) => cases)} cases of operators that are written out here give the standard's outputs when written out; and the gradients of ${total(rows, ({ gradient }) => gradient)} agree with central differences in float64 to 10⁻⁷ along random directions. The standard writes ${total(rows, ({ twins }) => twins)} of the cases out itself ("twins"): ${total(rows, ({ twinOperator }) => twinOperator)} of these run and the gradients of ${total(rows, ({ twinGradient }) => twinGradient)} agree.

Not read:

${table(['Cases', 'Reason'], unread.map(([reason, count]) => [String(count), reason]))}

## All operators

The columns of cases count the standard's cases and their twins. What does not apply is counted by its reason.

${table(
    ['Operator', 'Domain', 'Gradient', 'Checked by', 'Cases: it runs', 'Written out, the same', 'Its gradient agrees', 'Left out'],
    rows.map((row) => [row.op, row.domain, kinds[row.kind], checkedBy(row), ...casesOf(row)]),
  )}
`;
}
