// The log under the panels, newest first.

export interface LogEntry {
  /** Whose line it is: "WebSocket", "Server". */
  readonly who: string;
  /** Gives the line its colour. */
  readonly transport?: string;
  readonly what: string;
  /** Said more quietly, after it. */
  readonly detail?: string | undefined;
  readonly tone?: "quiet" | "bad";
}

const KEPT = 200;
const clock = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 1,
});

export class SessionLog {
  readonly #list: HTMLElement;

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  add({ who, transport, what, detail, tone }: LogEntry): void {
    const entry = element("div", "entry");
    if (tone !== undefined) entry.dataset["tone"] = tone;
    const now = new Date();
    const time = element("time", "", clock.format(now));
    time.dateTime = now.toISOString();
    const name = element("span", "who");
    if (transport !== undefined) name.dataset["transport"] = transport;
    name.append(element("span", "dot"), who);
    const text = element("span", "what", what);
    if (detail !== undefined && detail !== "") text.append(" ", element("small", "", detail));
    entry.append(time, name, text);
    this.#list.prepend(entry);
    while (this.#list.childElementCount > KEPT) this.#list.lastElementChild?.remove();
  }
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  text = "",
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  made.textContent = text;
  return made;
}
