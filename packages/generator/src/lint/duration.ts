// The rule about durations.
import type { Duration } from "@bufbuild/protobuf/wkt";
import { milliseconds } from "../model/options.ts";
import type { Place } from "../place.ts";
import type { Report } from "./finding.ts";

const TEN_YEARS_MS = 10 * 366 * 24 * 3600 * 1000;

export function lintDuration(duration: Duration | undefined, place: Place, name: string, report: Report): void {
  const ms = milliseconds(duration);
  if (ms === undefined) return;
  if (ms <= 0) {
    report.error("duration_invalid", place, `${name} is ${ms} ms`, `write more than zero, or remove ${name}.`);
  } else if (!Number.isInteger(ms)) {
    report.error(
      "duration_invalid",
      place,
      `${name} is ${ms} ms, and Raceway counts in whole milliseconds`,
      "write nanos as a multiple of 1000000.",
    );
  } else if (ms > TEN_YEARS_MS) {
    report.error("duration_invalid", place, `${name} is more than ten years`, "check the unit: `seconds` are seconds.");
  }
}
