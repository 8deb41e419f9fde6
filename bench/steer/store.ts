// The benchmark's results on disk: written after every row, so that a run that ends early is gone on with.
import { readFileSync } from 'node:fs';
import type { OverheadRow, PartReport, SteerReport, SteerRow } from './report.ts';
import { markdown } from './report.ts';
import { machine } from '../machine.ts';
import { writeReport } from '../writeReport.ts';

export class ResultStore {
  private report: SteerReport;

  constructor(private readonly name: string, fresh: boolean) {
    this.report = { machine: machine(), parts: [], rows: [], overhead: [], ...(fresh ? {} : earlier(name)) };
  }

  /** A row that was measured with the same settings. */
  has({ part, setting, method, key }: Pick<SteerRow, 'part' | 'setting' | 'method' | 'key'>): boolean {
    return this.report.rows.some((row) => row.part === part && row.setting === setting && row.method === method && row.key === key);
  }

  add(row: SteerRow): void {
    const { rows } = this.report;
    const at = rows.findIndex(({ part, setting, method }) => part === row.part && setting === row.setting && method === row.method);
    this.write({ ...this.report, rows: at < 0 ? [...rows, row] : rows.with(at, row) });
  }

  addPart(part: PartReport): void {
    const own = this.report.parts.find((one) => one.part === part.part);
    const notes = { ...own?.notes, ...part.notes };
    const minutes = (own?.minutes ?? 0) + part.minutes;
    this.write({ ...this.report, parts: [...this.report.parts.filter((one) => one !== own), { ...part, notes, minutes }] });
  }

  setOverhead(overhead: readonly OverheadRow[]): void {
    this.write({ ...this.report, overhead });
  }

  get text(): string {
    return markdown(this.report);
  }

  private write(report: SteerReport): void {
    this.report = { ...report, machine: machine() };
    writeReport(this.report, this.text, this.name);
  }
}

function earlier(name: string): Partial<SteerReport> {
  try {
    const report = JSON.parse(readFileSync(new URL(`../results/${name}.json`, import.meta.url), 'utf8')) as SteerReport;
    // Times of before the processor's was taken.
    return { ...report, overhead: report.overhead.filter((row) => 'plain' in row) };
  } catch {
    return {};
  }
}
