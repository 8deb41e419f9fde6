// What the Steering view says of two answers, and which messages it takes.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Answers } from '../../src/shared/steeringMessages.ts';
import { isFromSteeringView } from '../../src/shared/steeringMessages.ts';
import { comparisonText, partsOf } from '../../webview/steering/describe.ts';

const answers: Answers = { status: 'done', message: '', unsteered: 'one two', steered: 'one six', isSteered: true, divergence: [0.1, 0.3], drift: [] };

describe('two answers', () => {
  it('are told apart where they part, never within a character', () => {
    assert.deepEqual(partsOf('one two', 'one six'), { same: 'one ', own: 'six' });
    assert.deepEqual(partsOf('a😀', 'a😁'), { same: 'a', own: '😁' });
    assert.deepEqual(partsOf('', ''), { same: '', own: '' });
  });

  it('are compared in words', () => {
    assert.equal(comparisonText(answers), 'The answers differ after 4 characters. KL 0.200 nats on average, 0.300 at most, over 2 tokens from the same text.');
    assert.equal(comparisonText({ ...answers, steered: 'one two' }).split('.')[0], 'The answers are the same');
    assert.match(comparisonText({ ...answers, steered: 'six' }), /from the first character on/u);
    assert.match(comparisonText({ ...answers, isSteered: false }), /No vector is on/u);
    assert.match(comparisonText({ ...answers, status: 'stopped' }), /^Stopped\. /u);
    assert.match(comparisonText({ ...answers, drift: [{ layer: 2, drift: -0.125 }, { layer: 3, drift: 0.01 }] }), /Norm drift at most −12\.5 %, at layer 2\./u);
  });
});

describe('messages of the Steering view', () => {
  it('are taken in the shapes that the view sends, and no others', () => {
    for (const message of [{ type: 'ready' }, { type: 'action', action: 'run' }, { type: 'prompt', text: 'a' }, { type: 'change', id: 'v', change: { strength: -0.5, from: 1, to: 2, on: true } }, { type: 'delete', id: 'v' }]) assert.ok(isFromSteeringView(message), JSON.stringify(message));
    for (const message of [null, {}, { type: 'action', action: 'quit' }, { type: 'change', id: 'v', change: { strength: 100 } }, { type: 'change', id: 'v', change: { strength: Number.NaN } }, { type: 'change', id: 'v', change: { from: 0.5 } }, { type: 'change', id: 'v', change: { path: '/' } }, { type: 'change', id: 'v', change: null }, { type: 'delete' }]) assert.equal(isFromSteeringView(message), false, JSON.stringify(message));
  });
});
