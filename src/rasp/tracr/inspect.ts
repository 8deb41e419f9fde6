// The values of a Tracr file's names and expressions on the running example.
import type { Analysis, AnalyseOptions, SourceFile } from '../analyse.ts';
import type { Node, Value } from '../program.ts';
import type { Inspected, Recorded } from '../shownValue.ts';
import { longestExample, NodeValues, Records } from '../shownValue.ts';
import { carriedOut, Module } from './analyse.ts';
import { TracrGraph } from './graph.ts';
import type { Scope } from './scope.ts';
import type { PythonFile, SyntaxNode } from './tree.ts';
import { childrenOf, parsePython } from './tree.ts';
import type { PythonValue } from './values.ts';
import { isScalar } from './values.ts';

/** Notes what every expression gives that is an s-op or a selector. */
class RecordingModule extends Module {
  readonly records = new Records<Node>();

  constructor(
    file: PythonFile,
    private readonly example: readonly Value[],
  ) {
    super(file, new TracrGraph(file.path));
  }

  override evaluate(node: SyntaxNode, scope: Scope): PythonValue {
    const value = super.evaluate(node, scope);
    if (!isScalar(value) && (value.kind === 's-op' || value.kind === 'selector')) this.records.add(node.from, node.to, value.node, this.example);
    return value;
  }
}

export class TracrValues {
  readonly analysis: Analysis;
  private readonly records: Records<Node>;
  private readonly outputs = new Map<number, Node>();
  private readonly nodes = new NodeValues('tracr');
  private readonly example: readonly Value[];
  private readonly file: PythonFile;

  constructor(source: SourceFile, options: AnalyseOptions) {
    this.example = (options.runningExample ?? [...'hello']).slice(0, longestExample);
    this.file = parsePython(source.path, source.text);
    const module = new RecordingModule(this.file, this.example);
    this.analysis = carriedOut(this.file, module);
    for (const { nameSpan, output } of this.analysis.entries) this.outputs.set(nameSpan.start, output);
    this.records = module.records;
  }

  /** The value of the name, operator or call that the offset points at. */
  at(offset: number): Inspected | null {
    const node = this.file.root.resolveInner(offset, 1);
    if (!pointsAtValue.has(node.name)) return null;
    const output = this.outputs.get(node.from);
    if (output) return this.inspected({ start: node.from, end: node.to, value: output, example: this.example, times: 1 });
    const record = this.recordOf(node);
    return record ? { ...this.inspected(record), start: node.from, end: node.to } : null;
  }

  private recordOf(node: SyntaxNode): Recorded<Node> | undefined {
    const assigned = assignedValue(node);
    if (assigned) return this.records.get(assigned.from, assigned.to);
    for (let at: SyntaxNode | null = node; at && expressions.has(at.name); at = at.parent) {
      const record = this.records.get(at.from, at.to);
      if (record) return record;
      const { parent }: SyntaxNode = at;
      const isCallee = parent?.name === 'CallExpression' && parent.firstChild?.from === at.from;
      const isOperator = at.name.endsWith('Op') || at.name === 'PropertyName' || at.name === 'VariableName' && parent?.name === 'MemberExpression';
      if (!isCallee && !isOperator) return undefined;
    }
    return undefined;
  }

  /** What single names are assigned, behind their statements; values of several calls are left out. */
  named(start = 0, end = Infinity): Inspected[] {
    const found: Inspected[] = [];
    this.file.root.cursor().iterate(({ name, node }) => {
      const target = name === 'AssignStatement' && start <= node.to && node.to <= end ? node.firstChild : null;
      const value = target && assignedValue(target);
      const record = value && this.records.get(value.from, value.to);
      if (record?.times === 1) found.push({ ...this.inspected(record), start: node.to, end: node.to });
    });
    return found;
  }

  private inspected({ start, end, value, example, times }: Recorded<Node>): Inspected {
    return { start, end, shown: this.nodes.show(value, example), example, times };
  }
}

const operators = ['ArithOp', 'CompareOp', 'BitOp'];
const pointsAtValue: ReadonlySet<string> = new Set(['VariableName', 'PropertyName', ...operators]);
const expressions: ReadonlySet<string> = new Set([...pointsAtValue, 'MemberExpression', 'CallExpression', 'BinaryExpression', 'UnaryExpression']);

/** The expression that `name = expression` gives the name. */
function assignedValue(target: SyntaxNode): SyntaxNode | undefined {
  const statement = target.parent;
  if (statement?.name !== 'AssignStatement' || statement.firstChild?.from !== target.from || target.name !== 'VariableName') return undefined;
  const parts = childrenOf(statement).filter(({ name }) => name !== 'TypeDef');
  return parts.length === 3 ? parts[2] : undefined;
}
