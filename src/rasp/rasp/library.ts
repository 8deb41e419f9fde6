// The library that every RASP file starts with: our own definitions of its documented functions, in RASP.
import type { ParsedFile } from './parse.ts';
import { parse } from './parse.ts';

/** Stands in spans for the library's text, which is no file. */
export const libraryPath = '<library>';

/** `length` and `selector_width` are built in; everything else is defined here. */
export const libraryText = `
tokens = tokens_str;
full_s = select(1, 1, ==);

def has_focus(sel) {
  return aggregate(sel, 1, 0) > 0;
}
def count(seq, atom) {
  return round(aggregate(full_s, indicator(seq == atom)) * length);
}
def contains(seq, atom) {
  return aggregate(full_s, indicator(seq == atom)) > 0;
}
def max(a, b) {
  return a if a > b else b;
}
def min(a, b) {
  return a if a < b else b;
}
def average(a) {
  return aggregate(full_s, a);
}
def load_from_location(seq, location) {
  return aggregate(select(indices, location, ==), seq);
}
def shift(seq, n, filler) {
  return aggregate(select(indices + n, indices, ==), seq, filler);
}
def mark_last_instance(seq, val) {
  later = select(seq, val, ==) and select(indices, indices, >);
  return seq == val and not has_focus(later);
}
def mark_first_instance(seq, val) {
  earlier = select(seq, val, ==) and select(indices, indices, <);
  return seq == val and not has_focus(earlier);
}
def select_from_last(seq, val) {
  return select(mark_last_instance(seq, val), True, ==);
}
def select_from_first(seq, val) {
  return select(mark_first_instance(seq, val), True, ==);
}
def sort(seq, key) {
  before = select(key, key, <) or (select(key, key, ==) and select(indices, indices, <));
  target = selector_width(before);
  return aggregate(select(target, indices, ==), seq);
}
def select_next_identical(seq) {
  same = select(seq, seq, ==);
  earlier = selector_width(same and select(indices, indices, <));
  return same and select(earlier, earlier + 1, ==);
}
`;

/** Names that a file cannot assign to, besides the reserved ones. `tokens` is free. */
export const builtInNames = ['length', 'selector_width'] as const;

let parsed: ParsedFile | undefined;

export function libraryFile(): ParsedFile {
  parsed ??= parse({ path: libraryPath, text: libraryText });
  return parsed;
}
