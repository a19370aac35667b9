// What a put costs that waits for the disk, alone and with others of its turn: the reason for group commit, and for `synchronous: "full"`.
// Run: node -C @raceway/source bench/micro/sqlite-store.ts [seconds for each row]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqliteStore } from "@raceway/backplane-sqlite";
import { nodeClock } from "@raceway/core/node";
import { testHost } from "@raceway/testkit";

const seconds = Number(process.argv[2] ?? 1);
const folder = mkdtempSync(join(tmpdir(), "raceway-bench-"));
/** A reply with its headers. */
const value = new Uint8Array(500).fill(7);

for (const synchronous of ["full", "normal"] as const) {
  for (const atOnce of [1, 10, 100, 1_000]) {
    const part = sqliteStore({ file: join(folder, `${synchronous} ${atOnce}.sqlite`), synchronous });
    await using store = await part.start({ ...testHost("server"), clock: nodeClock() });
    let puts = 0;
    const start = performance.now();
    while (performance.now() - start < seconds * 1_000) {
      await Promise.all(
        Array.from({ length: atOnce }, () =>
          store.put(`once ["/a.v1.Service/Method","",${puts++}]`, value, { ttlMs: 300_000, ifAbsent: true }),
        ),
      );
    }
    const perSecond = Math.round((puts * 1_000) / (performance.now() - start));
    console.log(
      `${synchronous.padEnd(6)} ${String(atOnce).padStart(5)} at once ${perSecond.toLocaleString("en").padStart(9)} puts/s`,
    );
  }
}
rmSync(folder, { recursive: true });
