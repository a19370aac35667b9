// Calls through the client's middleware: Connect's own runners, with one composed interceptor.
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import {
  type ContextValues,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
  createContextValues,
} from "@connectrpc/connect";
import { runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";

interface Asked {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: HeadersInit | undefined;
  readonly contextValues: ContextValues | undefined;
  readonly url: string;
}

function common(
  method: DescMethodUnary | DescMethodStreaming,
  asked: Asked,
): Omit<UnaryRequest, "stream" | "message" | "method" | "signal"> {
  return {
    service: method.parent,
    requestMethod: "POST",
    url: `${asked.url}/${method.parent.typeName}/${method.name}`,
    header: new Headers(asked.header),
    contextValues: asked.contextValues ?? createContextValues(),
  };
}
function limits(asked: Asked): { signal?: AbortSignal; timeoutMs?: number } {
  return {
    ...(asked.signal !== undefined && { signal: asked.signal }),
    ...(asked.timeoutMs !== undefined && { timeoutMs: asked.timeoutMs }),
  };
}
async function unary<I extends DescMessage, O extends DescMessage>(
  chain: Promise<Interceptor | undefined>,
  method: DescMethodUnary<I, O>,
  asked: Asked,
  input: MessageInitShape<I>,
  next: (request: UnaryRequest<I, O>) => Promise<UnaryResponse<I, O>>,
): Promise<UnaryResponse<I, O>> {
  const interceptor = await chain;
  return runUnaryCall<I, O>({
    ...limits(asked),
    interceptors: interceptor === undefined ? [] : [interceptor],
    req: { ...common(method, asked), stream: false, method, message: input },
    next,
  });
}

async function stream<I extends DescMessage, O extends DescMessage>(
  chain: Promise<Interceptor | undefined>,
  method: DescMethodStreaming<I, O>,
  asked: Asked,
  input: AsyncIterable<MessageInitShape<I>>,
  next: (request: StreamRequest<I, O>) => Promise<StreamResponse<I, O>>,
): Promise<StreamResponse<I, O>> {
  const interceptor = await chain;
  return runStreamingCall<I, O>({
    ...limits(asked),
    interceptors: interceptor === undefined ? [] : [interceptor],
    req: { ...common(method, asked), stream: true, method, message: input },
    next,
  });
}

export const intercepted: { readonly unary: typeof unary; readonly stream: typeof stream } = { unary, stream };
