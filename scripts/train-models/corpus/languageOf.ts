// Which of the four languages a program is written in, by its structure; `null` when unsure.
import type { Language } from './programSyntax.ts';

/** Forms that only one of the languages has. */
const marks: Readonly<Record<Language, readonly RegExp[]>> = {
  Python: [/^\s*(?:def \w+\(.*\)|for \w+ in .+|if .+|while .+):$/m, /^\s*print\(/m, /\brange\(/],
  'C++': [/^\s*(?:int|double|void|auto) \w+\(.*\) \{$/m, /\bstd::/, /^\s*for \((?:int|double|auto) /m, /^\s*#include/m],
  Julia: [/^function \w+\([^)]*\)$/m, /^\s*for \w+ in [^:\n]+(?::[^:\n]+)?$/m, /\bprintln\(/],
  MATLAB: [/^function \w+ = \w+\(/m, /^\s*for \w+ = [^;\n]+$/m, /\bdisp\(/, /\bmod\(/],
};

/**
 * The language of a program. `null` where forms of several languages or of none are found, or where its blocks do not
 * close as that language closes them.
 */
export function languageOf(program: string): Language | null {
  const found = (Object.keys(marks) as Language[]).filter((language) => marks[language].some((mark) => mark.test(program)));
  const [language] = found;
  return found.length === 1 && language !== undefined && closes[language](program) ? language : null;
}

const linesOf = (program: string): readonly string[] => program.split('\n').filter((line) => line.trim() !== '');
const indentOf = (line: string): number => line.length - line.trimStart().length;

/** Every line that opens a block is followed by a deeper one, and nothing else is. */
function indentationCloses(program: string): boolean {
  const lines = linesOf(program);
  return lines.every((line, i) => {
    const next = lines[i + 1];
    const deeper = next !== undefined && indentOf(next) > indentOf(line);
    return line.endsWith(':') === deeper && !/[;{}]$/.test(line) && line.trim() !== 'end';
  });
}

function bracesClose(program: string): boolean {
  let depth = 0;
  for (const character of program) {
    depth += character === '{' ? 1 : character === '}' ? -1 : 0;
    if (depth < 0) return false;
  }
  return depth === 0 && linesOf(program).every((line) => /[;{}]$/.test(line) || line.trimStart().startsWith('#'));
}

const endsClose = (program: string): boolean => {
  const lines = linesOf(program).map((line) => line.trim());
  const opened = lines.filter((line) => /^(?:function|for|if|while)\b/.test(line)).length;
  return opened === lines.filter((line) => line === 'end').length;
};

const closes: Readonly<Record<Language, (program: string) => boolean>> = {
  Python: indentationCloses,
  'C++': bracesClose,
  Julia: (program) => endsClose(program) && !/;$/m.test(program),
  MATLAB: endsClose,
};
