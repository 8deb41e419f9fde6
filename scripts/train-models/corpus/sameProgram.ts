// Are two programs for a task the same but for names that are free to choose?

const fixed = new Set('def for in range if return print int double std vector cout endl main function end println disp mod'.split(' '));

/** The program with the names that neither the language nor the task has numbered by their first appearance. */
function withNumberedNames(program: string, description: string): string {
  const given = new Set(description.match(/\w+/g) ?? []);
  const numbers = new Map<string, string>();
  return program.replaceAll(/[A-Za-z_]\w*/g, (name: string, at: number) => {
    const isFunction = program[at + name.length] === '(';
    if (fixed.has(name) || (given.has(name) && !isFunction)) return name;
    const number = numbers.get(name) ?? `name${numbers.size}`;
    numbers.set(name, number);
    return number;
  });
}

/** Names of functions, loop variables and results may differ; those in the task's description may not. */
export const sameProgram = (a: string, b: string, description: string): boolean => withNumberedNames(a, description) === withNumberedNames(b, description);
