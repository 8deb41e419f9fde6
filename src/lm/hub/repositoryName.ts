// The names that repositories of the Hub can have.

const part = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$/;

/** May a repository be called that? */
export function isRepositoryName(repo: string): boolean {
  const parts = repo.split('/');
  return parts.length <= 2 && parts.every((name) => part.test(name) && !/\.\.|--/.test(name));
}
