// So many things per second, in small lots; who falls behind catches up.

/** Milliseconds between two lots. */
const LOT_MS = 5;

let waiting: (() => void)[] = [];
let timer: NodeJS.Timeout | undefined;

/** Resolves with the next lot, for all who wait at once: one timer for however many streams. */
function nextLot(): Promise<void> {
  timer ??= setTimeout(() => {
    timer = undefined;
    const due = waiting;
    waiting = [];
    for (const run of due) run();
  }, LOT_MS);
  return new Promise((resolve) => waiting.push(resolve));
}

/** The numbers from 0 to `count` - 1, each when its time has come; `perSecond` 0: at once. */
export async function* paced(count: number, perSecond: number): AsyncGenerator<number, void> {
  const began = performance.now();
  for (let number = 0; number < count; number++) {
    while (perSecond > 0 && number >= ((performance.now() - began) * perSecond) / 1_000) await nextLot();
    yield number;
  }
}
