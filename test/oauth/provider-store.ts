// What the test's OpenID provider keeps, in memory, for as long as it lives.
import type { Adapter, AdapterFactory, AdapterPayload } from "oidc-provider";

export function providerStore(): { readonly adapter: AdapterFactory; forget(model: string): void } {
  const kept = new Map<string, AdapterPayload>();
  const adapter = (model: string): Adapter => {
    const find = async (wanted: (payload: AdapterPayload) => boolean): Promise<AdapterPayload | undefined> =>
      [...kept].find(([key, payload]) => key.startsWith(`${model} `) && wanted(payload))?.[1];
    return {
      async upsert(id, payload) {
        kept.set(`${model} ${id}`, payload);
      },
      find: async (id) => kept.get(`${model} ${id}`),
      findByUid: (uid) => find((payload) => payload.uid === uid),
      findByUserCode: (userCode) => find((payload) => payload.userCode === userCode),
      async consume(id) {
        kept.get(`${model} ${id}`)!["consumed"] = Math.floor(Date.now() / 1_000);
      },
      async destroy(id) {
        kept.delete(`${model} ${id}`);
      },
      async revokeByGrantId(grantId) {
        for (const [key, payload] of kept) if (payload.grantId === grantId) kept.delete(key);
      },
    };
  };
  return {
    adapter,
    forget(model) {
      for (const key of kept.keys()) if (key.startsWith(`${model} `)) kept.delete(key);
    },
  };
}
