// Which text is attributed, where its places are in the document, and what is said of it.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { AnchoredText } from '../../src/editor/attribution/anchoredText.ts';
import { attributedText } from '../../src/editor/attribution/attributedText.ts';
import { legendTexts, rankText, sumsText, tokenAt } from '../../src/editor/attribution/attributionText.ts';
import type { Attribution, AttributedToken } from '../../src/shared/attributionMessages.ts';
import { isFromAttributionPage, natsText, quoted, strengthLevel } from '../../src/shared/attributionMessages.ts';
import { gridOf } from '../../src/steering/attributionCall.ts';
import { csvOf, sumText, tokenLabel } from '../../webview/attribution/describe.ts';
import { mostRows, shownTokens } from '../../webview/attribution/map.ts';

const t = (pattern: string, ...values: readonly (string | number)[]): string => pattern.replaceAll(/\{(\d)\}/gu, (_, i: string) => String(values[Number(i)]));

const token = (text: string, start: number, value: number, more: Partial<AttributedToken> = {}): AttributedToken => ({ text, start, end: start + text.length, value, rank: 1, set: null, ...more });

const attribution: Attribution = {
  model: 'm', provider: 'cpu', preferred: ' yes', dispreferred: ' no', chosen: true, method: 'ig', steps: 20, baseline: 'mean',
  contrast: 1.5, baselineContrast: 0.5, error: 0.01, warning: null, millis: 12, image: null,
  tokens: [token('', 0, 0, { rank: null }), token('a', 0, 0.75, { rank: 1, set: 'positive' }), token(' b,c', 1, -0.25, { rank: 3, set: 'negative' }), token('d', 5, 0.5, { rank: 2 })],
  layers: [{ site: 'layers.0.resid_post', layer: 0, values: [0, 0.1, -0.2, 0.3], response: 0.8, error: 0 }],
};

describe('the text that is attributed', () => {
  const source = { fileName: '/work space/a.prompt.md', start: 0, end: 0 };

  it('is the selection, or a whole prompt document without front matter and the end of its last line', () => {
    assert.equal(attributedText({ ...source, text: 'abc', start: 1, end: 2 })?.text, 'b');
    assert.deepEqual(attributedText({ ...source, text: '---\nmode: ask\n---\nWhy?\n' }), { text: 'Why?', offset: 18, asMessage: true, image: null });
    assert.equal(attributedText({ ...source, text: 'Program:\n\n' })?.text, 'Program:\n');
    assert.equal(attributedText({ ...source, fileName: 'a.md', text: 'abc' }), null);
  });

  it('names the image that it refers to, beside the document, and none of the network', () => {
    const found = attributedText({ ...source, text: 'See ![it](pictures/a%20b.png)\nWhat is it?' });
    assert.deepEqual(found?.image, { file: '/work space/pictures/a b.png', start: 4, end: 30 });
    assert.equal(attributedText({ ...source, text: '![it](https://example.org/a.png)' })?.image, null);
    assert.equal(attributedText({ ...source, text: '![it](100%.png)' })?.image?.file, '/work space/100%.png');
  });

  it('has its places where they are in the document, whatever the line ends are', () => {
    fc.assert(fc.property(fc.array(fc.stringMatching(/^[a-z ]{0,6}$/u), { minLength: 1, maxLength: 6 }), fc.nat(5), fc.nat(5), fc.nat(60), (lines, line, character, at) => {
      const text = lines.join('\n');
      const anchored = new AnchoredText(text, { line, character });
      const offset = at % (text.length + 1);
      const place = anchored.placeIn(offset);
      const before = text.slice(0, offset).split('\n');
      assert.equal(place.line, line + before.length - 1);
      assert.equal(place.character, (before.at(-1)?.length ?? 0) + (before.length === 1 ? character : 0));
      assert.equal(anchored.offsetOf(place), offset);
      assert.ok(anchored.holds(place));
    }));
    const anchored = new AnchoredText('ab\nc', { line: 2, character: 3 });
    assert.deepEqual([{ line: 2, character: 1 }, { line: 1, character: 9 }, { line: 3, character: 4 }, { line: 4, character: 0 }].map((place) => anchored.holds(place)), [false, false, false, false]);
  });
});

describe('what is said of an attribution', () => {
  it('has a level for each strength, none for what is too weak, and the sign as a word', () => {
    assert.deepEqual([1, 0.6, 0.59, 0.3, 0.12, 0.04, 0.039, 0].map((value) => strengthLevel(-value, 1)), [4, 4, 3, 3, 2, 1, 0, 0]);
    assert.equal(strengthLevel(0, 0), 0);
    assert.equal(natsText(-0.25), '−0.250');
    assert.equal(quoted('a\n'), '“a⏎”');
  });

  it('finds the token at a place, its rank, and the sums around it, each token counted once', () => {
    assert.equal(tokenAt(attribution.tokens, 2)?.text, ' b,c');
    assert.equal(tokenAt(attribution.tokens, 6), undefined);
    assert.equal(rankText(attribution.tokens[2] ?? token('', 0, 0), 3, t), 'rank 3 of 3 · in S⁻, the lowest tokens');
    const text = 'a b,cd';
    assert.equal(sumsText({ attribution, text }, { word: { start: 0, end: 1 }, line: { start: 0, end: 6 }, selection: null }, t), 'word +0.750 · line +1.000');
    assert.equal(sumsText({ attribution, text }, { word: { start: 0, end: 1 }, line: null, selection: { start: 2, end: 6 } }, t), 'word +0.750 · selection +0.250');
  });

  it('warns in the legend where the numbers miss much', () => {
    assert.equal(legendTexts(attribution, t)[2], 'completeness error 1.0 %');
    assert.match(legendTexts({ ...attribution, error: 0.2 }, t)[2] ?? '', /^\$\(warning\) .*20 %/u);
  });

  it('is a table of everything, with texts that CSV must quote', () => {
    assert.equal(csvOf(attribution), 'index,token,start,end,nats,rank,set,layers.0.resid_post\n0,,0,0,0,,,0\n1,a,0,1,0.75,1,positive,0.1\n2," b,c",1,5,-0.25,3,negative,-0.2\n3,d,5,6,0.5,2,,0.3\n');
    assert.match(sumText(attribution), /is \+1\.500 nats with this text and \+0\.500 with the baseline\. The tokens sum up to \+1\.000: completeness error 1\.0 %/u);
    assert.equal(tokenLabel(attribution, 2), 'Token 3 “ b,c”: −0.250 nats towards “ no”, rank 3, in S⁻; layer 0 −0.200');
  });

  it('draws the strongest tokens of a long text in its order', () => {
    const tokens = Array.from({ length: mostRows + 3 }, (_, i) => token('x', i, i < 3 ? 0.1 : -(i + 1)));
    const shown = shownTokens({ ...attribution, tokens });
    assert.deepEqual([shown.length, shown[0], shown.at(-1)], [mostRows, 3, mostRows + 2]);
  });

  it('lays patches out as the image is shaped', () => {
    assert.deepEqual(gridOf(64, 1), { rows: 8, columns: 8 });
    assert.deepEqual(gridOf(24, 1.5), { rows: 4, columns: 6 });
    assert.deepEqual(gridOf(7, 1), { rows: 1, columns: 7 });
  });

  it('drops messages that no page of ours sends', () => {
    for (const message of [null, 'ready', {}, { type: 'action', action: 'format' }, { type: 'export', format: 'exe', content: '' }, { type: 'export', format: 'csv' }, { type: 'reveal', token: '1' }]) assert.equal(isFromAttributionPage(message), false, JSON.stringify(message));
    assert.ok(isFromAttributionPage({ type: 'reveal', token: 1 }));
  });
});
