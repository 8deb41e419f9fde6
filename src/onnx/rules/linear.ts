// Gradients of products and sums of products: MatMul, Gemm, Einsum.
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

/** Exchanges the input's term and the result's: d x = Einsum(dy, the others → x's indices). */
const einsum: Rule = (c, node, dy) => {
  const equation = attributeString(node, 'equation', '').replaceAll(' ', '');
  const [left = '', result] = equation.split('->');
  const terms = left.split(',');
  if (result === undefined || equation.includes('.')) throw new RuleRefusal(`the equation ${equation} has no written result or an ellipsis`);
  return node.inputs.map((_, i) => {
    const others = terms.filter((_term, j) => j !== i);
    const lost = [...(terms[i] ?? '')].filter((letter, at, all) => ![result, ...others].join('').includes(letter) || all.indexOf(letter) !== at);
    if (lost.length > 0) throw new RuleRefusal(`the equation ${equation} sums ${lost.join()} of one input alone`);
    const written = `${[result, ...others].join(',')}->${terms[i]}`;
    return c.opWith('Einsum', [dy, ...node.inputs.filter((_input, j) => j !== i)], { equation: written });
  });
};

export const linearRules = { MatMul: matMul, Gemm: gemm, Einsum: einsum } satisfies Rules;
