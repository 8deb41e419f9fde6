// Where a text that grows in a document lies after somebody else has changed the document.

/** Where a text lies in a document, in UTF-16 units. */
export interface TextPlace {
  readonly start: number;
  readonly end: number;
}

export interface ForeignChange {
  readonly rangeOffset: number;
  readonly rangeLength: number;
  readonly text: string;
}

/**
 * The place of a growing text after somebody else's change; null where the change took the text away or cut across its
 * edge. What is typed where it will go on comes after it, except before its first character is there.
 */
export function placeAfter({ start, end }: TextPlace, { rangeOffset, rangeLength, text }: ForeignChange): TextPlace | null {
  const changeEnd = rangeOffset + rangeLength;
  const growth = text.length - rangeLength;
  if (changeEnd <= start) return { start: start + growth, end: end + growth };
  if (rangeOffset >= end) return { start, end };
  const inside = rangeOffset >= start && changeEnd <= end && rangeLength < end - start;
  return inside ? { start, end: end + growth } : null;
}
