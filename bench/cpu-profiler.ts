// V8's sampling profiler around one measurement, so that start-up and idle time stay out.
import { writeFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";

/** Microseconds between samples. */
const SAMPLING = 200;

export class CpuProfiler {
  #session: Session | undefined;

  async start(): Promise<void> {
    const session = new Session();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: SAMPLING });
    await session.post("Profiler.start");
    this.#session = session;
  }

  async stop(file: string): Promise<void> {
    const { profile } = (await this.#session?.post("Profiler.stop")) ?? {};
    this.#session?.disconnect();
    this.#session = undefined;
    await writeFile(file, JSON.stringify(profile));
  }
}
