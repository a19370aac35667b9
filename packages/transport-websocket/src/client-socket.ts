// What the client needs of a WebSocket: satisfied by browsers, Node's global, and the `ws` package.

export interface SocketMessage {
  readonly data: unknown;
}
export interface SocketClose {
  readonly code: number;
  readonly reason: string;
}
export interface SocketLike {
  binaryType: string;
  readonly protocol: string;
  /** Bytes taken by `send` and not yet given to the network. */
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Not in the standard; `ws` has them. With them `pause` reaches the other end. */
  pause?(): void;
  resume?(): void;
}
export type SocketConstructor = new (url: string, protocols: string[]) => SocketLike;

/** The platform's own, if it has one. */
export function platformSocket(): SocketConstructor | undefined {
  return (globalThis as { WebSocket?: SocketConstructor }).WebSocket;
}
