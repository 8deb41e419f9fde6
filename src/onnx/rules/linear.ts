// Gradients of products and sums of products: MatMul, Gemm, Einsum.
import type { GraphNode } from '../graph.ts';
import type { Rule, RuleContext, Rules } from './context.ts';
import { attributeFloat, attributeInt, attributeString, RuleRefusal } from './context.ts';

type Shape = readonly (number | string)[];

const matMul: Rule = (c, { inputs: [a = '', b = ''] }, dy) => {
  const [shapeA, shapeB] = [c.shapes(a), c.shapes(b)];
  if (shapeA.length >= 2 && shapeB.length >= 2) return matrixProduct(c, { a, b, dy, shapeA, shapeB });
  return vectorProduct(c, { a, b, dy, shapeA, shapeB });
};

interface Product {
  readonly a: string;
  readonly b: string;
  readonly dy: string;
  readonly shapeA: Shape;
  readonly shapeB: Shape;
}

function matrixProduct(c: RuleContext, { a, b, dy, shapeA, shapeB }: Product): [string, string] {
  const batch = broadcast(shapeA.slice(0, -2), shapeB.slice(0, -2));
  const da = c.sumTo(c.op('MatMul', dy, c.swap(b, shapeB.length)), [...batch, ...shapeA.slice(-2)], shapeA); // dA = dY Bᵀ
  return [da, rightGradient(c, { a, b, dy, shapeA, shapeB }, batch)];
}

/** dB = Aᵀ dY; where B is one matrix for all of a batch, as one product over all rows. */
function rightGradient(c: RuleContext, { a, dy, shapeA, shapeB }: Product, batch: Shape): string {
  const [inner, columns] = [shapeA.at(-1), shapeB.at(-1)];
  if (shapeB.length === 2 && shapeA.length > 2 && typeof inner === 'number' && typeof columns === 'number') {
    const rows = (value: string, width: number): string => c.op('Reshape', value, c.int64(-1, width));
    return c.op('MatMul', c.swap(rows(a, inner), 2), rows(dy, columns));
  }
  const db = c.op('MatMul', c.swap(a, shapeA.length), dy);
  return c.sumTo(db, [...batch, ...shapeB.slice(-2)], shapeB);
}

/** A vector is a row on the left and a column on the right, with an axis that the result lacks. */
function vectorProduct(c: RuleContext, { a, b, dy, shapeA, shapeB }: Product): [string, string] {
  const [row, column] = [shapeA.length === 1, shapeB.length === 1];
  const open = (value: string, axis: number): string => c.op('Unsqueeze', value, c.int64(axis));
  const opened = column ? open(dy, -1) : dy;
  const [da, db] = matrixProduct(c, {
    a: row ? open(a, 0) : a,
    b: column ? open(b, 1) : b,
    dy: row ? open(opened, -2) : opened,
    shapeA: row ? [1, ...shapeA] : shapeA,
    shapeB: column ? [...shapeB, 1] : shapeB,
  });
  return [row ? c.op('Squeeze', da, c.int64(0)) : da, column ? c.op('Squeeze', db, c.int64(1)) : db];
}

function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x = 1, y = 1] = [a[i - rank + a.length], b[i - rank + b.length]];
    return x === 1 ? y : x;
  });
}

const gemm: Rule = (c, node, dy) => {
  const { inputs: [a = '', b = '', bias], outputs: [y = ''] } = node;
  const [transA, transB] = [attributeInt(node, 'transA', 0), attributeInt(node, 'transB', 0)];
  const alpha = { float: attributeFloat(node, 'alpha', 1) };
  const product = (left: string, right: string, tLeft: number, tRight: number): string =>
    c.opWith('Gemm', [left, right], { alpha, transA: tLeft, transB: tRight });
  const da = transA ? product(b, dy, transB, 1) : product(dy, b, 0, 1 - transB); // α dY Bᵀ, or its transpose
  const db = transB ? product(dy, a, 1, transA) : product(a, dy, 1 - transA, 0); // α Aᵀ dY, or its transpose
  const scaled = c.op('Mul', dy, c.scalar(attributeFloat(node, 'beta', 1)));
  return [da, db, bias ? c.unbroadcast(scaled, y, bias) : null];
};

interface Equation {
  readonly terms: readonly string[];
  readonly result: string;
}

/** The equation with its result written out and letters for the axes that an ellipsis stands for. */
function equationOf(c: RuleContext, node: GraphNode): Equation {
  const written = attributeString(node, 'equation', '').replaceAll(' ', '');
  const [left = '', right] = written.split('->');
  const terms = left.split(',');
  const used = new Set(written);
  const spare = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'].filter((letter) => !used.has(letter));
  const ellipses = terms.map((term, i) => (term.includes('...') ? c.rank(node.inputs[i] ?? '') - (term.length - 3) : 0));
  const letters = spare.slice(0, Math.max(0, ...ellipses)).join('');
  const open = (term: string, count: number): string => term.replace('...', letters.slice(letters.length - count));
  const once = [...new Set(terms.join('').replaceAll('.', ''))].filter((letter) => terms.join('').split(letter).length === 2).sort().join('');
  const result = right ?? `${letters === '' ? '' : '...'}${once}`;
  return { terms: terms.map((term, i) => open(term, ellipses[i] ?? 0)), result: open(result, letters.length) };
}

/** An axis of size 1 that is repeated along another's has no term of its own in the gradient. */
function refuseBroadcasting(c: RuleContext, { inputs }: GraphNode, terms: readonly string[]): void {
  const sizes = new Map<string, number | string>();
  inputs.forEach((input, i) => {
    [...(terms[i] ?? '')].forEach((letter, axis) => {
      const size = c.shapes(input)[axis] ?? 1;
      const known = sizes.get(letter);
      if (known !== undefined && known !== size && (known === 1 || size === 1)) throw new RuleRefusal('an axis of size 1 is broadcast in it');
      sizes.set(letter, size);
    });
  });
}

/** Exchanges the input's term and the result's: d x = Einsum(dy, the others → x's indices). */
const einsum: Rule = (c, node, dy) => {
  const { terms, result } = equationOf(c, node);
  refuseBroadcasting(c, node, terms);
  return node.inputs.map((x, i) => {
    const term = terms[i] ?? '';
    const others = terms.filter((_term, j) => j !== i);
    if (new Set(term).size < term.length) throw new RuleRefusal('it takes a diagonal');
    const left = [result, ...others];
    const kept = [...term].filter((letter) => left.join('').includes(letter)).join('');
    const isWhole = others.length === 0 && kept === result;
    const product = isWhole ? dy : c.opWith('Einsum', [dy, ...node.inputs.filter((_input, j) => j !== i)], { equation: `${left.join(',')}->${kept}` });
    if (kept.length === term.length) return product;
    // What was summed of one input alone is repeated.
    const summed = [...term].flatMap((letter, axis) => (kept.includes(letter) ? [] : [axis]));
    return c.op('Expand', c.op('Unsqueeze', product, c.int64(...summed)), c.shapeOf(x));
  });
};

export const linearRules = { MatMul: matMul, Gemm: gemm, Einsum: einsum } satisfies Rules;
