// The loss by tokens seen, as an SVG that reads on light and dark pages.
import type { LossPoint } from './training.ts';

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 280, 56, 16, 16, 44];

/** Round steps so that about `count` of them make up the span. */
function ticks(low: number, high: number, count: number): readonly number[] {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

const colours = ['#2f7ed8', '#d8762f', '#3a9d5d'];

/** One line a phase, their tokens counted on from phase to phase. */
export function lossCurve(...phases: readonly (readonly LossPoint[])[]): string {
  let before = 0;
  const lines = phases.map((curve) => {
    const from = before;
    before += (curve.at(-1)?.tokens ?? 0) / 1e6;
    return curve.map(({ tokens, loss }) => ({ tokens: from + tokens / 1e6, loss }));
  });
  const losses = lines.flat().map(({ loss }) => loss);
  const [low, high] = [Math.floor(Math.min(...losses) * 10) / 10, Math.ceil(Math.max(...losses))];
  const x = (value: number): string => (LEFT + (value / before) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (value: number): string => (HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  const across = ticks(0, before, 6).map((value) => `<text x="${x(value)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${Number(value.toFixed(2))}</text>`);
  const up = ticks(low, high, 5).map((value) => `<path d="M${LEFT} ${y(value)}H${WIDTH - RIGHT}" stroke="#888" stroke-opacity=".3"/><text x="${LEFT - 6}" y="${Number(y(value)) + 4}" text-anchor="end">${Number(value.toFixed(2))}</text>`);
  const drawn = lines.map((line, i) => `<polyline points="${line.map(({ tokens, loss }) => `${x(tokens)},${y(loss)}`).join(' ')}" fill="none" stroke="${colours[i % colours.length]}" stroke-width="1.5"/>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Training loss by tokens seen" font-family="sans-serif" font-size="11" fill="#777">
${[...up, ...across].join('\n')}
<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">million tokens seen</text>
<text transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">training loss, nats</text>
${drawn.join('\n')}
</svg>
`;
}
