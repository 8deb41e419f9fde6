// The command line as a user meets it: the built script in a process of its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { buildSync } from 'esbuild';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { builtHost, builtWorker } from '../support/host.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const script = path.join(path.dirname(builtHost()), 'cli.cjs');

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function gradlens(...args: string[]): Promise<Ended> {
  return ended(spawn(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** With a text on standard input. */
function piped(input: string, ...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(input);
  return ended(child);
}

function ended(child: ChildProcessByStdio<Writable | null, Readable, Readable>): Promise<Ended> {
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

describe('command line', function () {
  let folder = '';
  const file = (name: string, text: string): string => {
    const whole = path.join(folder, name);
    writeFileSync(whole, text);
    return whole;
  };

  before(() => {
    builtWorker();
    folder = mkdtempSync(path.join(tmpdir(), 'gradlens-cli-'));
    buildSync({ entryPoints: [path.join(root, 'src/cli.ts')], outfile: script, bundle: true, platform: 'node', target: 'node20', format: 'cjs', external: ['onnxruntime-node'], logLevel: 'warning' });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('run gives the output as one JSON document', async () => {
    const { code, out, err } = await gradlens('run', 'samples/palindrome.rasp', '--input', '["a","n","a"]', '--json');
    assert.deepEqual([code, JSON.parse(out), err], [0, { output: [1, 1, 1] }, '']);
  });

  it('run takes the entry that is named', async () => {
    const source = file('two.rasp', 'a = indices;\nb = indices + 1;\n');
    assert.deepEqual(JSON.parse((await gradlens('run', source, '--entry', 'a', '--input', '[7, 7]', '--json')).out), { output: [0, 1] });
    const unknown = await gradlens('run', source, '--entry', 'c', '--input', '[7]');
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /no entry “c”/);
  });

  it('run says at which place a program fails on an input', async () => {
    const { code, out } = await gradlens('run', file('fails.rasp', 'a = indices;\nb = 1 / a;\n'), '--input', '[7]', '--json');
    assert.equal(code, 1);
    const { diagnostics } = JSON.parse(out) as { diagnostics: { code: string; range: { start: { line: number; character: number; offset: number } } }[] };
    assert.equal(diagnostics[0]?.code, 'evaluation');
    assert.deepEqual(diagnostics[0].range.start, { line: 1, character: 4, offset: 17 });
  });

  for (const form of ['weights', 'tables']) {
    it(`compile writes a model that run gives the program's output with: ${form}`, async () => {
      const model = path.join(folder, `reverse-${form}.onnx`);
      const { code, out } = await gradlens('compile', 'bench/raspbugs/programs/reverse.py', '--vocab', '["a","b","c"]', '--max-length', '6', '--form', form, '-o', model, '--json');
      assert.equal(code, 0);
      const { vocab, maxLength, inputs, outputs } = JSON.parse(out) as { vocab: unknown; maxLength: number; inputs: { dims: unknown }[]; outputs: { name: string }[] };
      assert.deepEqual([vocab, maxLength, inputs[0]?.dims, outputs[0]?.name], [['BOS', 'a', 'b', 'c'], 6, ['batch', 'positions'], 'logits']);
      assert.deepEqual(JSON.parse((await gradlens('run', model, '--input', '["a","a","c","b"]', '--json')).out), { output: ['b', 'c', 'a', 'a'] });
      const unknown = await gradlens('run', model, '--input', '["a","x"]');
      assert.deepEqual([unknown.code, unknown.err], [2, 'The token "x" is not in the model\'s vocabulary: "a", "b", "c".\n']);
      const long = await gradlens('run', model, '--input', '"abcabca"');
      assert.equal(long.code, 2);
      assert.match(long.err, /7 tokens, and the model was compiled for 6 at most/);
    });
  }

  it('compile for people says the shapes; a program that cannot be compiled ends with 1 and its place', async () => {
    const model = path.join(folder, 'hist.onnx');
    const { code, out } = await gradlens('compile', 'bench/raspbugs/programs/hist.rasp', '--vocab', '"abcd"', '--max-length', '10', '--causal', '-o', model);
    assert.equal(code, 0);
    assert.match(out, /1 layer, up to 1 head .*\n {2}input {3}tokens int64 \[batch, length \+ 1\].*\n {2}output {2}logits float32 \[batch, length \+ 1, 11\]/);
    assert.deepEqual(JSON.parse((await gradlens('run', model, '--input', '"abaa"', '--json')).out), { output: [1, 1, 2, 3] });
    const source = file('whole.rasp', 'x = indices;\ny = x + length;\n');
    const causal = await gradlens('compile', source, '--vocab', '"ab"', '--max-length', '4', '--causal', '-o', model, '--json');
    assert.equal(causal.code, 1);
    const { diagnostics } = JSON.parse(causal.out) as { diagnostics: { code: string; range: { file: string; start: { line: number } } }[] };
    assert.deepEqual([diagnostics[0]?.code, diagnostics[0]?.range.file, diagnostics[0]?.range.start.line], ['compile-causal', source, 1]);
  });

  it('run refuses models that are broken or none of ours', async () => {
    const model = path.join(folder, 'cut.onnx');
    await gradlens('compile', 'bench/raspbugs/programs/hist.rasp', '--vocab', '"ab"', '--max-length', '4', '-o', model);
    writeFileSync(model, readFileSync(model).subarray(0, 500));
    const { code, err } = await gradlens('run', model, '--input', '"ab"');
    assert.equal(code, 2);
    assert.match(err, /cut\.onnx is not a usable ONNX model/);
  });

  it('repl gives the transcript of what a pipe gives, a file loaded before', async () => {
    const source = file('doubled.rasp', 'twice = indices * 2;\n');
    const { code, out, err } = await piped('twice("abc");\ndef f(a) {\nreturn a;\n}\nexit\n', 'repl', source);
    const loaded = '     s-op: twice\n';
    assert.deepEqual([code, out, err], [0, `RASP 0.1\nrunning example is: hello\n${loaded}>> \t =  [0, 2, 4] (ints)\n>> ..   ..        console function: f(a)\n>> `, '']);
    assert.equal((await piped('', 'repl')).out, 'RASP 0.1\nrunning example is: hello\n>> \n');
    assert.match((await piped('', 'repl', 'samples/hist.py')).err, /takes \.rasp files/);
  });

  it('check ends with 0 for a right program, and with 1 where examples fail', async () => {
    assert.equal((await gradlens('check', 'samples/palindrome.rasp')).code, 0);
    const { code, out } = await gradlens('check', 'samples/sort.rasp', '--json');
    assert.equal(code, 1);
    const { examples, entries } = JSON.parse(out) as { examples: { total: number; right: number; failures: unknown[] }; entries: string[] };
    assert.deepEqual([examples.total, examples.right, examples.failures.length], [16, 0, 16]);
    assert.equal(entries.at(-1), 'sorted');
  });

  it('check underlines what is wrong', async () => {
    const { code, out } = await gradlens('check', file('bad.rasp', '\tx = undefined_name;\n'));
    assert.equal(code, 1);
    assert.match(out, /bad\.rasp:1:6: error: /);
    assert.ok(out.includes('    \tx = undefined_name;\n    \t    ^^^^^^^^^^^^^^\n'), out);
  });

  it('repair takes a number of processes, and no other', async () => {
    for (const wrong of ['0', '1.5', 'two']) {
      const { code, err } = await gradlens('repair', 'samples/sort.rasp', '--processes', wrong);
      assert.equal(code, 2);
      assert.ok(err.includes(`--processes must be a whole number from 1 to 64, and is “${wrong}”.`), err);
    }
    const { code, out } = await gradlens('repair', 'samples/sort.rasp', '--processes', '2', '--json');
    assert.equal(code, 0);
    assert.equal((JSON.parse(out) as { status: string }).status, 'repaired');
  });

  it('repair gives the patch as one JSON document, progress apart', async () => {
    const { code, out, err } = await gradlens('repair', 'samples/hist.py', '--json');
    assert.equal(code, 0);
    const result = JSON.parse(out) as {
      status: string;
      exact: object;
      model: null;
      patch: { source: string; unifiedDiff: string; edits: { range: { start: { line: number; offset: number }; end: { offset: number } }; newText: string }[] };
      suspects: { range: { start: { line: number } }; score: number }[];
      trajectory: { step: number; loss: number; accuracy: number }[];
    };
    assert.equal(result.status, 'repaired');
    assert.deepEqual(result.exact, { examples: 1, test: null });
    assert.equal(result.model, null);
    const source = readFileSync(path.join(root, 'samples/hist.py'), 'utf8');
    const [edit, ...more] = result.patch.edits;
    assert.ok(edit && more.length === 0);
    assert.equal(source.slice(0, edit.range.start.offset) + edit.newText + source.slice(edit.range.end.offset), result.patch.source);
    assert.match(result.patch.unifiedDiff, /^\+.*Comparison\.EQ/m);
    assert.equal(result.suspects[0]?.range.start.line, 5);
    assert.equal(result.trajectory[0]?.step, 0);
    assert.match(err, /exact/);
  });

  it('repair writes the patched program and a report where it is told to, never over the program', async () => {
    const text = 'flip = select(indices, length - indices, ==);\nreverse = aggregate(flip, tokens);\n#: "abc" -> "cba"\n#: "hello" -> "olleh"\n#: "xy" -> "yx"\n';
    const source = file('reverse.rasp', text);
    const test = file('test.jsonl', '{"input": "word", "output": "drow"}\n{"input": "z", "output": "z"}\n');
    const outDir = path.join(folder, 'deep', 'out');
    const { code, out } = await gradlens('repair', source, '--test', test, '--out', outDir);
    assert.equal(code, 0);
    assert.match(out, /Repaired: right on all 3 examples/);
    assert.match(out, /\^\^\^/);
    const patched = path.join(outDir, 'reverse.rasp');
    assert.deepEqual(JSON.parse((await gradlens('run', patched, '--input', '"abcd"', '--json')).out), { output: ['d', 'c', 'b', 'a'] });
    assert.deepEqual((JSON.parse(readFileSync(path.join(outDir, 'report.json'), 'utf8')) as { exact: object }).exact, { examples: 1, test: 1 });
    const over = await gradlens('repair', source, '--out', folder);
    assert.equal(over.code, 2);
    assert.equal(readFileSync(source, 'utf8'), text);
  });

  it('repair by weights writes a model that run gives its outputs with, and says what was read from it', async () => {
    const source = file('hist.rasp', 'hist = selector_width(select(tokens, tokens, <));\n');
    const inputs = Array.from({ length: 81 }, (_, i) => [...i.toString(3).padStart(4, '0')].map((digit) => 'abc'.charAt(Number(digit))));
    const rows = inputs.map((input) => ({ input, output: input.map((token) => input.filter((other) => other === token).length) }));
    const examples = file('hist-rows.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const out = path.join(folder, 'trained');
    const { code, out: printed } = await gradlens('repair', source, '--examples', examples, '--method', 'weights', '--out', out, '--budget', '15', '--json');
    const { status, method, patch, model, exact, readBack } = JSON.parse(printed) as { status: string; method: string; patch: { source: string } | null; model: string; exact: { examples: number }; readBack: { ops: { label: string; range: { start: { line: number } }; changed: number; agreement: { read: number } }[]; verified: number; passed: number } };
    assert.deepEqual([code, status, method, model], [patch ? 0 : 1, patch ? 'repaired' : 'partial', 'weights', path.join(out, 'hist.onnx')]);
    const [op] = readBack.ops;
    assert.ok(op?.label.startsWith('select(') && op.range.start.line === 0 && op.changed > 0.02 && op.agreement.read <= 1, JSON.stringify(readBack));
    assert.equal(readBack.passed > 0, patch !== null);
    if (patch) assert.equal(readFileSync(path.join(out, 'hist.rasp'), 'utf8'), patch.source);
    const ran = await gradlens('run', model, '--input', '"abca"', '--json');
    assert.equal(ran.code, 0);
    assert.equal((JSON.parse(ran.out) as { output: unknown[] }).output.length, 4);
    assert.ok(exact.examples > 0.3, `${exact.examples}`);
    assert.deepEqual((JSON.parse(readFileSync(path.join(out, 'report.json'), 'utf8')) as { model: string }).model, model);
  });

  it('repair of a right program says so; contradictory rows are refused', async () => {
    assert.match((await gradlens('repair', 'samples/palindrome.rasp')).out, /nothing to repair/);
    const { code, out } = await gradlens('repair', file('c.rasp', 'x = tokens;\n#: "a" -> "b"\n#: "a" -> "c"\n'), '--json');
    assert.equal(code, 2);
    const { status, diagnostics } = JSON.parse(out) as { status: string; diagnostics: { code: string }[] };
    assert.deepEqual([status, diagnostics[0]?.code], ['refused', 'contradictory-examples']);
  });

  it('repair that finds nothing in its time ends with 1 and says what it tried', async () => {
    const { code, out } = await gradlens('repair', file('hopeless.rasp', 'x = indices;\n#: [1, 2, 3] -> [9, 4, 7]\n#: [4, 2, 1] -> [1, 1, 8]\n#: [5, 5, 5] -> [3, 0, 1]\n'), '--budget', '1');
    assert.equal(code, 1);
    assert.match(out, /^Not repaired/);
    assert.match(out, /What was tried:\n {2}\S/);
  });

  it('providers chooses one that works and says what each does', async () => {
    const { code, out } = await gradlens('providers', '--json');
    assert.equal(code, 0);
    const { chosen, providers } = JSON.parse(out) as { chosen: string; providers: { provider: string; works: boolean; difference: number }[] };
    assert.ok(providers.some(({ provider, works }) => provider === chosen && works));
    assert.equal(providers.find(({ provider }) => provider === 'cpu')?.difference, 0);
  });

  for (const [args, message] of [
    [['repare', 'x.rasp'], /Did you mean “gradlens repair”\?/],
    [['repair', 'x.rasp', '--budgte', '3'], /Did you mean --budget\?/],
    [['repair', 'absent.rasp'], /There is no file “absent\.rasp”/],
    [['repair', 'samples'], /neither a \.rasp file nor a \.py file/],
    [['repair', 'samples/sort.rasp', '--method', 'magic'], /The methods: auto/],
    [['repair', 'samples/sort.rasp', '--budget', '-1'], /must be a number above 0/],
    [['repair', 'samples/sort.rasp', '--examples'], /needs a value/],
    [['repair', 'samples/sort.rasp', 'samples/hist.py'], /One program at a time/],
    [['run', 'samples/sort.rasp'], /The input is missing/],
    [['run', 'absent.onnx', '--input', '[1]'], /There is no file “absent\.onnx”/],
    [['compile', 'samples/sort.rasp', '--max-length', '5', '-o', 'x.onnx'], /The vocabulary is missing/],
    [['compile', 'samples/sort.rasp', '--vocab', '[1]', '-o', 'x.onnx'], /--max-length must be a whole number above 0/],
    [['compile', 'samples/sort.rasp', '--vocab', '[1]', '--max-length', '5'], /Give -o FILE\.onnx/],
    [['compile', 'samples/sort.rasp', '--vocab', '[1]', '--max-length', '5', '-o', 'samples/sort.rasp'], /must end with \.onnx/],
    [['compile', 'samples/sort.rasp', '--vocab', '[1]', '--max-length', '5', '-o', 'x.onnx', '--form', 'lora'], /The forms: weights, tables/],
    [['compile', 'samples/sort.rasp', '--vocab', '[1, 1]', '--max-length', '5', '-o', 'x.onnx'], /in the vocabulary twice/],
    [['run', 'samples/sort.rasp', '--input', 'hello'], /not JSON/],
    [['run', 'samples/sort.rasp', '--input', '[[1]]'], /no list of numbers/],
    [['check'], /Which program\?/],
  ] as const) {
    it(`“${args.join(' ')}” ends with 2 and helps`, async () => {
      const { code, out, err } = await gradlens(...args);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, message);
    });
  }

  it('errors are a JSON document too where one is wanted', async () => {
    const { code, out } = await gradlens('check', 'absent.rasp', '--json');
    assert.equal(code, 2);
    assert.match((JSON.parse(out) as { error: string }).error, /absent\.rasp/);
  });

  it('--help explains a command', async () => {
    const { code, out } = await gradlens('repair', '--help');
    assert.equal(code, 0);
    assert.match(out, /--budget SECONDS/);
  });
});
