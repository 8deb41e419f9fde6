// Random RASP syntax trees for property tests.
import fc from 'fast-check';
import type { Expression, Identifier, Range, Statement } from '../../../src/rasp/rasp/syntax.ts';

const nowhere: Range = { start: 0, end: 0 };
const placed = { range: nowhere, outer: nowhere, depth: 1 };

const nameText = fc.constantFrom('a', 'b', 'tokens', 'indices', 'f', '_x', 'selected', 'range_', 'notes', 'set', 'exit');
const identifier: fc.Arbitrary<Identifier> = nameText.map((name) => ({ name, range: nowhere }));
const identifiers = fc.array(identifier, { minLength: 1, maxLength: 3 });
const nameExpression: fc.Arbitrary<Expression> = nameText.map((name) => ({ kind: 'name', name, ...placed }));
const number: fc.Arbitrary<Expression> = fc.constantFrom('0', '7', '10', '1.0', '2.5', '007').map((text) => ({ kind: 'number', text, ...placed }));
const string: fc.Arbitrary<Expression> = fc.constantFrom('', 'a', 'a b', '#', "it's §").map((value) => ({ kind: 'string', value, ...placed }));

/** Expressions of every kind. */
export const expression: fc.Arbitrary<Expression> = fc.letrec<{ e: Expression }>((tie) => {
  const e = tie('e');
  const some = fc.array(e, { minLength: 1, maxLength: 3 });
  const binary = fc.record({
    kind: fc.constant('binary' as const),
    operator: fc.constantFrom('^', '*', '/', '%', '+', '-', '==', '<=', '>=', '<', '>', 'and', 'or', 'in'),
    operatorRange: fc.constant(nowhere),
    left: e,
    right: e,
  });
  const unary = fc.record({ kind: fc.constant('unary' as const), operator: fc.constantFrom('-', '+', 'not'), operatorRange: fc.constant(nowhere), operand: e });
  const parts = fc.oneof(
    { weight: 3, arbitrary: binary },
    { weight: 2, arbitrary: unary },
    fc.record({ kind: fc.constant('builtin' as const), name: fc.constantFrom('round', 'indicator'), nameRange: fc.constant(nowhere), operand: e }),
    fc.record({ kind: fc.constant('list' as const), items: fc.array(e, { maxLength: 3 }) }),
    fc.record({ kind: fc.constant('dict' as const), entries: fc.array(fc.record({ key: e, value: e }), { maxLength: 2 }) }),
    fc.record({ kind: fc.constant('list-comprehension' as const), value: e, names: identifiers, iterable: e }),
    fc.record({ kind: fc.constant('dict-comprehension' as const), key: e, value: e, names: identifiers, iterable: e }),
    fc.record({ kind: fc.constant('index' as const), object: e, index: e }),
    fc.record({ kind: fc.constant('call' as const), callee: e, args: fc.array(e, { maxLength: 2 }) }),
    fc.record({ kind: fc.constant('select' as const), key: e, query: e, operator: fc.constantFrom('==', '<', '>', '>=', '<=', '!='), operatorRange: fc.constant(nowhere) }),
    fc.record({ kind: fc.constant('aggregate' as const), selector: e, value: e, default: fc.option(e) }),
    fc.record({ kind: fc.constant('conditional' as const), then: e, condition: e, otherwise: e }),
    fc.record({ kind: fc.constantFrom('range', 'zip'), args: some }),
    fc.record({ kind: fc.constant('len' as const), args: e.map((part) => [part]) }),
  );
  return { e: fc.oneof({ maxDepth: 4, withCrossShrink: true }, fc.oneof(nameExpression, number, string), parts.map((part) => ({ ...part, ...placed }) as Expression)) };
}).e;

const comment = fc.constantFrom('#', '# a comment', '#x = 1;');
const frame = fc.record({ range: fc.constant(nowhere), trailing: fc.option(comment), spaced: fc.boolean() });
const values = fc.array(expression, { minLength: 1, maxLength: 2 });

const simple: fc.Arbitrary<Statement> = fc.oneof(
  fc.record({ kind: fc.constant('assign' as const), targets: identifiers, values }),
  fc.record({ kind: fc.constant('draw' as const), expression, input: fc.option(expression) }),
  fc.record({ kind: fc.constant('load' as const), name: fc.constantFrom('other', 'dir/file'), nameRange: fc.constant(nowhere) }),
  fc.record({ kind: fc.constant('command' as const), command: fc.constantFrom('full seq display on', 'examples off', 'show example', 'exit'), subset: fc.constant(null) }),
  fc.record({ kind: fc.constant('command' as const), command: fc.constantFrom('examples on', 'show example'), subset: fc.constantFrom('s-op', 'selector') }),
  // A leading name keeps it apart from a command before it.
  fc.record({ kind: fc.constant('expression' as const), expression: expression.map((right): Expression => ({ kind: 'call', callee: { kind: 'name', name: 'f', ...placed }, args: [right], ...placed })) }),
).chain((statement) => frame.map((rest) => ({ ...statement, ...rest }) as Statement));

const commentStatement: fc.Arbitrary<Statement> = fc.record({ kind: fc.constant('comment' as const), text: comment, range: fc.constant(nowhere), trailing: fc.constant(null), spaced: fc.boolean() });
const returnStatement: fc.Arbitrary<Statement> = fc.tuple(values, frame).map(([results, rest]) => ({ kind: 'return', values: results, ...rest }));

const statement: fc.Arbitrary<Statement> = fc.letrec<{ s: Statement }>((tie) => {
  const body = fc.array(tie('s'), { maxLength: 3 });
  const definition = fc.record({ kind: fc.constant('function' as const), name: identifier, parameters: fc.array(identifier, { maxLength: 2 }), body: fc.tuple(body, returnStatement, fc.array(commentStatement, { maxLength: 1 })).map(([first, result, last]) => [...first, result, ...last]) });
  const loop = fc.record({ kind: fc.constant('for' as const), names: identifiers, iterable: expression, body: fc.tuple(tie('s'), body).map(([first, rest]) => [first, ...rest]) });
  const blocks = fc.oneof(definition, loop).chain((block) => frame.map((rest) => ({ ...block, ...rest }) as Statement));
  return { s: fc.oneof({ maxDepth: 2 }, simple, commentStatement, blocks) };
}).s;

/** Whole files. The first statement has no empty line before it: nothing does. */
export const file: fc.Arbitrary<Statement[]> = fc
  .array(statement, { maxLength: 6 })
  .map(([first, ...rest]) => (first === undefined ? [] : [{ ...first, spaced: false }, ...rest]));

/** A tree without its places, to compare by. */
export function withoutPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (typeof value !== 'object' || value === null) return value;
  const places = new Set(['range', 'outer', 'depth', 'operatorRange', 'nameRange']);
  return Object.fromEntries(Object.entries(value).filter(([key]) => !places.has(key)).map(([key, part]) => [key, withoutPlaces(part)]));
}
