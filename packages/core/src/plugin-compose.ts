// What plugins add to a channel, composed once: what is absent costs nothing.
import type { ContextValues, Interceptor } from "@connectrpc/connect";
import type { BatchWindow } from "./batch-window.ts";
import type { ByteMeter } from "./byte-meter.ts";
import type { ChannelInfo, Stations, TopicGate, TopicPublication, TopicSubscription } from "./plugin.ts";

/** The interceptors of a channel as one, the first plugin outermost; undefined if no plugin has one. */
export function composeInterceptors(stations: readonly Stations[], channel: ChannelInfo): Interceptor | undefined {
  const interceptors = stations
    .map((station) => station.call?.(channel))
    .filter((interceptor) => interceptor !== undefined);
  if (interceptors.length <= 1) return interceptors[0];
  return (next) => interceptors.reduceRight((inner, interceptor) => interceptor(inner), next);
}

/** The gates of a topic as one, asked in order until one refuses; a face that no plugin has is absent, and so is a gate without faces. */
export function composeGates(stations: readonly Stations[], channel: ChannelInfo): TopicGate | undefined {
  const gates = stations.map((station) => station.topic?.(channel)).filter((gate) => gate !== undefined);
  const subscribe = inTurn<[TopicSubscription]>(
    gates.flatMap((gate) => (gate.subscribe ? [gate.subscribe.bind(gate)] : [])),
  );
  const publish = inTurn<[TopicPublication]>(gates.flatMap((gate) => (gate.publish ? [gate.publish.bind(gate)] : [])));
  const replace = composeReplace(gates);
  if (subscribe === undefined && publish === undefined && replace === undefined) return undefined;
  return { ...(subscribe && { subscribe }), ...(publish && { publish }), ...(replace && { replace }) };
}

/** Each gets what the one before it gave. */
function composeReplace(gates: readonly TopicGate[]): TopicGate["replace"] {
  const steps = gates.flatMap((gate) => (gate.replace ? [gate.replace.bind(gate)] : []));
  if (steps.length <= 1) return steps[0];
  return (asked) => steps.reduce<unknown>((message, step) => step({ ...asked, message }), asked.message);
}

/** How long messages of a channel may wait; undefined if no plugin says so. */
export function composeWindow(stations: readonly Stations[], channel: ChannelInfo): BatchWindow | undefined {
  for (const station of stations) {
    const window = station.window?.(channel);
    if (window !== undefined) return window;
  }
  return undefined;
}

/** Who counts the bytes of a peer; undefined if no plugin does of any. */
export function composeMeter(
  stations: readonly Stations[],
): ((context: ContextValues) => ByteMeter | undefined) | undefined {
  const meters = stations.filter(({ meter }) => meter !== undefined);
  if (meters.length === 0) return undefined;
  return (context) => {
    for (const station of meters) {
      const meter = station.meter!(context);
      if (meter !== undefined) return meter;
    }
    return undefined;
  };
}

type Step<A extends unknown[]> = (...values: A) => void | Promise<void>;

/** Runs the steps one after the other; a promise comes about only if a step answers with one. */
function inTurn<A extends unknown[]>(steps: readonly Step<A>[]): Step<A> | undefined {
  if (steps.length <= 1) return steps[0];
  return (...values) => {
    for (let index = 0; index < steps.length; index++) {
      const waiting = steps[index]!(...values);
      if (waiting !== undefined) return rest(steps, index + 1, waiting, values);
    }
    return undefined;
  };
}

async function rest<A extends unknown[]>(
  steps: readonly Step<A>[],
  from: number,
  waiting: Promise<void>,
  values: A,
): Promise<void> {
  await waiting;
  for (let index = from; index < steps.length; index++) await steps[index]!(...values);
}
