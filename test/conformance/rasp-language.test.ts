// RASP behaves as its reference implementation is documented to: every row of the language's tables.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Analysis } from '../../src/rasp/analyse.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { evaluateSOp, interpret } from '../../src/rasp/interpret.ts';
import type { Value } from '../../src/rasp/program.ts';
import { analyseRasp } from '../../src/rasp/rasp/analyse.ts';
import { parse } from '../../src/rasp/rasp/parse.ts';
import { printExpression } from '../../src/rasp/rasp/print.ts';
import type { Expression } from '../../src/rasp/rasp/syntax.ts';

const analyse = (text: string): Analysis => analyseRasp({ path: 'test.rasp', text });

function errors(text: string): string[] {
  return analyse(text).diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message);
}

function run(text: string, input: string | readonly Value[] = 'hello', entry?: string): readonly Value[] {
  const analysis = analyse(text);
  assert.deepEqual(analysis.diagnostics.filter(({ severity }) => severity === 'error'), [], text);
  const program = programOf(analysis, entry);
  assert.ok(program, `${text} has no s-op`);
  return interpret(program, [...input]);
}

function typeOf(text: string, input: string | readonly Value[] = 'hello'): string {
  const program = programOf(analyse(text));
  assert.ok(program);
  return evaluateSOp(program.output, 'rasp', [...input]).type;
}

const bools = (text: string): boolean[] => [...text].map((letter) => letter === 'T');

describe('RASP: results on the running example', () => {
  const rows: [string, string | readonly Value[], readonly Value[]][] = [
    ['x = indices;', 'hello', [0, 1, 2, 3, 4]],
    ['x = length;', 'hello', [5, 5, 5, 5, 5]],
    ['x = tokens;', 'hello', ['h', 'e', 'l', 'l', 'o']],
    ['indices*3;', 'hello', [0, 3, 6, 9, 12]],
    ['set example [4,7,10]\ntokens=tokens_int; tokens*indices;', [4, 7, 10], [0, 7, 20]],
    ['set example [4,7,10]\ntokens=tokens_int; tokens[0];', [4, 7, 10], [4, 4, 4]],
    ['selector_width(select(tokens,tokens,==));', 'hello there', [2, 3, 2, 2, 1, 1, 1, 2, 3, 1, 3]],
    ['"a" if indices%2==1 else tokens;', 'hello there', [...'halaoataeae']],
    ['a=3; for i in range(4) {a = a+i;} x = a + 0*indices;', 'hello', [9, 9, 9, 9, 9]],
    ['d={"1":1,"2":2,"3":3,"4":5,"5":4}; set example "12345"\nd[tokens];', '12345', [1, 2, 3, 5, 4]],
    ['a="qwertyuioplkjhgfdsazxcvbnm"; a[indices];', 'hello', [...'qwert']],
    ['a="qwertyuioplkjhgfdsazxcvbnm"; a[indices*3];', 'hello', [...'qrupj']],
    ['tokens[4];', '12345', [...'55555']],
    ['tokens[-1];', 'hey', [...'yyy']],
    ['aggregate(full_s,indicator(tokens=="e"));', 'hey', [1 / 3, 1 / 3, 1 / 3]],
    ['"e" in tokens;', 'hey', bools('TTT')],
    ['"e" in tokens;', 'hoy', bools('FFF')],
    ['tokens in ["a","e","i","o","u"];', 'hey', bools('FTF')],
    ['selector_width(select(tokens,tokens,==));', 'hello', [1, 1, 2, 2, 1]],
    ['reverse = aggregate(select(indices,length-1-indices,==), tokens_str);', 'hello', [...'olleh']],
  ];
  for (const [text, input, expected] of rows) {
    it(`${text.replace('\n', ' ')} on ${JSON.stringify(input)}`, () => assert.deepEqual(run(text, input), expected));
  }

  it('a = "…"; a[6] is the seventh letter', () => {
    assert.deepEqual(run('a="qwertyuioplkjhgfdsazxcvbnm"; x = a[6] + tokens;', 'h'), ['uh']);
  });

  it('select(indices,indices,<) selects the previous positions', () => {
    const text = 'p = select(indices,indices,<); a = aggregate(p, indices==0, False); b = aggregate(p, indices==1, False);';
    assert.deepEqual(run('x = selector_width(select(indices,indices,<));', 'hey'), [0, 1, 2]);
    assert.deepEqual(errors(text).length, 2, 'bools are not averaged');
  });
});

describe('RASP: what is refused', () => {
  const rows: [string, RegExp][] = [
    ['d={"1":1}; d[4];', /index \[ 4 \] not in dict\./u],
    ['tokens[indices];', /index into sequence has to be integer/u],
    ['1+"a";', /number and a string/u],
    ['1/tokens;', /number and a string/u],
    ['aggregate(full_s,tokens);', /asked to average multiple values, but they are non-numbers/u],
    ['x = y;', /Undefined variable: y/u],
    ['full_s and tokens;', /Cannot apply and\/or between selector and non-selector/u],
    ['full_s + 1;', /Cannot apply \+ to selector/u],
    ['indicator(3);', /indicator takes an s-op/u],
    ['selector_width(tokens,tokens);', /wrong number of arguments for selector_width: expected 1/u],
    ['selector_width(tokens);', /selector_width takes a selector/u],
    ['1("hi");', /only functions, s-ops and selectors can be called/u],
    ['range(7)+6;', /cannot apply \+ to a list/u],
    ['range("a");', /range expects integers/u],
    ['tokens_asis(["a",3]);', /must hold one type/u],
    ['tokens_asis([[1,2]]);', /an input is a string or a list of values/u],
    ['tokens("");', /must not be empty/u],
    ['"a" if indices==1 else 3;', /must hold one type/u],
    ['aggregate(full_s,1,indices);', /default must be/u],
    ['aggregate(tokens,tokens);', /expects a selector/u],
    ['for i in 4 { x = i; }', /list or a dict/u],
    ['for i in "abc" { x = i; }', /list or a dict/u],
    ['a, b = [1];', /expected 2 values, but got 1/u],
    ['{[1]: 2};', /key of a dict/u],
    ['zip([1],[1,2]);', /one length/u],
    ['len("abc");', /len takes lists/u],
    ['draw(full_s);', /draw expects an s-op/u],
    ['[1,2][2];', /out of range/u],
  ];
  for (const [text, message] of rows) {
    it(text, () => {
      const found = errors(text);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', message);
    });
  }

  const reserved = [
    'tokens_asis', 'tokens_str', 'tokens_int', 'tokens_bool', 'tokens_float', 'indices', 'True', 'False', 'out', 'range',
    'zip', 'len', 'get', 'length', 'full_s', 'selector_width', 'has_focus', 'count', 'contains', 'max', 'min', 'average',
    'load_from_location', 'shift', 'mark_last_instance', 'mark_first_instance', 'select_from_last', 'select_from_first',
    'sort', 'select_next_identical',
  ];
  for (const name of reserved) {
    it(`${name} = 3`, () => assert.deepEqual(errors(`${name} = 3;`), [`Cannot set reserved name: ${name}`]));
  }

  for (const word of ['if', 'else', 'not', 'and', 'or', 'def', 'return', 'for', 'in', 'round', 'load']) {
    it(`${word} = 3`, () => assert.ok(errors(`${word} = 3;`).length > 0));
  }

  for (const text of ['for in;', 'in 4;', 'if tokens else;', 'tokens;;', ';', 'if;', 'a != b;', 'select (1,1,==);', 'select(1,1,=);', 'x = .5;', "x = 'a';", 'x = "a', 'def f() { x = 1; }', 'def f() { return 1; x = 2; }', 'return 3;', 'x = 1', '}']) {
    it(`the syntax error in ${text}`, () => {
      const found = parse({ path: 't.rasp', text }).diagnostics;
      assert.equal(found.length, 1, found.map(({ message }) => message).join('\n'));
    });
  }

  it('but not tokens = tokens_int', () => assert.deepEqual(errors('tokens = tokens_int;'), []));
  it('but not library names as parameters and loop names of a function', () => {
    assert.deepEqual(run('def f(max, contains) { length = max + contains; return length; } x = f(indices, 1);'), [1, 2, 3, 4, 5]);
  });
});

describe('RASP: precedence', () => {
  const rows: [string, string][] = [
    ['not a == b', '(not a) == b'],
    ['-x^2', '(-x)^2'],
    ['a^b^c', '(a^b)^c'],
    ['a%b*c', 'a%(b*c)'],
    ['a+b%c', 'a+(b%c)'],
    ['a*b^c', 'a*(b^c)'],
    ['a-b+c', '(a-b)+c'],
    ['a<b+c', 'a<(b+c)'],
    ['a==b==c', '(a==b)==c'],
    ['a or b and c', '(a or b) and c'],
    ['a and b == c', 'a and (b == c)'],
    ['a if b or c else d and e', 'a if (b or c) else (d and e)'],
    ['a if b else c if d else e', '(a if b else c) if d else e'],
    ['a in b if c else d', 'a in (b if c else d)'],
    ['a + b in c', '(a + b) in c'],
    ['not a in b', '(not a) in b'],
    ['-f(x)[0]', '-((f(x))[0])'],
  ];
  for (const [text, meaning] of rows) {
    it(`${text} is ${meaning}`, () => assert.deepEqual(printed(text), printed(meaning)));
  }

  function printed(text: string): string {
    const [statement] = parse({ path: 't.rasp', text: `${text};` }).statements;
    assert.ok(statement?.kind === 'expression');
    return bracketed(statement.expression);
  }

  /** Every operator in brackets. */
  function bracketed(e: Expression): string {
    if (e.kind === 'binary') return `(${bracketed(e.left)}${e.operator}${bracketed(e.right)})`;
    if (e.kind === 'unary') return `(${e.operator} ${bracketed(e.operand)})`;
    if (e.kind === 'conditional') return `(${bracketed(e.then)} if ${bracketed(e.condition)} else ${bracketed(e.otherwise)})`;
    return printExpression(e);
  }
});

describe('RASP: operators', () => {
  const rows: [string, readonly Value[]][] = [
    ['indices/2;', [0, 0.5, 1]],
    ['(indices-2)%3;', [1, 2, 0]],
    ['5%(0-indices-1);', [0, -1, -1]],
    ['indices^2;', [0, 1, 4]],
    ['round(indices/2);', [0, 0, 1]],
    ['round((indices+1)/2);', [0, 1, 2]],
    ['round(-(indices+1)/2);', [0, -1, -2]],
    ['indices and True;', bools('FTT')],
    ['indices or False;', bools('FTT')],
    ['not indices;', bools('TFF')],
    ['indices and 2;', bools('FTT')],
    ['+indices;', [0, 1, 2]],
    ['-indices;', [0, -1, -2]],
    ['indicator(tokens);', [1, 1, 1]],
    ['tokens + "!";', ['h!', 'e!', 'y!']],
    ['tokens * 2;', ['hh', 'ee', 'yy']],
    ['tokens < "h";', bools('FTF')],
    ['True + indices;', [1, 2, 3]],
    ['[5,6,7][indices];', [5, 6, 7]],
    ['[5,6,7][-indices];', [5, 7, 6]],
    ['{0:"a",1:"b",2:"c"}[indices];', ['a', 'b', 'c']],
    ['tokens[7];', [0, 0, 0]],
    ['aggregate(select(indices,indices+1,==),tokens,"-");', ['e', 'y', '-']],
    ['aggregate(select(indices,indices+1,==),indices);', [1, 2, 0]],
    ['aggregate(full_s,indices);', [1, 1, 1]],
    ['aggregate(not full_s,1,7);', [7, 7, 7]],
    ['selector_width(select(indices,1,==) or select(indices,indices,==));', [2, 1, 2]],
    ['selector_width(select(indices,1,==) and select(indices,indices,==));', [0, 1, 0]],
    ['selector_width(select(indices,indices,!=));', [2, 2, 2]],
    ['selector_width(select(indices,indices,<=));', [1, 2, 3]],
    ['selector_width(select(indices,indices,>));', [2, 1, 0]],
    ['selector_width(select(indices,indices,>=));', [3, 2, 1]],
    ['selector_width(select(1,indices,<));', [0, 0, 3]],
    ['tokens if True else 1/0;', ['h', 'e', 'y']],
    ['1 if indices==0 else 2.5;', [1, 2.5, 2.5]],
    ['True if indices==0 else 0;', [true, 0, 0]],
  ];
  for (const [text, expected] of rows) it(text, () => assert.deepEqual(run(text, 'hey'), expected));

  const types: [string, string][] = [
    ['indices;', 'int'],
    ['x = indices;', 'int'],
    ['indices/1;', 'float'],
    ['indices+1.0;', 'float'],
    ['indices*1;', 'int'],
    ['round(indices/1);', 'int'],
    ['aggregate(full_s,indices);', 'float'],
    ['aggregate(select(indices,indices,==),indices);', 'int'],
    ['x = tokens_str;', 'string'],
    ['x = tokens_bool;', 'bool'],
    ['indices==0;', 'bool'],
    ['1 if indices==0 else 2.5;', 'float'],
  ];
  for (const [text, type] of types) {
    it(`${text} is of ${type}s`, () => assert.equal(typeOf(text.startsWith('x') ? text : `x = ${text}`), type));
  }
  it('tokens_int, tokens_float and tokens_bool read the input', () => {
    assert.deepEqual(run('x = tokens_int;', ['3', '-4']), [3, -4]);
    assert.equal(typeOf('x = tokens_float;', ['3']), 'float');
    assert.deepEqual(run('x = tokens_bool;', [0, 1, '']), [false, true, false]);
    assert.throws(() => run('x = tokens_int;', ['1.5']), /not a number/u);
  });
});

describe('RASP: lists, dicts, loops, functions', () => {
  const rows: [string, readonly Value[]][] = [
    ['a, b = 1, 2; x = indices*a + b;', [2, 3, 4]],
    ['l = [1,2]; a, b = l; x = indices*a + b;', [2, 3, 4]],
    ['a = 1, 2; x = a[1] + indices;', [2, 3, 4]],
    ['def f(a) { return a, a+1; } p, q = f(indices); x = p*q;', [0, 2, 6]],
    ['def f() { return 4; } x = f() + indices;', [4, 5, 6]],
    ['l = [i*i for i in range(3)]; x = l[2] + indices;', [4, 5, 6]],
    ['d = {i: i+1 for i in range(3)}; x = d[2] + indices;', [3, 4, 5]],
    ['d = {a: b for a, b in zip(["p","q"],[1,2])}; x = d["q"] + indices;', [2, 3, 4]],
    ['x = indices; for k in {"a":1,"b":2} { x = x + len([k]); }', [2, 3, 4]],
    ['x = indices; for a, b in zip([1,2],[10,20]) { x = x + a*b; }', [50, 51, 52]],
    ['x = indices + len([1,2] + [3]);', [3, 4, 5]],
    ['x = indices + (2 in [1,2]);', [1, 2, 3]],
    ['x = indices + (1 if [] else 5);', [5, 6, 7]],
    ['x = indices + range(2,9,3)[1];', [5, 6, 7]],
    ['a = indices; b = a; a = a + 1; x = b;', [0, 1, 2]],
    ['n = 1; def f() { return n; } n = 5; x = f() + indices;', [5, 6, 7]],
    ['def add(n) { def inner(s) { return s + n; } return inner; } g = add(2); x = g(indices);', [2, 3, 4]],
    ['def f(n) { return 0 if n == 0 else n + f(n-1); } x = f(4) + indices;', [10, 11, 12]],
    ['def f(s) { for i in range(2) { s = s + i; } return s; } x = f(indices);', [1, 2, 3]],
    ['s = [tokens, indices]; x = s[1];', [0, 1, 2]],
    ['indices + 1; x = out * 2;', [2, 4, 6]],
  ];
  for (const [text, expected] of rows) it(text, () => assert.deepEqual(run(text, 'hey', 'x'), expected));

  it('1 and True are one key of a dict', () => {
    assert.deepEqual(run('d = {1: "a", True: "b"}; x = d[1.0] + tokens;', 'h'), ['bh']);
  });
  it('a name assigned in a function is not known outside', () => {
    assert.match(errors('def f() { inner = 1; return inner; } x = f(); y = inner;')[0] ?? '', /Undefined variable: inner/u);
  });
  it('a failed assignment leaves the old value', () => {
    const text = 'a = indices; a = 1/0; b = a;';
    assert.equal(errors(text).length, 1);
    assert.equal(programOf(analyse(text))?.output.kind, 'indices');
  });
});

describe('RASP: library', () => {
  const rows: [string, string, readonly Value[]][] = [
    ['x = count(tokens, "l");', 'hello', [2, 2, 2, 2, 2]],
    ['x = contains(tokens, "z");', 'hey', bools('FFF')],
    ['x = max(indices, 1);', 'hey', [1, 1, 2]],
    ['x = min(indices, 1);', 'hey', [0, 1, 1]],
    ['x = average(indices);', 'hey', [1, 1, 1]],
    ['x = load_from_location(tokens, 1);', 'hey', ['e', 'e', 'e']],
    ['x = shift(tokens, 1, "-");', 'hey', ['-', 'h', 'e']],
    ['x = shift(tokens, -1, "-");', 'hey', ['e', 'y', '-']],
    ['x = mark_last_instance(tokens, "l");', 'hello', bools('FFFTF')],
    ['x = mark_first_instance(tokens, "l");', 'hello', bools('FFTFF')],
    ['x = aggregate(select_from_last(tokens, "l"), indices);', 'hello', [3, 3, 3, 3, 3]],
    ['x = aggregate(select_from_first(tokens, "l"), indices);', 'hello', [2, 2, 2, 2, 2]],
    ['x = sort(tokens, tokens);', 'hello', [...'ehllo']],
    ['x = sort(tokens, -indices);', 'hello', [...'olleh']],
    ['x = aggregate(select_next_identical(tokens), indices, -1);', 'abab', [2, 3, -1, -1]],
    ['x = has_focus(select(indices, indices, <));', 'hey', bools('FTT')],
    ['x = selector_width(full_s);', 'hey', [3, 3, 3]],
  ];
  for (const [text, input, expected] of rows) it(`${text} on ${input}`, () => assert.deepEqual(run(text, input), expected));

  it('sort is stable', () => {
    assert.deepEqual(run('x = sort(indices, tokens_int % 2);', '3142'), [2, 3, 0, 1]);
  });
});

describe('RASP: the programs of the paper, written anew', () => {
  const counts = `
def others(s) {
  # counts with a beginning token at position 0
  to_first = s or select(indices, 0, ==);
  return round(1 / aggregate(to_first, indicator(indices == 0))) - 1;
}
hist_bos = others(select(tokens_str, tokens_str, ==));
hist_nobos = selector_width(select(tokens_str, tokens_str, ==));
def ordered(seq, key) {
  smaller = select(key, key, <) or (select(key, key, ==) and select(indices, indices, <));
  place = -1 if indices == 0 else others(smaller);
  first = select(indices, 0, ==) and select(indices, indices, ==);
  return aggregate(select(place, indices - 1, ==) or first, seq);
}
sort_bos = ordered(tokens_str, tokens_str);
`;
  const brackets = `
before = select(indices, indices, <=);
def total(s) { return round((indices + 1) * aggregate(before, indicator(s))); }
def verdict(bad, balance) { return "F" if bad else ("T" if balance == 0 else "P"); }
def one() {
  balance = total(tokens == "(") - total(tokens == ")");
  return verdict(aggregate(before, indicator(balance < 0)) > 0, balance);
}
dyck1_ptf = one();
def many(pairs) {
  opens = tokens in [p[0] for p in pairs];
  closes = tokens in [p[1] for p in pairs];
  balance = total(opens) - total(closes);
  level = balance + indicator(closes);
  nth = selector_width(select(level, level, ==) and before);
  partner = select(opens, True, ==) and select(level, level, ==) and select(nth, nth - 1, ==);
  fits = aggregate(partner, tokens, "-") + tokens in pairs;
  wrong = (closes and not fits) or balance < 0;
  return verdict(aggregate(before, indicator(wrong)) > 0, balance);
}
dyck2_ptf = many(["()", "{}"]);
`;
  const ptf = (length: number, trueAt: readonly number[], falseFrom: number): string[] =>
    Array.from({ length }, (_, i) => (i >= falseFrom ? 'F' : trueAt.includes(i) ? 'T' : 'P'));

  it('hist_bos', () => {
    const expected = [0, 3, 2, 3, 2, 6, 3, 3, 1, 6, 2, 2, 4, 6, 3, 3, 1, 6, 1, 3, 2, 1, 1, 6, 1, 3, 4, 2, 4, 6, 4, 3];
    assert.deepEqual(run(counts, '§hiya how are you doing there ey', 'hist_bos'), expected);
  });
  it('hist_nobos', () => {
    const expected = [2, 1, 3, 1, 3, 2, 5, 1, 4, 3, 3, 4, 5, 5, 4, 1, 3, 3, 4, 5, 5];
    assert.deepEqual(run(counts, 'hiya howdy doodly doo', 'hist_nobos'), expected);
  });
  it('sort_bos', () => {
    const expected = [...'§DDDDDFFFGGHHHRSVddeffffffggghhss'];
    assert.deepEqual(run(counts, '§dfgfhfghDVSHRDFHdfsfsfegDGDFHDFG', 'sort_bos'), expected);
  });
  it('dyck1_ptf', () => {
    const input = '()(()())(((())(()(()))))((())((()()))(()))))(())((';
    assert.deepEqual(run(brackets, input, 'dyck1_ptf'), ptf(input.length, [1, 7, 23, 41], 42));
  });
  it('dyck2_ptf', () => {
    const input = '{{({(){}()})}({}){}{}}{(({}(){}))}{}(){}({}(){()(){}}){)()}';
    assert.deepEqual(run(brackets, input, 'dyck2_ptf'), ptf(input.length, [21, 33, 35, 37, 39, 53], 55));
  });
});

describe('RASP: load', () => {
  const load = (text: string, files: Record<string, string>): Analysis =>
    analyseRasp({ path: 'dir/main.rasp', text }, { readSource: (path) => files[path] });
  const messages = ({ diagnostics }: Analysis): string[] => diagnostics.map(({ message }) => message);

  it('brings the names of a file beside the loading one, but not its private ones', () => {
    const files = { 'dir/other.rasp': '_hidden = 1; shown = indices + _hidden;' };
    const analysis = load('load "other"; x = shown * 2; y = _hidden;', files);
    assert.deepEqual(messages(analysis), ['Undefined variable: _hidden']);
    const program = programOf(analysis, 'x');
    assert.deepEqual(program && interpret(program, [...'hey']), [2, 4, 6]);
  });
  it('lists no s-op of another file as an entry', () => {
    assert.deepEqual(load('load "other"; x = shown;', { 'dir/other.rasp': 'shown = indices;' }).entries.map(({ name }) => name), ['x']);
  });
  it('lets a loaded function see its own private names', () => {
    const analysis = load('load "other"; x = f(indices);', { 'dir/other.rasp': '_n = 3; def f(s) { return s + _n; }' });
    const program = programOf(analysis);
    assert.deepEqual(program && interpret(program, [...'he']), [3, 4]);
  });
  it('names the circle of files that load each other', () => {
    const files = { 'dir/a.rasp': 'load "b";', 'dir/b.rasp': 'load "a";' };
    const [found] = load('load "a";', files).diagnostics.filter(({ code }) => code === 'cyclic-load');
    assert.match(found?.message ?? '', /dir\/a\.rasp → dir\/b\.rasp → dir\/a\.rasp/u);
    assert.equal(found?.span.file, 'dir/b.rasp');
  });
  it('names a file that loads itself', () => {
    assert.match(messages(load('load "main";', {}))[0] ?? '', /dir\/main\.rasp → dir\/main\.rasp/u);
  });
  it('names a file that is missing', () => {
    assert.deepEqual(messages(load('load "nowhere"; x = indices;', {})), ['could not find file: nowhere.rasp']);
  });
  it('says at the load statement that the loaded file has errors', () => {
    const found = load('load "bad"; x = indices;', { 'dir/bad.rasp': 'a = b;' }).diagnostics.find(({ code }) => code === 'load');
    assert.match(found?.message ?? '', /dir\/bad\.rasp has an error; the first: Undefined variable: b/u);
  });
});

describe('RASP: the interactive statements in a file', () => {
  it('are read and do nothing to the program', () => {
    const text = 'show example\nshow s-op example\nexamples off\nselector examples on\ns-op examples off\nfull seq display on\nset selector example "abc"\ndraw(indices+1, "abc");\nx = indices;\nexit()\n';
    assert.deepEqual(analyse(text).diagnostics, []);
    assert.deepEqual(run(text, 'he'), [0, 1]);
  });
  it('set example changes what new s-ops are tried on', () => {
    assert.equal(analyse('set example [1,2]\nx = tokens_int + 1;').diagnostics.length, 0);
    assert.deepEqual(analyse('x = tokens_int + 1;').diagnostics.map(({ severity }) => severity), ['information']);
  });
  it('an s-op that is only applied to an input is tried on that input', () => {
    assert.deepEqual(analyse('(tokens_int+1)([1,2]);').diagnostics, []);
  });
});
