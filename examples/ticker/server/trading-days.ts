// The data: daily closes of the S&P 500 from 2000 to 2020, out of the npm package vega-datasets.
import { readFileSync } from "node:fs";

export interface TradingDay {
  /** As in "2008-10-13". */
  readonly date: string;
  readonly close: number;
  /** Shares traded. */
  readonly volume: number;
}

export const SOURCE = "vega-datasets, sp500-2000.csv";
const COLUMNS = "date,open,high,low,close,adjclose,volume";

/** All days, oldest first. Throws if the file is not what this was written for. */
export function readTradingDays(): readonly TradingDay[] {
  const file = new URL("../data/sp500-2000.csv", import.meta.resolve("vega-datasets"));
  const [head, ...lines] = readFileSync(file, "utf8").trim().split(/\r?\n/);
  if (head !== COLUMNS) throw new Error(`${SOURCE} has other columns than it had: ${head ?? "none"}.`);
  return lines.map((line, at) => {
    const [date = "", , , , close = "", , volume = ""] = line.split(",");
    const day = { date, close: Number(close), volume: Number(volume) };
    if (!/^\d{4}-\d\d-\d\d$/.test(date) || !(day.close > 0) || !(day.volume >= 0))
      throw new Error(`${SOURCE}, line ${at + 2}, is no trading day: ${line}`);
    return day;
  });
}
