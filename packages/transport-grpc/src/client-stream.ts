// What both clients do with the stream from the server: wait for the first chunk, hand the link over, then feed it.
import { Code, ConnectError } from "@connectrpc/connect";
import { fail, type LinkOpened } from "@raceway/core";
import type { Chunk } from "./gen/raceway/v1/link_pb.ts";
import type { LinkEnd } from "./link-end.ts";
import { TRANSPORT } from "./protocol.ts";

/** Resolves when the link was handed over; rejects if the stream fails before. From then on the stream feeds the link, and ends with it. */
export async function openOver(
  stream: AsyncIterable<Chunk>,
  link: LinkEnd,
  opened: LinkOpened,
  signal: AbortSignal,
): Promise<void> {
  const chunks = stream[Symbol.asyncIterator]();
  try {
    const first = await chunks.next();
    if (first.done === true) throw new ConnectError("the server ended the stream at once", Code.Unavailable);
  } catch (cause) {
    throw openError(cause, signal);
  }
  if (signal.aborted) throw openError(undefined, signal);
  link.open(opened);
  void feed(chunks, link);
}

function openError(cause: unknown, signal: AbortSignal): ConnectError {
  const { code, rawMessage } = ConnectError.from(cause);
  const detail = signal.aborted ? "the attempt was called off" : `${Code[code] ?? code}: ${rawMessage.slice(0, 200)}`;
  return fail("transport_failed", { transport: TRANSPORT, detail });
}

async function feed(chunks: AsyncIterator<Chunk>, link: LinkEnd): Promise<void> {
  try {
    for (;;) {
      const result: IteratorResult<Chunk, unknown> = await chunks.next();
      if (result.done === true) break;
      while (link.paused !== undefined) await link.paused;
      link.take(result.value.batch);
    }
    link.ended();
  } catch (error) {
    link.lost(error);
  }
  link.gone();
}
