// A browser in small, for sign-ins without one: follows redirects with its cookies until they leave the provider.
export class Visitor {
  readonly #cookies = new Map<string, string>();

  /** Goes there, and gives the first address that is not the provider's. */
  async visit(start: string): Promise<string> {
    const { origin } = new URL(start);
    let url = start;
    for (let hop = 0; hop < 10; hop++) {
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const response = await fetch(url, { redirect: "manual", headers: { cookie } });
      const text = await response.text();
      for (const line of response.headers.getSetCookie()) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line)!;
        if (value === "") this.#cookies.delete(name);
        else this.#cookies.set(name, value);
      }
      const next = response.headers.get("location");
      if (next === null) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 500)}`);
      url = new URL(next, url).href;
      if (new URL(url).origin !== origin) return url;
    }
    throw new Error(`${url}: too many redirects`);
  }
}
