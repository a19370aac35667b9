// A call on a session as Connect's interceptors see it.
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ContextValues } from "@connectrpc/connect";
import type { SessionCallContext } from "./call-context.ts";

/**
 * Connect's UnaryRequest or StreamRequest. The signal is made when somebody looks at it: to make one and abort it at the end costs as much as all else of a
 * small call. It is a property of the object's own, so that `{ ...request }` has it, too.
 */
export class InterceptedRequest {
  readonly stream: boolean;
  readonly service: DescService;
  readonly method: DescMethod;
  readonly requestMethod: string;
  readonly url: string;
  declare readonly signal: AbortSignal;
  readonly header: Headers;
  readonly contextValues: ContextValues;
  readonly message: unknown;
  readonly #context: SessionCallContext;

  constructor(context: SessionCallContext, method: DescMethod, stream: boolean, message: unknown) {
    this.#context = context;
    this.stream = stream;
    this.service = method.parent;
    this.method = method;
    this.requestMethod = context.requestMethod;
    this.url = context.url;
    this.header = context.requestHeader;
    this.contextValues = context.values;
    this.message = message;
    Object.defineProperty(this, "signal", InterceptedRequest.#signal);
  }

  static readonly #signal: PropertyDescriptor & ThisType<InterceptedRequest> = {
    enumerable: true,
    get() {
      return this.#context.signal;
    },
  };
}
