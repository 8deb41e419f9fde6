// Tracr's `rasp` module: what its constructors build.
import type { TracrGraph } from './graph.ts';
import { renamed } from './graph.ts';
import type { Arguments, FunctionValue, PythonValue, SOpValue } from './values.ts';
import { isScalar, PythonError, typeName } from './values.ts';
import type { Span } from '../diagnostic.ts';
import type { Comparison, Predicate, ScalarFunction, Selector, SOp, Value } from '../program.ts';
import { binary, comparisonPredicate, isNumeric, ScalarError, truthy } from '../scalar.ts';

const comparisonNames: Record<string, Comparison> = {
  EQ: '==', NEQ: '!=', LT: '<', LEQ: '<=', GT: '>', GEQ: '>=', TRUE: 'true', FALSE: 'false',
};

/** rasp.NAME, Comparison.NAME or Encoding.NAME, or undefined. */
export function raspMember(module: 'rasp' | 'Comparison' | 'Encoding', name: string, graph: TracrGraph): PythonValue | undefined {
  if (module === 'Comparison') {
    const comparison = comparisonNames[name];
    return comparison && { kind: 'comparison', comparison };
  }
  if (module === 'Encoding') {
    return name === 'CATEGORICAL' || name === 'NUMERICAL' ? { kind: 'encoding', encoding: name === 'NUMERICAL' ? 'numerical' : 'categorical' } : undefined;
  }
  switch (name) {
    case 'tokens':
      return graph.tokens();
    case 'indices':
      return graph.indices();
    case 'length':
      return graph.length();
    case 'Comparison':
    case 'Encoding':
      return { kind: 'module', name };
    case 'SOp':
    case 'Selector':
    case 'RASPExpr':
      return { kind: 'module', name: 'package' };
    default: {
      const build = constructors[name];
      return build && { kind: 'function', name: `rasp.${name}`, call: (args) => build(new Call(name, args), graph) };
    }
  }
}

export const raspNames = (): string[] => ['tokens', 'indices', 'Comparison', ...Object.keys(constructors)];

/** A call's arguments by parameter name, checked as they are asked for. */
class Call {
  private used = 0;

  constructor(
    readonly name: string,
    readonly args: Arguments,
  ) {}

  take(parameter: string): { value: PythonValue; span: Span } | undefined {
    const { positional, keywords, spans, keywordSpans, span } = this.args;
    const named = keywords.get(parameter);
    if (named !== undefined) return { value: named, span: keywordSpans.get(parameter) ?? span };
    if (this.used >= positional.length) return undefined;
    const i = this.used++;
    return { value: positional[i] ?? null, span: spans[i] ?? span };
  }

  need(parameter: string): { value: PythonValue; span: Span } {
    const found = this.take(parameter);
    if (!found) throw this.error(`rasp.${this.name} needs the argument “${parameter}”`, this.args.span);
    return found;
  }

  sop(parameter: string): { node: SOp; span: Span } {
    const { value, span } = this.need(parameter);
    if (!isScalar(value) && value.kind === 's-op') return { node: value.node, span };
    throw this.error(`“${parameter}” of rasp.${this.name} must be an s-op, and this is ${typeName(value)}`, span);
  }

  selector(parameter: string): { node: Selector; span: Span } {
    const { value, span } = this.need(parameter);
    if (!isScalar(value) && value.kind === 'selector') return { node: value.node, span };
    throw this.error(`“${parameter}” of rasp.${this.name} must be a selector, and this is ${typeName(value)}`, span);
  }

  scalar(parameter: string): { value: Value; span: Span } {
    const { value, span } = this.need(parameter);
    if (isScalar(value)) return { value, span };
    throw this.error(`“${parameter}” of rasp.${this.name} must be a number, string or bool, and this is ${typeName(value)}`, span);
  }

  fn(parameter: string): { value: FunctionValue; span: Span } {
    const { value, span } = this.need(parameter);
    if (!isScalar(value) && value.kind === 'function') return { value, span };
    throw this.error(`“${parameter}” of rasp.${this.name} must be a function, and this is ${typeName(value)}`, span);
  }

  end(): void {
    if (this.used < this.args.positional.length) throw this.error(`rasp.${this.name} has too many arguments`, this.args.span);
  }

  error(message: string, span: Span): PythonError {
    return new PythonError('argument', message, span);
  }
}

type Constructor = (call: Call, graph: TracrGraph) => PythonValue;

const constructors: Record<string, Constructor> = {
  Map(call, graph) {
    const { value: fn, span: symbol } = call.fn('f');
    const inner = call.sop('inner');
    call.end();
    return graph.map(scalarOf(fn, 1), [inner.node], lambdaOrigin(call, symbol, fn, [inner.span]));
  },
  SequenceMap(call, graph) {
    const { value: fn, span: symbol } = call.fn('f');
    const [first, second] = [call.sop('fst'), call.sop('snd')];
    call.end();
    return graph.map(scalarOf(fn, 2), [first.node, second.node], lambdaOrigin(call, symbol, fn, [first.span, second.span]));
  },
  LinearSequenceMap(call, graph) {
    const [first, second] = [call.sop('fst'), call.sop('snd')];
    const [a, b] = [call.scalar('fst_fac'), call.scalar('snd_fac')];
    call.end();
    const fn: ScalarFunction = {
      label: `${String(a.value)}·x + ${String(b.value)}·y`,
      arity: 2,
      apply: ([x = null, y = null]) => binary('+', binary('*', a.value, x), binary('*', b.value, y)),
    };
    const origin = { span: call.args.span, operands: [first.span, second.span], symbol: null, form: 'linear', coefficients: [a.span, b.span] } as const;
    return graph.map(fn, [first.node, second.node], origin, 'numerical');
  },
  Full(call, graph) {
    const { value } = call.scalar('fill');
    call.end();
    return graph.constant(value, call.args.span);
  },
  Select(call, graph) {
    const [keys, queries] = [call.sop('keys'), call.sop('queries')];
    const predicate = call.need('predicate');
    call.end();
    const parts = { span: call.args.span, operands: [keys.span, queries.span], symbol: predicate.span, form: 'call' } as const;
    return graph.select(keys.node, queries.node, predicateOf(predicate.value, call, predicate.span), parts);
  },
  Aggregate(call, graph) {
    const selector = call.selector('selector');
    const value = call.sop('sop');
    const fallback = call.take('default');
    call.end();
    if (fallback && !isScalar(fallback.value)) throw call.error('“default” must be a number, string, bool or None', fallback.span);
    const parts = { span: call.args.span, operands: [selector.span, value.span], symbol: null, form: 'call' } as const;
    return graph.sop((id, origin) => ({ kind: 'aggregate', id, origin, selector: selector.node, value: value.node, default: fallback && isScalar(fallback.value) ? fallback.value : null }), parts);
  },
  SelectorWidth(call, graph) {
    const selector = call.selector('selector');
    call.end();
    const parts = { span: call.args.span, operands: [selector.span], symbol: null, form: 'call' } as const;
    return graph.sop((id, origin) => ({ kind: 'width', id, origin, selector: selector.node }), parts);
  },
  SelectorAnd: (call, graph) => combined('and', call, graph),
  SelectorOr: (call, graph) => combined('or', call, graph),
  SelectorNot(call, graph) {
    const inner = call.selector('inner');
    call.end();
    const parts = { span: call.args.span, operands: [inner.span], symbol: null, form: 'call' } as const;
    return graph.selector((id, origin) => ({ kind: 'not', id, origin, operand: inner.node }), parts);
  },
  numerical: (call) => encoded(call, 'numerical'),
  categorical: (call) => encoded(call, 'categorical'),
  annotate(call) {
    const { value } = call.need('expr');
    const encoding = call.args.keywords.get('encoding');
    if (encoding && !isScalar(encoding) && encoding.kind === 'encoding' && !isScalar(value) && value.kind === 's-op') {
      return { kind: 's-op', node: renamed(value.node, { encoding: encoding.encoding }) };
    }
    return value;
  },
};

function encoded(call: Call, encoding: 'numerical' | 'categorical'): SOpValue {
  const { node } = call.sop('sop');
  call.end();
  return { kind: 's-op', node: (node.encoding ?? 'categorical') === encoding ? node : renamed(node, { encoding }) };
}

function combined(kind: 'and' | 'or', call: Call, graph: TracrGraph): PythonValue {
  const [left, right] = [call.selector('fst'), call.selector('snd')];
  call.end();
  const parts = { span: call.args.span, operands: [left.span, right.span], symbol: null, form: 'call' } as const;
  return graph.selector((id, origin) => ({ kind, id, origin, left: left.node, right: right.node }), parts);
}

function lambdaOrigin(call: Call, symbol: Span, fn: FunctionValue, operands: readonly Span[]) {
  const base = { span: call.args.span, operands, symbol, form: 'lambda' } as const;
  return fn.isLambda && fn.parameters ? { ...base, parameters: fn.parameters } : base;
}

/** A Python function as an elementwise function; its errors become the program's value errors. */
function scalarOf(fn: FunctionValue, arity: number): ScalarFunction {
  return {
    label: fn.name,
    arity,
    apply(args) {
      const result = callScalar(fn, args);
      if (!isScalar(result)) throw new ScalarError(`the function gives ${typeName(result)}; an s-op holds numbers, strings and bools`, 'type');
      return result;
    },
  };
}

const nowhere: Span = { file: '', start: 0, end: 0 };

function callScalar(fn: FunctionValue, args: readonly Value[]): PythonValue {
  try {
    return fn.call({ positional: args, keywords: new Map(), spans: [], keywordSpans: new Map(), span: nowhere });
  } catch (error) {
    if (error instanceof PythonError) throw new ScalarError(error.message, 'value');
    throw error;
  }
}

function predicateOf(value: PythonValue, call: Call, span: Span): Predicate {
  if (!isScalar(value) && value.kind === 'comparison') return comparisonPredicate(value.comparison);
  if (!isScalar(value) && value.kind === 'function') {
    const apply = (key: Value, query: Value): boolean => {
      const result = callScalar(value, [key, query]);
      return isScalar(result) ? truthy(result) : true;
    };
    return { comparison: 'lambda', label: value.name, apply };
  }
  throw call.error(`“predicate” must be a rasp.Comparison or a function of key and query, and this is ${typeName(value)}`, span);
}

export const isNumber = (value: PythonValue): value is number | boolean => isScalar(value) && isNumeric(value);
