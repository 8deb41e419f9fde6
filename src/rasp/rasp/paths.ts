// Where a file that another one names is looked for, on plain strings.

/** The paths that `load "name";` tries, in order: beside the loading file, then as written. */
export function candidatePaths(loadingFile: string, name: string): string[] {
  return besidePaths(loadingFile, name.endsWith('.rasp') ? name : `${name}.rasp`);
}

/** The paths to try for a file that another file names: beside that file, then as written. */
export function besidePaths(loadingFile: string, file: string): string[] {
  const separator = loadingFile.includes('\\') && !loadingFile.includes('/') ? '\\' : '/';
  const folder = loadingFile.slice(0, loadingFile.lastIndexOf(separator) + 1);
  const absolute = /^(?:[/\\]|[A-Za-z]:)/u.test(file);
  return absolute || folder === '' ? [normal(file, separator)] : [normal(folder + file, separator), normal(file, separator)];
}

/** Without `.` and `folder/..`, so that one file has one path. */
function normal(path: string, separator: string): string {
  const parts: string[] = [];
  for (const part of path.split(/[/\\]/u)) {
    if (part === '.') continue;
    const last = parts.at(-1);
    if (part === '..' && last !== undefined && last !== '' && last !== '..') parts.pop();
    else parts.push(part);
  }
  return parts.join(separator);
}
