// When a browser has reason to look at its connection: the network is back, or the page is shown again.

/** Calls `awake` each time, until the returned function is called. Where there are no such events, never. */
export function whenAwake(awake: () => void): () => void {
  if (typeof globalThis.addEventListener !== "function") return () => {};
  const { document } = globalThis as { readonly document?: EventTarget & { readonly hidden: boolean } };
  const listener = (): void => {
    if (document?.hidden !== true) awake();
  };
  const events = [
    [globalThis, "online"],
    [globalThis, "pageshow"],
    [document, "visibilitychange"],
    [document, "resume"], // the page was frozen (Page Lifecycle)
  ] as const;
  for (const [target, type] of events) target?.addEventListener(type, listener);
  return () => {
    for (const [target, type] of events) target?.removeEventListener(type, listener);
  };
}
