// A small program that says the same in C++, Python, Julia and MATLAB, and how each language writes it.

export const languages = ['Python', 'C++', 'Julia', 'MATLAB'] as const;
export type Language = (typeof languages)[number];

/** Arithmetic that all four write alike, or a test for divisibility. */
export type Expression = string | { readonly remainder: string; readonly by: number; readonly equal: boolean };

export type Statement =
  | { readonly kind: 'let'; readonly name: string; readonly value: string }
  | { readonly kind: 'set'; readonly name: string; readonly value: string }
  | { readonly kind: 'update'; readonly name: string; readonly operator: '+' | '*' | '-'; readonly value: string }
  /** From `from` to `to`, both included. */
  | { readonly kind: 'range'; readonly variable: string; readonly from: string; readonly to: string; readonly body: readonly Statement[] }
  | { readonly kind: 'each'; readonly variable: string; readonly list: string; readonly body: readonly Statement[] }
  | { readonly kind: 'if'; readonly condition: Expression; readonly body: readonly Statement[] }
  | { readonly kind: 'print'; readonly value: string };

export interface Parameter {
  readonly name: string;
  readonly type: 'int' | 'double' | 'list';
}

export interface Program {
  /** Absent: statements that run by themselves. */
  readonly header?: { readonly name: string; readonly parameters: readonly Parameter[]; readonly result: 'int' | 'double' };
  readonly body: readonly Statement[];
  /** What a function gives back: a variable, or a formula. */
  readonly result?: string;
}

interface Syntax {
  readonly block: (head: string, body: readonly string[]) => readonly string[];
  readonly statement: (statement: Statement, type: string, nested: (body: readonly Statement[]) => readonly string[]) => readonly string[];
  readonly whole: (program: Program, body: readonly string[]) => readonly string[];
}

const indented = (lines: readonly string[]): readonly string[] => lines.map((line) => `    ${line}`);
const names = ({ header }: Program): string => header?.parameters.map(({ name }) => name).join(', ') ?? '';

const condition = (written: Expression, matlab = false): string => {
  if (typeof written === 'string') return written;
  const rest = matlab ? `mod(${written.remainder}, ${written.by})` : `${written.remainder} % ${written.by}`;
  return `${rest} ${written.equal ? '==' : matlab ? '~=' : '!='} 0`;
};

const python: Syntax = {
  block: (head, body) => [`${head}:`, ...indented(body)],
  statement(s, _type, nested) {
    switch (s.kind) {
      case 'let': case 'set': return [`${s.name} = ${s.value}`];
      case 'update': return [`${s.name} ${s.operator}= ${s.value}`];
      case 'range': return this.block(`for ${s.variable} in range(${s.from}, ${s.to} + 1)`, nested(s.body));
      case 'each': return this.block(`for ${s.variable} in ${s.list}`, nested(s.body));
      case 'if': return this.block(`if ${condition(s.condition)}`, nested(s.body));
      case 'print': return [`print(${s.value})`];
    }
  },
  whole(program, body) {
    if (!program.header) return body;
    return this.block(`def ${program.header.name}(${names(program)})`, [...body, `return ${program.result ?? ''}`]);
  },
};

const cpp: Syntax = {
  block: (head, body) => [`${head} {`, ...indented(body), '}'],
  statement(s, type, nested) {
    switch (s.kind) {
      case 'let': return [`${type} ${s.name} = ${s.value};`];
      case 'set': return [`${s.name} = ${s.value};`];
      case 'update': return [`${s.name} ${s.operator}= ${s.value};`];
      case 'range': return this.block(`for (int ${s.variable} = ${s.from}; ${s.variable} <= ${s.to}; ${s.variable}++)`, nested(s.body));
      case 'each': return this.block(`for (int ${s.variable} : ${s.list})`, nested(s.body));
      case 'if': return this.block(`if (${condition(s.condition)})`, nested(s.body));
      case 'print': return [`std::cout << ${s.value} << std::endl;`];
    }
  },
  whole(program, body) {
    if (!program.header) return this.block('int main()', body);
    const list = program.header.parameters.map(({ name, type }) => (type === 'list' ? `std::vector<int> ${name}` : `${type} ${name}`)).join(', ');
    return this.block(`${program.header.result} ${program.header.name}(${list})`, [...body, `return ${program.result ?? ''};`]);
  },
};

const julia: Syntax = {
  block: (head, body) => [head, ...indented(body), 'end'],
  statement(s, _type, nested) {
    switch (s.kind) {
      case 'let': case 'set': return [`${s.name} = ${s.value}`];
      case 'update': return [`${s.name} ${s.operator}= ${s.value}`];
      case 'range': return this.block(`for ${s.variable} in ${s.from}:${s.to}`, nested(s.body));
      case 'each': return this.block(`for ${s.variable} in ${s.list}`, nested(s.body));
      case 'if': return this.block(`if ${condition(s.condition)}`, nested(s.body));
      case 'print': return [`println(${s.value})`];
    }
  },
  whole(program, body) {
    if (!program.header) return body;
    return this.block(`function ${program.header.name}(${names(program)})`, [...body, `return ${program.result ?? ''}`]);
  },
};

const matlab: Syntax = {
  block: (head, body) => [head, ...indented(body), 'end'],
  statement(s, _type, nested) {
    switch (s.kind) {
      case 'let': case 'set': return [`${s.name} = ${s.value};`];
      case 'update': return [`${s.name} = ${s.name} ${s.operator} ${s.value};`];
      case 'range': return this.block(`for ${s.variable} = ${s.from}:${s.to}`, nested(s.body));
      case 'each': return this.block(`for ${s.variable} = ${s.list}`, nested(s.body));
      case 'if': return this.block(`if ${condition(s.condition, true)}`, nested(s.body));
      case 'print': return [`disp(${s.value})`];
    }
  },
  whole(program, body) {
    if (!program.header) return body;
    const variable = /^\w+$/.test(program.result ?? '') && program.body.length > 0 ? program.result : 'r';
    const last = variable === program.result ? [] : [`r = ${program.result ?? ''};`];
    return this.block(`function ${variable ?? 'r'} = ${program.header.name}(${names(program)})`, [...body, ...last]);
  },
};

const syntaxes: Readonly<Record<Language, Syntax>> = { Python: python, 'C++': cpp, Julia: julia, MATLAB: matlab };

/** The program as a language writes it, without a line break at its end. */
export function written(program: Program, language: Language): string {
  const syntax = syntaxes[language];
  const lines = (body: readonly Statement[]): readonly string[] => body.flatMap((statement) => syntax.statement(statement, program.header?.result ?? 'int', lines));
  return syntax.whole(program, lines(program.body)).join('\n');
}
