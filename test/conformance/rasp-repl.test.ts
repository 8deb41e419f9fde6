// The interactive loop prints what RASP's own loop is documented to print, to the letter.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { banner, ReplSession } from '../../src/rasp/repl/session.ts';

/** The whole transcript of lines that a pipe gives: prompts and what is printed, inputs not echoed. */
function transcript(lines: readonly string[], files: Readonly<Record<string, string>> = {}): string {
  const session = new ReplSession('<console>', (path) => files[path]);
  let text = banner + session.prompt;
  for (const line of lines) {
    const reply = session.line(line);
    text += reply.text;
    if (reply.ended) return text;
    text += reply.prompt;
  }
  return `${text}\n`;
}

/** What the last of the lines prints. */
function printed(...lines: string[]): string {
  const session = new ReplSession('<console>', () => undefined);
  return lines.map((line) => session.line(line)).at(-1)?.text ?? '';
}

const ints = (name: string, values: string, example = '"hello"'): string => `     s-op: ${name}\n \t Example: ${name}(${example}) = ${values} (ints)\n`;
const ignored = (message: string): string => `\t\t!!ignoring input:\n\t ${message}\n`;

describe('RASP loop: what the rows of the language print', () => {
  it('starts with the banner, and ends at the end of input with a line end', () => {
    assert.equal(transcript([]), 'RASP 0.1\nrunning example is: hello\n>> \n');
  });

  const rows: [string, string[], string][] = [
    ['positions', ['indices;'], ints('indices', '[0, 1, 2, 3, 4]')],
    ['a constant sequence', ['length;'], ints('length', '[5]*5')],
    ['strings', ['tokens;'], '     s-op: tokens\n \t Example: tokens("hello") = [h, e, l, l, o] (strings)\n'],
    ['an unnamed result', ['indices*3;'], ints('out', '[0, 3, 6, 9, 12]')],
    ['a list as the example', ['set example [4,7,10]', 'tokens=tokens_int;'], ints('tokens', '[4, 7, 10]', '[4, 7, 10]')],
    ['arithmetic on it', ['set example [4,7,10]', 'tokens=tokens_int;', 'tokens*indices;'], ints('out', '[0, 7, 20]', '[4, 7, 10]')],
    ['one position of it', ['set example [4,7,10]', 'tokens=tokens_int;', 'tokens[0];'], ints('out', '[4]*3', '[4, 7, 10]')],
    ['a histogram', ['set example "hello there"', 'selector_width(select(tokens,tokens,==));'], ints('out', '[2, 3, 2, 2, 1, 1, 1, 2, 3, 1, 3]', '"hello there"')],
    ['a choice', ['set example "hello there"', '"a" if indices%2==1 else tokens;'], '     s-op: out\n \t Example: out("hello there") = [h, a, l, a, o, a, t, a, e, a, e] (strings)\n'],
    ['a loop', ['a=3; for i in range(4) {a = a+i;} a;'], '    value: a =  3\n    value: a =  9\n'],
    ['a lookup in a dict', ['set example "12345"', 'd={"1":1,"2":2,"3":3,"4":5,"5":4};', 'd[tokens];'], ints('out', '[1, 2, 3, 5, 4]', '"12345"')],
    ['a dict', ['d={"1":1,"2":2};'], "     dict: d = {'1': 1, '2': 2}\n"],
    ['a key that a dict lacks', ['d={"1":1};', 'd[4];'], ignored('index [ 4 ] not in dict.')],
    ['a key that it lacks at a position', ['d={"1":1};', 'd[indices];'], ignored('index [ 0 ] not in dict.')],
    ['a letter of a string', ['a="qwertyuioplkjhgfdsazxcvbnm";', 'a[6];'], '    value: out =  "u"\n'],
    ['letters of a string', ['set example "12345"', 'a="qwertyuioplkjhgfdsazxcvbnm";', 'a[indices];'], '     s-op: out\n \t Example: out("12345") = [q, w, e, r, t] (strings)\n'],
    ['letters of a string further apart', ['set example "12345"', 'a="qwertyuioplkjhgfdsazxcvbnm";', 'a[indices*3];'], '     s-op: out\n \t Example: out("12345") = [q, r, u, p, j] (strings)\n'],
    ['the fifth token everywhere', ['set example "12345"', 'tokens[4];'], '     s-op: out\n \t Example: out("12345") = [5]*5 (strings)\n'],
    ['a list', ['b = [5,8,2];'], '     list: b = [5, 8, 2]\n'],
    ['a list of strings', ['vowels = ["a","e"];'], "     list: vowels = ['a', 'e']\n"],
    ['one item of a list', ['b = [5,8,2];', 'b[2];'], '    value: out =  2\n'],
    ['an undefined name', ['dgsdfsdf;'], ignored('Error: Undefined variable: dgsdfsdf')],
    ['a reserved name', ['out = 3;'], ignored('Error: Cannot set reserved name: out')],
    ['a share', ['set example "hey"', 'aggregate(full_s,indicator(tokens=="e"));'], '     s-op: out\n \t Example: out("hey") = [0.333]*3 (floats)\n'],
    ['a token anywhere', ['set example "hey"', '"e" in tokens;'], '     s-op: out\n \t Example: out("hey") = [T]*3 (bools)\n'],
    ['tokens among vowels', ['set example "hey"', 'tokens in ["a","e","i","o","u"];'], '     s-op: out\n \t Example: out("hey") = [F, T, F] (bools)\n'],
    ['previous positions', ['set example "hey"', 'prevs=select(indices,indices,<);'], '     selector: prevs\n \t Example:\n \t\t\t     h e y\n \t\t\t h |      \n \t\t\t e | 1    \n \t\t\t y | 1 1  \n'],
    ['the reverse', ['reverse = aggregate(select(indices,length-1-indices,==), tokens_str);'], '     s-op: reverse\n \t Example: reverse("hello") = [o, l, l, e, h] (strings)\n'],
    ['an op on an input', ['(indices*3)("hiya");'], '\t =  [0, 3, 6, 9] (ints)\n'],
    ['an op on a list', ['(indices*3)(["hi","there"]);'], '\t =  [0, 3] (ints)\n'],
    ['a selector on an input', ['full_s("ab");'], '\t = \n \t\t\t     a b\n \t\t\t a | 1 1\n \t\t\t b | 1 1\n'],
    ['several names at once', ['a,b=3,5;'], '    value: a =  3\n    value: b =  5\n'],
    ['a bool', ['True;'], '    value: True =  True\n'],
    ['a float', ['x = 6/2;'], '    value: x =  3.0\n'],
    ['a function of the library', ['count;'], '     RASP_support/rasplib function: count(seq, atom)\n'],
    ['the examples', ['show example'], '\ts-op example: "hello"\n\tselector example: "hello"\n'],
    ['one of the examples', ['set selector example [1,2]', 'show selector example'], '\tselector example: [1, 2]\n'],
    ['a drawing', ['my_frac=aggregate(full_s,indicator(tokens=="e"));', 'draw(my_frac,"abcdeeee");'], `\t =  [0.5]*8 (floats)\n${['     selector: full_s', ' \t\t\t     a b c d e e e e', ...[...'abcdeeee'].map((c) => ` \t\t\t ${c} | 1 1 1 1 1 1 1 1`)].join('\n')}\n`],
  ];
  for (const [name, lines, expected] of rows) it(name, () => assert.equal(printed(...lines), expected));

  const refusals: [string, string, RegExp][] = [
    ['a sequence indexed by a sequence', 'tokens[indices];', /index into sequence has to be integer/u],
    ['a number and a string added', '1+"a";', /number and a string/u],
    ['a number divided by strings', '1/tokens;', /number and a string/u],
    ['a mean of strings', 'aggregate(full_s,tokens);', /asked to average multiple values, but they are non-numbers/u],
    ['a syntax error', 'if tokens else;', /expected an expression and found if/u],
    ['a file that is not there', 'load "nowhere";', /could not find file: nowhere\.rasp/u],
  ];
  for (const [name, line, message] of refusals) {
    it(`refuses ${name}`, () => {
      const text = printed(line);
      assert.ok(text.startsWith('\t\t!!ignoring input:\n\t '), text);
      assert.match(text, message);
    });
  }
});

describe('RASP loop: prompts', () => {
  it('continue a statement until it is whole, further in inside a function', () => {
    const lines = ['a = [1,', '', '2];', 'for i in range(2) {', 'a = a;', '}', 'def foo(a,b) {', 'return a;', '}', 'set example', '"ab"', 'exit'];
    const expected = '>> .. .. ' + '     list: a = [1, 2]\n>> .. .. >> ..   ..        console function: foo(a, b)\n>> .. >> ';
    assert.equal(transcript(lines), banner + expected);
  });
  it('take blank lines and comments for the beginning of a statement', () => {
    assert.equal(transcript(['', '# nothing', 'indices;']), `${banner}>> .. .. ${ints('indices', '[0, 1, 2, 3, 4]')}>> \n`);
  });
  for (const word of ['exit', 'exit()', 'quit', 'quit()']) {
    it(`end at ${word}`, () => assert.equal(transcript(['a=1;', word, 'b=2;']), `${banner}>>     value: a =  1\n>> `));
  }
});

describe('RASP loop: state', () => {
  it('keeps old ops when a name changes', () => {
    assert.equal(printed('a=indices;', 'b=a;', 'a=a+1;', 'b;'), ints('b', '[0, 1, 2, 3, 4]'));
  });
  it('leaves a name alone whose statement fails', () => {
    assert.equal(printed('a=4;', 'a=1/tokens;', 'a;'), '    value: a =  4\n');
    assert.equal(printed('a=g;', 'b=a;'), ignored('Error: Undefined variable: a'));
  });
  it('turns examples off and on, together and apart', () => {
    assert.equal(printed('examples off', 'indices;'), '     s-op: indices\n');
    assert.equal(printed('examples off', 'full_s;'), '     selector: full_s\n');
    assert.equal(printed('selector examples off', 'indices;'), ints('indices', '[0, 1, 2, 3, 4]'));
    assert.equal(printed('examples off', 's-op examples on', 'indices;'), ints('indices', '[0, 1, 2, 3, 4]'));
  });
  it('displays in full: input above output, of bools the rarer', () => {
    assert.equal(printed('full seq display on', 'indices==1;'), '     s-op: out\n \t Example:\n \t\tinput:   h e l l o \t (strings)\n \t\toutput:    T       \t (bools)\n');
    assert.equal(printed('full seq display on', 'length;'), '     s-op: length\n \t Example: length("hello") = [5]*5 (ints) [skipped full display: identical values]\n');
    assert.equal(printed('full seq display on', 'full seq display off', 'length;'), ints('length', '[5]*5'));
  });
  it('tells means from lone values, which keep their kind', () => {
    assert.match(printed('aggregate(select(indices,indices,<),indices);'), /\[0, 0, 0\.5, 1\.0, 1\.5\] \(floats\)/u);
    assert.match(printed('indices/1;'), /\[0\.0, 1\.0, 2\.0, 3\.0, 4\.0\] \(floats\)/u);
  });
  it('rounds to three digits, ties to the even one', () => {
    assert.match(printed('indices/16;'), /\[0\.0, 0\.062, 0\.125, 0\.188, 0\.25\] \(floats\)/u);
  });
  it('lists ops in lists and dicts one by one', () => {
    assert.equal(printed('examples off', 'd={"a":indices,"b":select(1,1,==)};'), '     dict: d =  {\n\t\t\t "a" :     s-op: indices\n\t\t\t "b" :     selector: plain select\n               }\n');
  });
});

describe('RASP loop: load', () => {
  it('lists the last value of each name, without examples, and nothing private', () => {
    const files = { 'lib.rasp': 'a=4;\nb=3;\na=a+b;\n_p=1;\ns=indices;\ns("hello");\ndef f(x) { return x; }\nfor i in range(2) { z = i; }\n' };
    assert.equal(transcript(['load "lib";', '_p;'], files), `${banner}>>     value: b =  3\n    value: a =  7\n     s-op: s\n     lib function: f(x)\n>> ${ignored('Error: Undefined variable: _p')}>> \n`);
  });
  it('prints errors where they arise, in files that load files, and lets no file see another\'s names', () => {
    const files = { 'outer.rasp': 'a=f;\na=3;\nload "inner";\nc=b;\nd=_b;\n', 'inner.rasp': 'g=f;\nb=7;\n_b=8;\n_c=a;\n' };
    const undefinedName = (name: string): string => ignored(`Error: Undefined variable: ${name}`);
    const expected = `${undefinedName('f')}    value: a =  3\n${undefinedName('f')}    value: b =  7\n${undefinedName('a')}    value: c =  7\n${undefinedName('_b')}`;
    assert.equal(transcript(['f=10;', 'load "outer";', 'exit'], files), `${banner}>>     value: f =  10\n>> ${expected}>> `);
  });
  it('reads a file anew each time', () => {
    const files = { 'x.rasp': 'a=1;' };
    const session = new ReplSession('<console>', (path) => files[path as 'x.rasp']);
    session.line('load "x";');
    files['x.rasp'] = 'a=2;';
    assert.equal(session.line('load "x";').text, '    value: a =  2\n');
  });
  it('names the line of a syntax error in a file', () => {
    assert.match(transcript(['load "x";'], { 'x.rasp': 'a=1;\nb=;\n' }), /x\.rasp:2: expected an expression/u);
  });
});
