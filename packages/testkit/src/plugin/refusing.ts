// What a plugin that refuses owes to those whom it refuses, and to those whom it does not, by one way in.
import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf, retryAfterMs } from "@raceway/core";
import { require } from "../case.ts";
import type { KitClient, Stage } from "./stage.ts";
import { type KitChannel, type PluginRefusal, kitChannels } from "./subject.ts";
import { codeName } from "./traffic.ts";
import { useChannel } from "./uses.ts";

/** Refuses each channel of the refusal, again and again, before its handler knows; admits the others. */
export async function refuses(stage: Stage, refusal: PluginRefusal): Promise<void> {
  const client = await stage.client();
  for (const channel of refusal.of) {
    await admits(stage, client, channel, refusal.after ?? 0);
    for (let time = 0; time < 2; time++) {
      const heard = stage.notes.lines.length;
      await requireRefused(stage, client, channel, refusal);
      const more = stage.notes.lines.slice(heard).filter((line) => line.startsWith(channel));
      require(channel === "post" || more.length === 0, `${channel} was refused after its handler was asked`);
    }
  }
  for (const channel of kitChannels) if (!refusal.of.includes(channel)) await admits(stage, client, channel, 1);
}

export async function admits(stage: Stage, client: KitClient, channel: KitChannel, times: number): Promise<void> {
  for (let time = 0; time < times; time++)
    try {
      await stage.within(useChannel(channel, client, stage), `use ${time + 1} of ${channel}`);
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      require(false, `use ${time + 1} of ${channel} was not admitted: ${error.message}`);
    }
}

export async function requireRefused(
  stage: Stage,
  client: KitClient,
  channel: KitChannel,
  refusal: PluginRefusal,
): Promise<void> {
  const error = await stage
    .within(useChannel(channel, client, stage), `the refusal of ${channel}`)
    .then(() => undefined)
    .catch((reason: unknown) => reason as Error);
  require(error !== undefined, `${channel} was not refused`);
  if (!(error instanceof ConnectError)) throw error;
  const { code } = error;
  require(error.rawMessage !== "" && code !== Code.Unknown && code !== Code.Internal, () =>
    `${channel} was refused with an error that tells the client nothing: ${error.message}`);
  require(code === refusal.code, `${channel} was refused with ${codeName(code)} in place of ${codeName(refusal.code)}`);
  const reason = reasonOf(error);
  require(refusal.reason === undefined || reason === refusal.reason, () =>
    `${channel} was refused by reason ${reason ?? "of nothing"} in place of ${refusal.reason}`);
  const when = retryAfterMs(error);
  require(refusal.saysWhen !== true ||
    (when !== undefined && when > 0), `${channel} was refused without a word of when to come again`);
  const secret = refusal.visitor?.credential;
  require(typeof secret !== "string" || secret.length < 4 || !error.message.includes(secret), () =>
    `the error of ${channel} says the credential that was shown: ${error.message}`);
}
