// Whether a path that a server names may be written below a folder, on every operating system.

/** Names that Windows gives to devices, with any extension. */
const reserved = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/i;
const forbidden = /[\u0000-\u001f\u007f<>:"|?*\\]/;

/** What is wrong with a repository's path, or null if it stays below its folder on Linux, macOS and Windows. */
export function pathFault(path: string): string | null {
  if (path === '' || path.length > 400) return 'it is empty or too long';
  if (path.startsWith('/')) return 'it is absolute';
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') return 'it leaves its folder or has an empty part';
    if (forbidden.test(segment)) return 'it has a character that file names cannot hold everywhere';
    if (/[. ]$/.test(segment)) return 'a part of it ends with a dot or a space';
    if (reserved.test(segment)) return `“${segment}” is the name of a device on Windows`;
  }
  return null;
}
