// Compiles a RASP program into the weights of a transformer that computes it exactly.
import { assemble } from './assemble.ts';
import { attempt, Distinctness } from './distinct.ts';
import { clausesOf, CLAUSES } from './clauses.ts';
import type { Clause } from './clauses.ts';
import { asBase, cleaned, indicators } from './finite.ts';
import type { HeadRequest, Match } from './heads.ts';
import { attentionHead } from './heads.ts';
import type { Indicators } from './plan.ts';
import { Plan } from './plan.ts';
import type { CompileProblem } from './problem.ts';
import { CompileFault, explosion, nameOf } from './problem.ts';
import type { Form, Levels } from './residual.ts';
import { combine, sumOf } from './residual.ts';
import type { FiniteBase, Linear, RealBase, Term } from './terms.ts';
import { baseTerm, constantTerm, join, largestOf, linearForm, weighted } from './terms.ts';
import type { Readout, TransformerWeights } from './transformer.ts';
import { checkVocabulary } from './vocabulary.ts';
import { castToken } from '../../rasp/interpret.ts';
import type { AggregateOp, LengthOp, MapOp, Node, Program, Selector, SOp, TokensOp, Value, WidthOp } from '../../rasp/program.ts';
import { describe, isNumeric } from '../../rasp/scalar.ts';
import { distinctValues, exactKey, inferValueSets, isExplosion, valueKey } from '../../rasp/valueSets.ts';

export interface CompileOptions {
  /** The tokens that an input may hold. */
  readonly vocabulary: readonly Value[];
  /** Longest input, positions. */
  readonly maxLength: number;
  /** A position attends to itself and earlier ones only; a selector's width then counts the prefix. */
  readonly causal?: boolean;
  /**
   * Steps over numbers rise all the way from one value to the next, for training: between the values there is a
   * gradient, and no tolerance of errors. Where a map fails, its first argument passes, so that training finds what it
   * is about. Default: false.
   */
  readonly gradual?: boolean;
}

export type CompileResult = { readonly ok: true; readonly weights: TransformerWeights } | { readonly ok: false; readonly problem: CompileProblem };

/** Value combinations of one op that are listed at all. */
const SET_LIMIT = 400_000;
/** Hidden units of one fused op; above, its arguments are computed first. */
const FUSED = 2_048;
/** Hidden units of any op. */
const UNITS = 16_384;
/** Classes above which a number is given as a value. */
const CLASSES = 4_096;

/**
 * The transformer of a program: for every input of 1 to maxLength tokens that the interpreter accepts, the class with
 * the largest logit (or the value, for Tracr's numerical outputs) at each position is the interpreter's output there.
 * On inputs that the interpreter refuses, the result means nothing.
 * Source: Tracr's pipeline (Lindner et al. 2023), without its inexactness.
 */
export function compileWeights(program: Program, options: CompileOptions): CompileResult {
  try {
    return { ok: true, weights: new Compiler(program, options).compile() };
  } catch (error) {
    if (error instanceof CompileFault) return { ok: false, problem: error.problem };
    throw error;
  }
}

class Compiler {
  private readonly plan: Plan;
  private readonly terms = new Map<SOp, Term>();
  private readonly finished = new Map<Term, FiniteBase>();
  private readonly sets: ReadonlyMap<SOp, readonly Value[]>;
  private readonly averaging: ReadonlySet<SOp>;
  private readonly tokenDirections: readonly number[];
  private readonly positionDirections: readonly number[];

  constructor(
    private readonly program: Program,
    private readonly options: CompileOptions,
  ) {
    const { vocabulary, maxLength } = options;
    checkVocabulary(vocabulary, maxLength);
    this.plan = new Plan(options.gradual);
    const inferred = inferSets(program, options);
    this.sets = inferred.sets;
    this.averaging = inferred.averaging;
    const { residual } = this.plan;
    this.tokenDirections = vocabulary.map((token) => residual.add('tokens', [token], -1));
    this.positionDirections = Array.from({ length: maxLength }, (_, i) => residual.add('indices', [i], -1));
  }

  compile(): TransformerWeights {
    const { plan, options } = this;
    const { readout, unembedding } = this.readout();
    return assemble({
      plan,
      vocabulary: options.vocabulary,
      maxLength: options.maxLength,
      causal: options.causal ?? false,
      tokenDirections: this.tokenDirections,
      positionDirections: this.positionDirections,
      readout,
      unembedding,
    });
  }

  private readout(): { readout: Readout; unembedding: readonly Form[] } {
    const { output } = this.program;
    const term = this.term(output);
    const numbers = term.values.every(isNumeric);
    if (numbers && (output.encoding === 'numerical' || term.values.length > CLASSES)) {
      return { readout: { kind: 'values' }, unembedding: [this.number(output, term).form] };
    }
    if (term.values.length > CLASSES) throw explosion(output, [term.values.length], CLASSES);
    const { values, forms } = this.finite(output, term);
    return { readout: { kind: 'logits', classes: values }, unembedding: forms };
  }

  private term(node: SOp): Term {
    let term = this.terms.get(node);
    if (!term) {
      term = this.build(node);
      if (term.values.length === 0) throw new CompileFault({ code: 'vocabulary', node, message: `${nameOf(node)} fails on every input over this vocabulary. Give the tokens that the program is meant for.` });
      this.terms.set(node, term);
    }
    return term;
  }

  private build(node: SOp): Term {
    switch (node.kind) {
      case 'tokens':
        return this.tokens(node);
      case 'indices': {
        const forms = this.positionDirections.map((direction): Form => new Map([[direction, 1]]));
        return baseTerm({ kind: 'finite', label: 'indices', values: forms.map((_, i) => i), forms, noise: 0 });
      }
      case 'constant':
        return constantTerm(node.value);
      case 'length':
        return this.length(node);
      case 'map':
        return this.map(node);
      case 'aggregate':
        return this.averaging.has(node) ? this.average(node) : this.pass(node);
      case 'width':
        return this.width(node, this.matches(node.selector, true));
    }
  }

  private tokens(node: TokensOp): Term {
    const cast = this.options.vocabulary.map((token) => attempt(() => castToken(token, node.cast)));
    const values = distinctValues(cast);
    const forms = values.map((value): Form => new Map(this.tokenDirections.flatMap((direction, i): [number, number][] => {
      const own = cast[i];
      return own !== undefined && valueKey(own) === valueKey(value) ? [[direction, 1]] : [];
    })));
    return baseTerm({ kind: 'finite', label: nameOf(node), values, forms, noise: 0 });
  }

  private length(node: LengthOp): Term {
    if (!this.options.causal) return this.width(node, []);
    const message = `${nameOf(node)} is the length of the whole input, which a causal model cannot see from its earlier positions. Compile without the causal mask, or count with selector_width.`;
    throw new CompileFault({ code: 'causal', node, message });
  }

  /** A map is only looked at: what computes it is its consumer, or the readout. */
  private map(node: MapOp): Term {
    const instead = (args: readonly Value[]): Value | undefined => (this.plan.gradual ? args[0] : undefined);
    const apply = (args: readonly Value[]): Value | undefined => (args.includes(null) ? null : (attempt(() => node.fn.apply(args)) ?? instead(args)));
    const args = node.args.map((arg) => this.term(arg));
    const fused = join(args, apply, exactKey, FUSED) ?? this.affine(node, args, apply) ?? join(this.computed(node, args), apply, exactKey, UNITS);
    if (!fused) throw explosion(node, args.map(({ values }) => values.length), UNITS);
    const mixesNumbers = fused.views.length > 1 && fused.views.some(({ base }) => base.kind === 'real');
    const linear = mixesNumbers ? linearForm(fused, this.plan.residual) : null;
    return linear ? baseTerm({ ...realBase(nameOf(node), fused.values, linear), source: fused }) : fused;
  }

  /** A sum of numbers that is too large to list by its arguments' views. */
  private affine(node: MapOp, args: readonly Term[], apply: (args: readonly Value[]) => Value | undefined): Term | null {
    const forms = args.map((arg) => linearForm(arg, this.plan.residual));
    const lists = node.args.map((arg) => (this.sets.get(arg) ?? []).filter(isNumeric).map(Number));
    const slopes = slopesOf(lists, apply);
    if (!slopes || forms.includes(null)) return null;
    const form = combine([[this.plan.residual.constant(slopes.constant), 1], ...forms.map((f, i): [Form, number] => [f?.form ?? new Map<number, number>(), slopes.factors[i] ?? 0])]);
    const error = forms.reduce((sum, f, i) => sum + (f?.error ?? 0) * Math.abs(slopes.factors[i] ?? 0), 0);
    return baseTerm(realBase(nameOf(node), this.sets.get(node) ?? [], { form, error }));
  }

  /** The arguments, those that need several bases computed first. */
  private computed(node: MapOp, args: readonly Term[]): Term[] {
    return args.map((arg, i) => {
      const source = node.args[i];
      return arg.views.length > 1 && source ? baseTerm(this.finite(source, arg)) : arg;
    });
  }

  /** One indicator a value, in the residual stream. */
  private finite(node: SOp, term: Term): FiniteBase {
    let base = this.finished.get(term);
    if (!base) {
      base = asBase(nameOf(node), term.values, this.grouped(node, term, term.values.map((_, i) => i), term.values.length));
      this.finished.set(term, base);
    }
    return base;
  }

  private grouped<T>(node: Node, term: Term<T>, groups: readonly number[], count: number, valueOf: (value: T) => Value = (value) => value as Value): Indicators {
    const label = nameOf(node);
    return indicators(this.plan, {
      term,
      groups,
      count,
      label,
      named: (g) => distinctValues(term.values.filter((_, i) => groups[i] === g).map(valueOf)),
      tooFine: (low, high) => {
        const message = `${label} has to tell ${low} from ${high}, which are too close for the 32-bit floats of a model. Use a shorter maximal length or a smaller vocabulary.`;
        return new CompileFault({ code: 'precision', node, message });
      },
    });
  }

  /** The number that a term is, as a form. */
  private number(node: SOp, term: Term): Linear {
    const linear = linearForm(term, this.plan.residual);
    if (linear) return linear;
    const { values, forms, noise } = this.finite(node, term);
    return weighted(forms, values.map(Number), noise);
  }

  /** An aggregate that selects one position at most, or values that cannot be averaged: they pass as they are. */
  private pass(node: AggregateOp): Term {
    const { residual } = this.plan;
    const source = this.term(node.value);
    const matches = this.matches(node.selector, false);
    const [view, ...more] = source.views;
    if (view?.base.kind === 'real' && more.length === 0 && isNumeric(node.default) && source.values.every(isNumeric)) return this.average(node);
    const { values, forms, noise } = this.finite(node.value, source);
    const all = distinctValues([...values, node.default]);
    const isDefault = (value: Value): boolean => valueKey(value) === valueKey(node.default);
    const none: Form = new Map();
    const writes = attentionHead(this.plan, {
      label: nameOf(node),
      node,
      matches,
      values: all.map((value, v) => ({ form: forms[v] ?? none, atBos: isDefault(value) ? 1 : 0, write: (stage) => residual.add(nameOf(node), [value], stage) })),
    });
    const read = all.map((value, v): Form => combine([[new Map([[writes[v] ?? 0, 1]]), 1], [new Map([[residual.bos, 1]]), isDefault(value) ? -1 : 0]]));
    return baseTerm({ kind: 'finite', label: nameOf(node), values: all, forms: read, noise: noise + ATTENTION_ERROR });
  }

  /** The mean of numbers; what is no number, among the values or the default, has a number of its own above them all. */
  private average(node: AggregateOp): Term {
    const source = this.term(node.value);
    const values = this.sets.get(node) ?? [];
    const codes = codesOf(values);
    const code = (value: Value): number => codes[values.findIndex((other) => valueKey(other) === valueKey(value))] ?? 0;
    const matches = this.matches(node.selector, true);
    const { form, error } = this.summand(node, source, code);
    const largest = largestOf(codes);
    const read = this.numberHead({ label: nameOf(node), node, matches }, { values, codes }, form, code(node.default));
    return baseTerm({ kind: 'real', label: nameOf(node), values, codes, form: read, error: error + 8 * ATTENTION_ERROR * largest });
  }

  /** What an average adds up. Indicators that are too noisy for the distance of the means are cleaned first. */
  private summand(node: AggregateOp, source: Term, code: (value: Value) => number): Linear {
    if (source.values.every(isNumeric)) {
      const linear = linearForm(source, this.plan.residual);
      if (linear) return linear;
    }
    const finite = this.finite(node.value, source);
    const sharp = cleaned(this.plan, finite, finite.label, (g) => [finite.values[g] ?? null]);
    return weighted(sharp.forms, finite.values.map(code), sharp.noise);
  }

  private numberHead(head: Omit<HeadRequest, 'values'>, levels: Levels, form: Form, atBos: number): Form {
    const { residual } = this.plan;
    const [direction = 0] = attentionHead(this.plan, { ...head, values: [{ form, atBos, write: (stage) => residual.addNumber(head.label, levels, stage) }] });
    return combine([[new Map([[direction, 1]]), 1], [new Map([[residual.bos, 1]]), -atBos]]);
  }

  /**
   * With BOS among the attended, at the weight of n positions, its share is n / (d + n) where d are selected. That
   * weight keeps neighbouring shares about 1 / 4n apart, where Tracr's 1 / (d + 1) brings them within 1 / n².
   */
  private width(node: WidthOp | LengthOp, matches: readonly Match[]): Term {
    const n = this.options.maxLength;
    const values = Array.from({ length: n + 1 }, (_, d) => d);
    const codes = values.map((d) => n / (d + n));
    const form = this.numberHead({ label: nameOf(node), node, matches, bosLogit: Math.log(n) }, { values, codes }, new Map(), 1);
    return baseTerm({ kind: 'real', label: nameOf(node), values, codes, form, error: 8 * ATTENTION_ERROR });
  }

  /** @param sharp whether selected positions must have equal weights */
  private matches(selector: Selector, sharp: boolean): readonly Match[] {
    const clauses = clausesOf(selector);
    if (!clauses) throw explosion(selector, [], CLAUSES);
    return clauses.flatMap((clause) => this.match(selector, clause, sharp));
  }

  private match(selector: Selector, clause: Clause, sharp: boolean): Match[] {
    const keyNodes = clause.map((literal) => literal.keys);
    const queryNodes = clause.map((literal) => literal.queries);
    const keys = this.side(selector, keyNodes);
    const queries = keyNodes.every((node, i) => node === queryNodes[i]) ? keys : this.side(selector, queryNodes);
    const rows = keys.values.map((key) => queries.values.map((query) => clause.some((literal, i) => literal.accepts(key[i] ?? null, query[i] ?? null))));
    if (rows.every((row) => row.every(Boolean))) return [];
    const keyGroups = groupEqual(rows.map((row) => row.map(Number).join('')));
    const queryGroups = groupEqual(queries.values.map((_, q) => rows.map((row) => Number(row[q])).join('')));
    const accepts = pick(keyGroups, (k) => pick(queryGroups, (q) => rows[k]?.[q] ?? false));
    const forms = (nodes: readonly SOp[], side: Term<Tuple>, groups: readonly number[]): readonly Form[] => this.sideForms(nodes, side, groups, sharp);
    if (keys !== queries) return [{ keys: forms(keyNodes, keys, keyGroups), queries: forms(queryNodes, queries, queryGroups), accepts }];
    const both = groupEqual(keyGroups.map((k, i) => `${k},${queryGroups[i] ?? 0}`));
    const shared = forms(keyNodes, keys, both);
    const of = (groups: readonly number[]): Form[] => pick(groups, (first) => sumOf(shared.filter((_, g) => groups[both.indexOf(g)] === groups[first])));
    return [{ keys: of(keyGroups), queries: of(queryGroups), accepts }];
  }

  /** The indicators of groups of tuples, all of them alike where a single s-op's values are kept apart. */
  private sideForms(nodes: readonly SOp[], side: Term<Tuple>, groups: readonly number[], sharp: boolean): readonly Form[] {
    const [node, ...more] = nodes;
    if (!node) return [];
    const count = Math.max(...groups) + 1;
    const single = more.length === 0 ? this.term(node) : null;
    const found = single && count === single.values.length ? this.finite(node, single) : single ? this.grouped(node, single, groups, count) : this.grouped(node, side, groups, count, tupleValue);
    const named = (g: number): Value[] => side.values.filter((_, i) => groups[i] === g).map(tupleValue);
    return (sharp ? cleaned(this.plan, found, nameOf(node), named) : found).forms;
  }

  /** The joint values of one side of a clause. */
  private side(selector: Selector, nodes: readonly SOp[]): Term<Tuple> {
    const terms = nodes.map((node) => this.term(node));
    const [only, ...more] = terms;
    if (only && more.length === 0) return { ...only, values: only.values.map((value) => [value]) };
    const tuple = (args: Tuple): Tuple => args;
    const key = (args: Tuple): string => args.map(exactKey).join();
    const joint = join(terms, tuple, key, FUSED) ?? join(nodes.map((node, i) => baseTerm(this.finite(node, terms[i] ?? constantTerm(null)))), tuple, key, UNITS);
    if (!joint) throw explosion(selector, terms.map(({ values }) => values.length), UNITS);
    return joint;
  }
}

/** The values of several s-ops at one position. */
type Tuple = readonly Value[];

const tupleValue = (tuple: Tuple): Value => (tuple.length === 1 ? (tuple[0] ?? null) : tuple.map(describe).join(', '));

/** Rounding of one softmax and its weighted sum, relative. */
const ATTENTION_ERROR = 2 ** -22;

const realBase = (label: string, values: readonly Value[], { form, error }: Linear): RealBase => ({ kind: 'real', label, values, codes: values.map(Number), form, error });

/** Numbers stand for themselves, other values for numbers above all of them. */
function codesOf(values: readonly Value[]): number[] {
  let above = Math.max(0, ...values.filter(isNumeric).map((value) => Math.ceil(Math.abs(Number(value)))));
  return values.map((value) => (isNumeric(value) ? Number(value) : ++above));
}

function slopesOf(lists: readonly (readonly number[])[], apply: (args: readonly Value[]) => Value | undefined): { constant: number; factors: number[] } | null {
  const probe = (at: readonly number[]): number => {
    const value = apply(at);
    return value !== undefined && isNumeric(value) ? Number(value) : Number.NaN;
  };
  const zero = lists.map(() => 0);
  const constant = probe(zero);
  const factors = lists.map((_, d) => probe(zero.map((_z, i) => (i === d ? 1 : 0))) - constant);
  let affine = [constant, ...factors].every(Number.isFinite);
  const visit = (at: number[]): void => {
    const list = lists[at.length];
    if (list) return list.forEach((x) => affine && visit([...at, x]));
    const expected = at.reduce((sum, x, d) => sum + (factors[d] ?? 0) * x, constant);
    affine &&= Math.abs(probe(at) - expected) <= 1e-9 * Math.max(1, Math.abs(expected));
  };
  if (affine) visit([]);
  return affine ? { constant, factors } : null;
}

/** The number of the first equal key, renumbered from 0. */
function groupEqual(keys: readonly string[]): number[] {
  const known = new Map<string, number>();
  return keys.map((key) => {
    const group = known.get(key) ?? known.size;
    known.set(key, group);
    return group;
  });
}

/** One result a group, from its first member. */
function pick<R>(groups: readonly number[], of: (member: number) => R): R[] {
  return Array.from({ length: Math.max(...groups) + 1 }, (_, g) => of(groups.indexOf(g)));
}

function inferSets({ output }: Program, { vocabulary, maxLength, causal = false }: CompileOptions): { sets: ReadonlyMap<SOp, readonly Value[]>; averaging: ReadonlySet<SOp> } {
  let distinctness: Distinctness | undefined;
  const inferred = inferValueSets(output, {
    vocabulary,
    maxLength,
    limit: SET_LIMIT,
    selectsOne: (node, sets) => (distinctness ??= new Distinctness(sets, causal)).selectsOne(node.selector),
  });
  if (isExplosion(inferred)) throw explosion(inferred.node, inferred.sizes, inferred.limit);
  return inferred;
}
