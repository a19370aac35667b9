// What has to hold of each channel before a server starts: plugins can serve it, and somebody keeps what its policy says.
import { type EnforcedPolicy, type Logger, type Plugin, fail } from "@raceway/core";
import { checkChannel } from "@raceway/core/internal";
import type { Channel } from "./channel.ts";

/** Throws `plugin_unfit` or `policy_unenforced`; warnings go to the log. */
export function checkChannels(channels: Iterable<Channel>, plugins: readonly Plugin[], log: Logger): void {
  for (const channel of channels) {
    for (const { plugin, severity, message, mend } of checkChannel(plugins, channel)) {
      if (severity === "error") throw fail("plugin_unfit", { plugin, path: channel.path, detail: message, mend });
      log.warn("a plugin warns of a channel", { plugin, path: channel.path, warning: message, mend });
    }
    const [first] = unenforced(channel, plugins);
    if (first !== undefined) throw first;
  }
}

/** Which plugin of ours keeps what a policy may say. */
const keepers: Readonly<Record<EnforcedPolicy, string>> = {
  auth: "rbac() of @raceway/middleware/rbac",
  rateLimits: "rateLimit() of @raceway/middleware/rate-limit",
  maxSubscribers: "limits() of @raceway/middleware/limits",
  maxConcurrent: "limits() of @raceway/middleware/limits",
  audit: "a plugin that enforces audit",
};

/** A `policy_unenforced` for each rule that nobody keeps. What is public needs nobody to see to it. */
export function unenforced({ path, policy = {} }: Channel, plugins: readonly Plugin[]): Error[] {
  return (Object.entries(keepers) as [EnforcedPolicy, string][]).flatMap(([name, plugin]) => {
    const said = policy[name];
    if (said === undefined || (Array.isArray(said) && said.length === 0)) return [];
    if (name === "auth" && "public" in policy.auth!) return [];
    if (plugins.some(({ enforces }) => enforces?.includes(name))) return [];
    return [fail("policy_unenforced", { path, policy: name, plugin })];
  });
}
