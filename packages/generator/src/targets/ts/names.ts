// The names that the target `ts` gives: what a service is called, and that no two names of one file are the same.
import type { ChannelModel, ServiceModel } from "@raceway/core/target";

export interface ServiceNames {
  /** "RoomClient". */
  readonly client: string;
  /** "roomClient". */
  readonly connect: string;
  /** "roomContract". */
  readonly contract: string;
  /** "RoomHandlers". */
  readonly handlers: string;
  /** "RoomPublishers". */
  readonly publishers: string;
  /** "roomService". */
  readonly definition: string;
  /** "roomSay". */
  call(channel: ChannelModel): string;
  /** "roomSayChannel". */
  channel(channel: ChannelModel): string;
  /** Of a channel that declares errors: "roomSayErrors", what they are. */
  errors(channel: ChannelModel): string;
  /** "RoomSayError", their type, and "roomSayError", which tells them apart. */
  errorType(channel: ChannelModel): string;
  error(channel: ChannelModel): string;
}

/** Names of all that the generated files of one schema file export. Who comes first in the schema keeps the plain name. */
export function nameServices(services: readonly ServiceModel[]): ReadonlyMap<ServiceModel, ServiceNames> {
  const taken = new Set<string>();
  const short = services.map((service) => service.name.replace(/Service$/, "") || service.name);
  const named = services.map((service, at) => {
    const alone = short.every((name, other) => other === at || lowerCamel(name) !== lowerCamel(short[at]!));
    return { service, base: alone ? short[at]! : service.name };
  });
  // The names of services first: those of their calls give way.
  const bases = named.map(({ service, base }) => ({
    service,
    lower: lowerCamel(base),
    names: {
      client: claim(`${upperFirst(base)}Client`),
      connect: claim(`${lowerCamel(base)}Client`),
      contract: claim(`${lowerCamel(base)}Contract`),
      handlers: claim(`${upperFirst(base)}Handlers`),
      publishers: claim(`${upperFirst(base)}Publishers`),
      definition: claim(`${lowerCamel(base)}Service`),
    },
  }));
  return new Map(
    bases.map(({ service, lower, names }) => {
      const calls = new Map(service.channels.map((channel) => [channel, claim(lower + upperFirst(plain(channel)))]));
      const channels = new Map(
        service.channels.map((channel) => [channel, claim(`${lower}${upperFirst(plain(channel))}Channel`)]),
      );
      const failing = new Map(
        service.channels
          .filter(({ errors }) => errors.length > 0)
          .map((channel) => {
            const base = lower + upperFirst(plain(channel));
            return [
              channel,
              {
                errors: claim(`${base}Errors`),
                type: claim(`${upperFirst(base)}Error`),
                error: claim(`${base}Error`),
              },
            ];
          }),
      );
      return [
        service,
        {
          ...names,
          call: (channel) => calls.get(channel)!,
          channel: (channel) => channels.get(channel)!,
          errors: (channel) => failing.get(channel)!.errors,
          errorType: (channel) => failing.get(channel)!.type,
          error: (channel) => failing.get(channel)!.error,
        },
      ];
    }),
  );

  function claim(ideal: string): string {
    let name = ideal;
    while (taken.has(name)) name += "$";
    taken.add(name);
    return name;
  }
}

/** Without the "$" that protobuf-es adds to `constructor` and three others: behind a prefix they are harmless. */
function plain(channel: ChannelModel): string {
  return channel.localName.replace(/\$$/, "");
}

/** "RoomBooking" to "roomBooking", "IAMPolicy" to "iamPolicy", "IAM" to "iam". */
export function lowerCamel(name: string): string {
  return name.replace(/^[A-Z]+(?=[A-Z][a-z])|^[A-Z]+(?![a-z])|^[A-Z]/, (start) => start.toLowerCase());
}

export function upperFirst(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** A client that has a method `then` would be taken for a promise by `await`. */
export function clientMethod(channel: ChannelModel): string {
  return channel.localName === "then" ? "then$" : channel.localName;
}

/** A name as a property of an interface or an object literal. `new(…)` would be a constructor, `__proto__` a prototype. */
export function propertyName(name: string): string {
  if (name === "__proto__") return '["__proto__"]';
  return /^[A-Za-z_$][\w$]*$/.test(name) && name !== "new" ? name : JSON.stringify(name);
}

/** The same behind an object. */
export function propertyAccess(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}
