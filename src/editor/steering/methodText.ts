// Names of the methods that make steering vectors, as people write them.
const names: Readonly<Record<string, string>> = { grains: 'GrAInS', caa: 'CAA', gact: 'G-ACT', probe: 'Probe', random: 'Random' };

export const methodText = (method: string): string => names[method] ?? method;
